import { chmodSync, existsSync, mkdtempSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { afterEach, describe, expect, it } from 'vitest'
import type { RowDirective } from '../../src/model/directive.ts'
import { GuardError } from '../../src/model/errors.ts'
import { createStepServer } from '../../src/step/grpc.ts'
import type { StepServer, StepServerEvent } from '../../src/step/grpc.ts'
import { TestEngine } from './client.ts'
import { createTestGuard, hello, serverParts, vocabularyChunk, walkX } from './fakes.ts'
import type { Parts, TestGuard } from './fakes.ts'

type Stage = TestGuard & {
  readonly parts: Parts
  readonly server: StepServer
  readonly doorEvents: StepServerEvent[]
  readonly engine: (socket?: string) => TestEngine
}

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function stage(change: (parts: Parts) => void = () => undefined): Promise<Stage> {
  const doorEvents: StepServerEvent[] = []
  const test = createTestGuard()
  const parts = serverParts(test.guard, doorEvents)
  change(parts)
  const server = createStepServer(parts)
  await server.start()
  cleanups.push(() => server.stop(0))
  const engine = () => {
    const made = new TestEngine(parts.socket.path)
    cleanups.push(() => made.close())
    return made
  }
  return { ...test, parts, server, doorEvents, engine }
}

async function attach({ engine }: Stage, more = {}): Promise<TestEngine> {
  const made = engine()
  made.send(hello(more))
  const welcome = await made.take('welcome')
  if (welcome['needVocabulary'] === true) made.send(vocabularyChunk())
  await made.take('bindings')
  return made
}

const opened = (slot: number, generation: number, more = {}) => ({
  slot,
  generation,
  requestId: `r${slot}-${generation}`,
  program: Buffer.from(walkX.digest, 'hex'),
  ...more,
})

describe('createStepServer', () => {
  it('welcomes an engine, takes its vocabulary and sends the program before the bindings', async () => {
    const test = await stage()
    const engine = await attach(test)
    const kinds = engine.received.map((message) => message.body)
    expect(kinds).toEqual(['welcome', 'program', 'program', 'bindings'])
    expect(engine.received[1]?.['program']).toMatchObject({ offset: 0, totalBytes: 300_000 })
    const second = await attach(test, {
      engineId: 'test/2/dp1',
      heldPrograms: [Buffer.from(walkX.digest, 'hex')],
    })
    expect(second.received.map((message) => message.body)).toEqual(['welcome', 'bindings'])
    expect(test.guard.engines()).toHaveLength(2)
  })

  it('sends the probe to an engine that can evaluate it, and tells of one that cannot', async () => {
    const probe = { digest: 'ab'.repeat(32), data: Buffer.from('probe') }
    const test = await stage((parts) => Object.assign(parts, { probe }))
    const able = await attach(test, { engineId: 'able', capabilities: ['probe'] })
    expect(await able.take('probe')).toMatchObject({ data: probe.data })
    expect(test.doorEvents.map(({ kind }) => kind)).not.toContain('unprobed')
    const unable = await attach(test, { engineId: 'unable', capabilities: ['stop'] })
    expect(unable.received.map(({ body }) => body)).not.toContain('probe')
    expect(test.doorEvents).toContainEqual(
      expect.objectContaining({ kind: 'unprobed', engine: 'unable' }),
    )
  })

  it('answers an awaited step always, and another one only when a row changes', async () => {
    const test = await stage()
    const engine = await attach(test)
    engine.send({ step: { sequence: 1, opened: [opened(0, 1)] } })
    engine.send({
      step: { sequence: 2, awaited: true, slot: [0], generation: [1], position: [0], token: [104] },
    })
    expect(await engine.take('directives')).toMatchObject({ sequence: 2, rows: [] })
    test.guard.stop('r0-1', 'test')
    expect(await engine.take('directives')).toMatchObject({
      sequence: 0,
      rows: [{ slot: 0, generation: 1, fromPosition: 1, stop: true }],
    })
    expect(test.guard.request('r0-1')?.rows.values().next().value?.text()).toBe('h')
  })

  it.each([
    ['another major version', { protocolMajor: 2 }, 'FAILED_PRECONDITION', 'upgrade the sidecar'],
    ['an old major version', { protocolMajor: 0 }, 'FAILED_PRECONDITION', 'upgrade the plugin'],
    ['a vocabulary too wide', { logitsWidth: 300_000 }, 'RESOURCE_EXHAUSTED', 'at most 262144'],
    ['too many slots', { slots: 5_000 }, 'RESOURCE_EXHAUSTED', 'Hello.slots: at most 1024'],
    ['no name', { engineId: '' }, 'INVALID_ARGUMENT', 'engine_id'],
    ['a short digest', { vocabularyDigest: Buffer.alloc(5) }, 'INVALID_ARGUMENT', 'expected 32'],
    ['an impossible end token', { endTokenIds: [258] }, 'INVALID_ARGUMENT', 'below 258, got 258'],
  ])('refuses a Hello with %s and says why', async (_, more, code, message) => {
    const { engine } = await stage()
    const made = engine()
    made.send(hello(more))
    const error = await made.end()
    expect(error.message).toContain(code)
    expect(error.details).toContain(message)
  })

  it.each([
    ['a step before Hello', { step: { sequence: 1 } }, 'expected Hello first'],
    ['an empty message', {}, 'expected Hello first'],
  ])('refuses %s', async (_, message, wanted) => {
    const { engine } = await stage()
    const made = engine()
    made.send(message)
    expect((await made.end()).details).toContain(wanted)
  })

  it.each([
    [
      'an impossible slot',
      { slot: [64], generation: [1], position: [0], token: [1] },
      'Step.slot[0]',
    ],
    [
      'an impossible token',
      { slot: [0], generation: [1], position: [0], token: [258] },
      'Step.token',
    ],
    ['ragged arrays', { slot: [0, 0], generation: [1], position: [0], token: [1] }, 'generation'],
    [
      'too many entries',
      { slot: Array.from({ length: 16_385 }, () => 0) },
      'at most 16384 entries',
    ],
    ['a generation that shrinks', { opened: [opened(3, 2), opened(3, 1)] }, 'generation 2'],
    ['a digest cut short', { opened: [opened(3, 2, { program: Buffer.alloc(4) })] }, '32 bytes'],
    ['a sequence that repeats', { sequence: 0 }, 'above 0, got 0'],
  ])('ends the stream of an engine that sends %s, and no other', async (_, step, wanted) => {
    const test = await stage()
    const good = await attach(test, { engineId: 'good' })
    const bad = await attach(test)
    bad.send({ step: { sequence: 0 } })
    bad.send({ step: { sequence: 1, ...step } })
    expect((await bad.end()).details).toContain(wanted)
    good.send({ step: { sequence: 1, awaited: true } })
    expect(await good.take('directives')).toMatchObject({ sequence: 1 })
    expect(test.guard.engines()).toHaveLength(1)
  })

  it('ignores and counts tokens of rows that are not open', async () => {
    const test = await stage()
    const engine = await attach(test)
    engine.send({
      step: { sequence: 1, awaited: true, slot: [5], generation: [1], position: [0], token: [1] },
    })
    await engine.take('directives')
    expect(test.guard.counters.unknownRows).toBe(1)
  })

  it('refuses the engine past the bound and lets a reconnecting one take its own place', async () => {
    const test = await stage((parts) => {
      parts.bounds = { ...parts.bounds, engines: 1 }
    })
    const first = await attach(test)
    const other = test.engine()
    other.send(hello({ engineId: 'another' }))
    expect((await other.end()).details).toBe('Attach: at most 1 engines, got 2')
    await attach(test)
    expect((await first.end()).details).toContain('replaced by a newer stream')
    expect(test.guard.engines()).toHaveLength(1)
  })

  it('refuses a message past the size bound', async () => {
    const test = await stage()
    const engine = await attach(test)
    engine.send({ vocabulary: { data: Buffer.alloc(5 * 1024 * 1024) } })
    expect((await engine.end()).message).toContain('RESOURCE_EXHAUSTED')
  })

  it('ends the stream of a client that never reads before it costs memory', async () => {
    let push: (rows: readonly RowDirective[]) => void = () => undefined
    const test = await stage((parts) => {
      const { seat } = parts
      parts.seat = (engine, send) => {
        push = send
        return seat(engine, send)
      }
    })
    const engine = await attach(test)
    engine.stream.pause()
    const directive = { fromPosition: 0, sync: false, force: Array.from({ length: 64 }, () => 7) }
    const rows = Array.from({ length: 64 }, (_, slot) => ({ slot, generation: 1, directive }))
    const { doorEvents } = test
    for (let i = 0; i < 5_000 && doorEvents.every((event) => event.kind !== 'refused'); i++) {
      push(rows)
      if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    }
    const refused = doorEvents.find((event) => event.kind === 'refused')
    expect(refused?.error.message).toContain('the engine does not read')
    expect(test.guard.engines()).toHaveLength(0)
  })

  it('drains: tells the engine, waits for live rows, then ends and removes its socket', async () => {
    const test = await stage()
    const engine = await attach(test)
    engine.send({ step: { sequence: 1, awaited: true, opened: [opened(0, 1)] } })
    await engine.take('directives')
    const stopping = test.server.stop(3_000)
    expect(await engine.take('drain')).toMatchObject({ graceMs: 3_000 })
    expect(engine.isEnded).toBe(false)
    engine.send({ step: { sequence: 2, closed: [{ slot: 0, generation: 1, finalPosition: 0 }] } })
    await stopping
    expect(engine.isEnded).toBe(true)
    expect(existsSync(test.parts.socket.path)).toBe(false)
  })
})

describe('the socket', () => {
  const path = async (change: (path: string) => void | Promise<void>, cut = '') => {
    const { guard } = createTestGuard()
    const parts = serverParts(guard)
    if (cut !== '') parts.socket = { ...parts.socket, path: cut }
    await change(parts.socket.path)
    const server = createStepServer(parts)
    cleanups.push(() => server.stop(0))
    await server.start()
    return parts.socket.path
  }

  it('has mode 0660', async () => {
    expect(statSync(await path(() => undefined)).mode & 0o777).toBe(0o660)
  })

  it('replaces a stale socket', async () => {
    const made = await path(async (at) => {
      const { execFileSync } = await import('node:child_process')
      execFileSync('python3', [
        '-c',
        'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])',
        at,
      ])
      expect(statSync(at).isSocket()).toBe(true)
    })
    await new Promise<void>((resolve, reject) => {
      const probe = connect(made, () => resolve(void probe.destroy()))
      probe.once('error', reject)
    })
  })

  it.each([
    [
      'a regular file',
      (at: string) => writeFileSync(at, 'keep me'),
      'a regular file is in the way',
    ],
    [
      'a socket that somebody listens on',
      (at: string) =>
        new Promise<void>((resolve) => {
          const other = createServer().listen(at, resolve)
          cleanups.push(() => void other.close())
        }),
      'another process listens there',
    ],
  ])('refuses %s and leaves it alone', async (_, put, message) => {
    let at = ''
    const start = path((made) => {
      at = made
      return put(made)
    })
    await expect(start).rejects.toThrow(message)
    expect(existsSync(at)).toBe(true)
  })

  it('refuses a path that is too long, or whose folder does not exist', async () => {
    await expect(path(() => undefined, `/tmp/${'x'.repeat(200)}.sock`)).rejects.toThrow(
      'at most 107 bytes, got 210',
    )
    await expect(path(() => undefined, join(dirname('/nowhere/x'), 'a', 'b.sock'))).rejects.toThrow(
      '/nowhere/a does not exist or is not writable',
    )
  })

  it('refuses a folder in which this user may not write', async () => {
    // To root nothing is forbidden, but the kernel's own folder takes no files from anybody.
    const made = mkdtempSync(join(tmpdir(), 'checkstream-'))
    chmodSync(made, 0o555)
    const at = join(process.getuid?.() === 0 ? '/proc' : made, 'checkstream.sock')
    const error = await path(() => undefined, at).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(GuardError)
    expect(error).toMatchObject({ code: 'socket_invalid' })
    expect(String(error)).toMatch(
      at.startsWith('/proc')
        ? `socket ${at}: `
        : `${made} does not exist or is not writable for user`,
    )
  })
})
