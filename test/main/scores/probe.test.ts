import { createHash } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readProbe } from '../../../src/classifiers/probe-file.ts'
import { ProbeSource } from '../../../src/main/scores/probe-source.ts'

const FACTS = { format: 'checkstream-probe/1', label: 'promise', model: 'demo-lm' }

function file(header: string): { readonly path: string; readonly bytes: Buffer } {
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(header.length))
  const bytes = Buffer.concat([size, Buffer.from(header), Buffer.alloc(8)])
  const path = join(mkdtempSync(join(tmpdir(), 'checkstream-')), 'probe.safetensors')
  writeFileSync(path, bytes)
  return { path, bytes }
}

describe('readProbe', () => {
  it('reads what a probe is called and takes its digest', () => {
    const { path, bytes } = file(JSON.stringify({ __metadata__: FACTS }))
    const digest = createHash('sha256').update(bytes).digest('hex')
    expect(readProbe(path)).toMatchObject({ digest, label: 'promise', model: 'demo-lm' })
  })

  it.each([
    ['another format', JSON.stringify({ __metadata__: { ...FACTS, format: 'other' } })],
    ['no JSON', 'x'],
  ])('refuses %s', (_, header) => {
    expect(() => readProbe(file(header).path)).toThrow(/probe .*probe\.safetensors/)
  })
})

describe('ProbeSource', () => {
  it('tells the score that came with a token, and nothing where none came', () => {
    const source = new ProbeSource(readProbe(file(JSON.stringify({ __metadata__: FACTS })).path))
    const told: unknown[] = []
    const row = source.open({ scores: (...score) => told.push(score), failed: () => told.push('') })
    source.feed(row, new Uint8Array(), 3)
    source.feed(row, new Uint8Array(), 4, 0.75)
    expect(told).toEqual([[4, [{ model: 'probe', label: 'promise', probability: 0.75 }]]])
  })
})
