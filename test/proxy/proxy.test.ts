import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import OpenAI from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import { GuardError } from '../../src/model/errors.ts'
import {
  BINDING,
  chunkOf,
  completionOf,
  event,
  json,
  sse,
  startProxy,
  startUpstream,
  temp,
} from './upstream.ts'
import type { MockUpstream, RunningProxy, Script } from './upstream.ts'

const open: { close: () => Promise<void> }[] = []
afterEach(async () => {
  for (const part of open.splice(0).toReversed()) await part.close()
})

const chat = { model: 'm', messages: [{ role: 'user' as const, content: 'hi' }] }

async function start(
  script: Script,
  ...change: Parameters<typeof startProxy> extends [string, ...infer Rest] ? Rest : never
): Promise<{ mock: MockUpstream; running: RunningProxy; client: OpenAI }> {
  const mock = await startUpstream(script)
  open.push(mock)
  const running = await startProxy(mock.url, ...change)
  open.push(running)
  const client = new OpenAI({ baseURL: `${running.url}/v1`, apiKey: 'k', maxRetries: 0 })
  return { mock, running, client }
}

const post = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

describe('a generation', () => {
  it('reaches the upstream with our identity and without the client forging it', async () => {
    const { mock, client } = await start((response) => json(response, completionOf('hello')))
    const answer = await client.chat.completions.create(
      {
        ...chat,
        // @ts-expect-error vLLM's own fields
        vllm_xargs: { mine: 1, checkstream_policy: 'none', CheckStream_RID: 'x' },
        stop_token_ids: [5, 99],
        stream_interval: 50,
        unknown_field: { kept: true },
      },
      {
        headers: {
          'x-request-id': 'req-7',
          traceparent: '00-a-b-01',
          'x-checkstream-tenant': 'root',
        },
      },
    )
    expect(answer.choices[0]?.message.content).toBe('hello')
    const seen = mock.seen[0]
    expect(seen?.body).toMatchObject({
      stop_token_ids: [5, 99],
      stream_interval: 1,
      unknown_field: { kept: true },
      vllm_xargs: {
        mine: 1,
        checkstream_rid: 'req-7',
        checkstream_tenant: 'acme',
        checkstream_policy: 'basic',
        checkstream_program: BINDING.program,
        checkstream_stop: 99,
      },
    })
    expect(Object.keys(seen?.body['vllm_xargs'] as object)).toHaveLength(6)
    expect(seen?.headers).toMatchObject({ 'x-request-id': 'req-7', traceparent: '00-a-b-01' })
    expect(seen?.headers['x-checkstream-tenant']).toBeUndefined()
    expect(seen?.headers.authorization).toBe('Bearer k')
  })

  it('streams every event as it comes, byte for byte', async () => {
    // The next event is sent when the client has the one before: nothing may wait on the way.
    let heard: () => void = () => undefined
    const { client, running } = await start(async (response) => {
      sse(response)
      for (const word of ['a', 'é', '😀']) {
        const isHeard = new Promise<void>((resolve) => (heard = resolve))
        response.write(event(chunkOf({ content: word })))
        await isHeard
      }
      response.end('data: [DONE]\n\n')
    })
    let text = ''
    const stream = await client.chat.completions.create({ ...chat, stream: true })
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      heard()
    }
    expect(text).toBe('aé😀')
    await expect
      .poll(() => running.exchanges[0])
      .toMatchObject({ outcome: 'complete', stream: true, status: 200 })
  })

  it('gives the plugin the client’s top_p when the policy may cut off more', async () => {
    const binding = { ...BINDING, mayAdapt: true }
    const { mock, client } = await start((response) => json(response, completionOf('x')), {
      admit: () => Promise.resolve({ kind: 'admit', binding }),
    })
    await client.chat.completions.create({ ...chat, temperature: 0.7, top_p: 0.9 })
    await client.chat.completions.create({ ...chat, temperature: 0.7 })
    expect(mock.seen[0]?.body).toMatchObject({
      temperature: 0.7,
      top_p: 1,
      vllm_xargs: { checkstream_top_p: 0.9 },
    })
    expect(mock.seen[1]?.body).not.toHaveProperty('top_p')
  })

  it('never shows the reserved token, and puts back what a client wants to see of an end', async () => {
    const asked = { ...chat, include_stop_str_in_output: true, skip_special_tokens: false }
    let ended: object = {}
    const { mock, client } = await start((response, { body }) => {
      const shown = body['include_stop_str_in_output'] === true ? '<|shown|>' : ''
      if (body['stream'] !== true) return json(response, completionOf(`I${shown}`, ended))
      sse(response)
      response.write(event(chunkOf({ content: 'I' })))
      response.end(`${event(chunkOf({ content: shown }, ended))}data: [DONE]\n\n`)
    })
    const said = async (how: object): Promise<(string | null | undefined)[]> => {
      ended = how
      const whole = await client.chat.completions.create(asked)
      let text = ''
      const stream = await client.chat.completions.create({ ...asked, stream: true })
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
      return [whole.choices[0]?.message.content, text]
    }
    const stop = { finish_reason: 'stop' }
    expect(await said({ ...stop, stop_reason: 99 })).toEqual(['I', 'I'])
    expect(await said({ ...stop, stop_reason: 'END' })).toEqual(['IEND', 'IEND'])
    expect(await said({ ...stop, stop_reason: 7 })).toEqual(['I<|7|>', 'I<|7|>'])
    expect(await said({ ...stop, stop_reason: null })).toEqual(['I<|2|>', 'I<|2|>'])
    expect(await said({ finish_reason: 'length', stop_reason: null })).toEqual(['I', 'I'])
    expect(mock.seen[0]?.body['include_stop_str_in_output']).toBe(false)
  })

  it('turns a forced stop into content_filter, streaming and not', async () => {
    const forced = { finish_reason: 'stop', stop_reason: 99 }
    const { client, running } = await start((response, { body }) => {
      if (body['stream'] !== true) return json(response, completionOf('I', forced))
      sse(response)
      response.write(event(chunkOf({ content: 'I' })))
      response.end(`${event(chunkOf({}, forced))}data: [DONE]\n\n`)
    })
    const whole = await client.chat.completions.create(chat)
    expect(whole.choices[0]?.finish_reason).toBe('content_filter')
    const reasons: unknown[] = []
    for await (const chunk of await client.chat.completions.create({ ...chat, stream: true })) {
      reasons.push(chunk.choices[0]?.finish_reason)
    }
    expect(reasons).toEqual([null, 'content_filter'])
    await sleep(10)
    expect(running.exchanges.map((exchange) => exchange.outcome)).toEqual(['stopped', 'stopped'])
  })

  it('says why after a forced stop, and biases denied ids away', async () => {
    const { mock, client } = await start(
      (response, { body }) => {
        const forced = { finish_reason: 'stop', stop_reason: 99 }
        if (body['stream'] !== true) return json(response, completionOf('I', forced))
        sse(response)
        response.write(event(chunkOf({ content: 'I' })))
        response.end(`${event(chunkOf({}, forced))}data: [DONE]\n\n`)
      },
      {
        stopMessage: () => 'Stopped by policy.',
        admit: () => Promise.resolve({ kind: 'admit', binding: { ...BINDING, deniedTokens: [7] } }),
      },
    )
    const whole = await client.chat.completions.create({ ...chat, logit_bias: { '7': 5, '8': 1 } })
    expect(whole.choices[0]?.message.content).toBe('I\n\nStopped by policy.')
    expect(mock.seen[0]?.body['logit_bias']).toEqual({ '7': -100, '8': 1 })
    let text = ''
    for await (const chunk of await client.chat.completions.create({ ...chat, stream: true })) {
      text += chunk.choices[0]?.delta.content ?? ''
    }
    expect(text).toBe('I\n\nStopped by policy.')
  })

  it('leaves a stop by another token as it is', async () => {
    const { client } = await start((response) =>
      json(response, completionOf('I', { finish_reason: 'stop', stop_reason: 5 })),
    )
    const whole = await client.chat.completions.create(chat)
    expect(whole.choices[0]?.finish_reason).toBe('stop')
  })

  it('turns a grammar error after our stop into content_filter, and no other error', async () => {
    const stopped = new Set(['ours'])
    const { client } = await start(
      (response, { body }) => {
        const error = { error: { message: 'Internal server error', type: 'x', code: 500 } }
        if (body['stream'] !== true) return json(response, error, 500)
        sse(response)
        response.end(`${event(error)}data: [DONE]\n\n`)
      },
      { wasStopped: (id) => stopped.has(id) },
    )
    const request = { ...chat, response_format: { type: 'json_object' as const } }
    const ours = { headers: { 'x-request-id': 'ours' } }
    const whole = await client.chat.completions.create(request, ours)
    expect(whole.choices[0]?.finish_reason).toBe('content_filter')
    const stream = await client.chat.completions.create({ ...request, stream: true }, ours)
    for await (const chunk of stream) expect(chunk.choices[0]?.finish_reason).toBe('content_filter')
    await expect(client.chat.completions.create(request)).rejects.toThrow('500')
  })

  it('hides the alternatives in logprobs', async () => {
    const token = (text: string) => ({ token: text, logprob: -1, bytes: null })
    const logprobs = {
      content: [{ ...token('fine'), top_logprobs: [token('banned'), token('fine')] }],
    }
    const { client } = await start((response, { body }) => {
      if (body['stream'] !== true) {
        return json(response, {
          ...(completionOf('fine', { logprobs }) as object),
          prompt_logprobs: [null],
        })
      }
      sse(response)
      response.end(`${event(chunkOf({ content: 'fine' }, { logprobs }))}data: [DONE]\n\n`)
    })
    const whole = await client.chat.completions.create({ ...chat, logprobs: true, top_logprobs: 2 })
    expect(JSON.stringify(whole)).not.toContain('banned')
    expect(whole.choices[0]?.logprobs?.content?.[0]?.top_logprobs).toHaveLength(1)
    const stream = await client.chat.completions.create({ ...chat, stream: true, logprobs: true })
    for await (const chunk of stream) expect(JSON.stringify(chunk)).not.toContain('banned')
  })

  it('hides them for /v1/completions too', async () => {
    const logprobs = { tokens: ['a'], token_logprobs: [-1], top_logprobs: [{ a: -1, banned: -2 }] }
    const { client } = await start((response) =>
      json(response, {
        id: 'c',
        object: 'text_completion',
        choices: [{ index: 0, text: 'a', logprobs }],
      }),
    )
    const whole = await client.completions.create({ model: 'm', prompt: 'p', logprobs: 2 })
    expect(whole.choices[0]?.logprobs?.top_logprobs).toEqual([{ a: -1 }])
  })

  it('denies with the reason of the policy', async () => {
    const { client } = await start((response) => json(response, {}), {
      admit: () =>
        Promise.resolve({ kind: 'deny', problem: { status: 403, message: 'no', code: 'blocked' } }),
    })
    await expect(client.chat.completions.create(chat)).rejects.toMatchObject({
      status: 403,
      code: 'blocked',
    })
  })

  it('lets a transform end the answer early and cancels the upstream', async () => {
    let pushed = 0
    const { mock, client } = await start(
      async (response) => {
        sse(response)
        while (!response.destroyed) {
          response.write(event(chunkOf({ content: 'x' })))
          await sleep(5)
        }
      },
      {
        admit: () =>
          Promise.resolve({
            kind: 'admit',
            binding: BINDING,
            transform: () => ({
              push: (chunk) => (++pushed < 3 ? [chunk] : [Buffer.from('data: [DONE]\n\n')]),
              end: () => [],
              get done() {
                return pushed >= 3
              },
            }),
          }),
      },
    )
    let chunks = 0
    for await (const _ of await client.chat.completions.create({ ...chat, stream: true })) chunks++
    expect(chunks).toBeGreaterThan(0)
    await expect.poll(() => mock.cut).toBe(1)
  })
})

describe('a request that is wrong', () => {
  it.each([
    ['{', 400, null, 'not JSON'],
    ['[]', 400, null, 'JSON object'],
    [{ model: 'm' }, 400, 'messages', 'messages'],
    [
      { ...chat, messages: [] },
      400,
      'messages',
      'expected array to have >=1 items, got a list of 0',
    ],
    [{ ...chat, temperature: 'hot' }, 400, 'temperature', 'expected number'],
    [{ ...chat, top_p: 2 }, 400, 'top_p', 'top_p'],
    [{ ...chat, vllm_xargs: { a: { b: 1 } } }, 400, 'vllm_xargs.a', 'vllm_xargs'],
    [{ ...chat, use_beam_search: true }, 400, 'use_beam_search', 'no ban would hold'],
    [{ ...chat, pad: 'x'.repeat(1024 * 1024) }, 413, null, 'larger than'],
  ])('%# is refused here with the field', async (body, status, param, message) => {
    const { mock, running } = await start((response) => json(response, {}))
    const answer = await post(`${running.url}/v1/chat/completions`, body)
    expect(answer.status).toBe(status)
    const { error } = (await answer.json()) as { error: { param: string; message: string } }
    expect(error.message).toContain(message)
    if (param !== null) expect(error.param).toBe(param)
    expect(mock.seen).toEqual([])
  })

  it.each([
    ['POST', '/collective_rpc', 403],
    ['POST', '/sleep', 403],
    ['POST', '/v1/load_lora_adapter', 403],
    ['POST', '/inference/v1/generate', 403],
    ['POST', '/invocations', 403],
    ['GET', '/v1/responses/resp_1', 403],
    ['GET', '/nowhere', 404],
    ['GET', '/v1/chat/completions', 405],
    ['POST', '/v1/chat/completions/', 404],
    ['POST', '/v1//chat/completions', 404],
    ['POST', '/v1/%63hat/completions', 404],
    ['GET', '/v1/models/../../sleep', 404],
    ['GET', '/v1/models/%2e%2e/%2e%2e/sleep', 404],
  ])('%s %s is closed with the reason', async (method, path, status) => {
    const { mock, running } = await start((response) => json(response, {}))
    const { hostname, port } = new URL(running.url)
    const answer = await new Promise<{ status: number; allow: string; text: string }>((resolve) => {
      const outgoing = httpRequest({ hostname, port, method, path }, (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => (text += chunk.toString()))
        const { statusCode = 0, headers } = response
        const allow = headers.allow ?? ''
        response.on('end', () => resolve({ status: statusCode, allow, text }))
      })
      outgoing.end()
    })
    expect(answer).toMatchObject({ status, allow: status === 405 ? 'POST' : '' })
    expect(JSON.parse(answer.text)).toHaveProperty('error.message')
    expect(mock.seen).toEqual([])
  })

  it('answers Anthropic clients in their own shape', async () => {
    const { running } = await start((response) => json(response, {}))
    const answer = await post(`${running.url}/v1/messages`, { model: 'm', messages: [] })
    expect(await answer.json()).toMatchObject({
      type: 'error',
      error: { type: 'invalid_request_error' },
    })
  })
})

describe('what passes', () => {
  it('lists models and embeds', async () => {
    const { client, mock } = await start((response) => json(response, { object: 'list', data: [] }))
    await client.models.list()
    await client.embeddings.create({ model: 'm', input: 'x' })
    expect(mock.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /v1/models',
      'POST /v1/embeddings',
    ])
  })

  it('answers health and metrics itself', async () => {
    let ready = false
    const { running, mock } = await start((response) => json(response, {}), {
      readiness: () => ({ ready, checks: [{ name: 'canary', ok: ready, detail: 'not yet' }] }),
    })
    expect((await fetch(`${running.url}/health/live`)).status).toBe(200)
    const answer = await fetch(`${running.url}/health/ready`)
    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ status: 'not_ready', checks: [{ name: 'canary' }] })
    ready = true
    expect((await fetch(`${running.url}/health`)).status).toBe(200)
    expect(await (await fetch(`${running.url}/metrics`)).text()).toBe('up 1\n')
    expect(mock.seen).toEqual([])
  })
})

describe('faults', () => {
  it('aborts the upstream when the client goes away', async () => {
    const { mock, client, running } = await start(async (response) => {
      sse(response)
      while (!response.destroyed) {
        response.write(event(chunkOf({ content: 'x' })))
        await sleep(5)
      }
    })
    const stream = await client.chat.completions.create({ ...chat, stream: true })
    for await (const _ of stream) break
    await expect.poll(() => mock.cut).toBe(1)
    await expect.poll(() => running.exchanges[0]?.outcome).toBe('client_gone')
    expect(running.proxy.active()).toBe(0)
  })

  it('stops reading the upstream while the client does not read', async () => {
    let written = 0
    const { running, mock } = await start(async (response) => {
      sse(response)
      const block = event(chunkOf({ content: 'x'.repeat(64 * 1024) }))
      while (!response.destroyed && written < 400) {
        written++
        if (!response.write(block)) await new Promise((resolve) => response.once('drain', resolve))
      }
      response.end()
    })
    const { hostname, port } = new URL(running.url)
    const socket = connect(Number(port), hostname)
    const body = JSON.stringify({ ...chat, stream: true })
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    socket.pause()
    await expect.poll(() => mock.seen.length).toBe(1)
    // Buffers fill for a while, on a busy machine for long; then nothing more may be read.
    let stalled = -1
    while (stalled !== written) {
      stalled = written
      await sleep(1_000)
    }
    expect(stalled).toBeLessThan(400)
    socket.destroy()
    await expect.poll(() => running.proxy.active()).toBe(0)
  })

  it('says so when the upstream is not there, breaks off, or is silent', async () => {
    const gone = await startProxy(`unix://${temp('gone.sock')}`, {}, { attempts: 2 })
    open.push(gone)
    const refused = await post(`${gone.url}/v1/chat/completions`, chat)
    expect(refused.status).toBe(502)
    expect(await refused.text()).toContain('ENOENT')

    const { running, mock } = await start(
      (response) => {
        sse(response)
        response.write(event(chunkOf({ content: 'x' })))
        setTimeout(() => response.destroy(), 20)
      },
      {},
      { timeoutMs: 1_000 },
    )
    const url = `${running.url}/v1/chat/completions`
    const cut = await (await post(url, { ...chat, stream: true })).text()
    expect(cut).toMatch(/"error":.*upstream_error.*\n\ndata: \[DONE\]\n\n$/s)
    mock.script = () => {}
    expect((await post(url, chat)).status).toBe(502)
  })

  it('tries a refused connection again', async () => {
    const mock = await startUpstream((response) => json(response, completionOf('late')))
    const path = mock.url.slice('unix://'.length)
    await mock.close()
    const running = await startProxy(mock.url, {}, { attempts: 5 })
    open.push(running)
    const asked = post(`${running.url}/v1/chat/completions`, chat)
    await sleep(150)
    const { createServer } = await import('node:http')
    const late = createServer((_request, response) => json(response, completionOf('late')))
    await new Promise<void>((resolve) => late.listen(path, resolve))
    open.push({ close: () => new Promise((resolve) => late.close(() => resolve())) })
    expect((await asked).status).toBe(200)
    late.closeAllConnections()
  })

  it('refuses more requests at once than allowed, and errors of admission by their code', async () => {
    const { running, mock } = await start(() => {}, {
      limits: {
        bodyBytes: 1024,
        allBodiesBytes: 1 << 20,
        requests: 1,
        connections: 64,
        idleMs: 1000,
        requestMs: 1000,
      },
    })
    const url = `${running.url}/v1/chat/completions`
    const first = new AbortController()
    const hanging = fetch(url, { method: 'POST', body: JSON.stringify(chat), signal: first.signal })
    await expect.poll(() => mock.seen.length).toBe(1)
    const second = await post(url, chat)
    expect(second.status).toBe(503)
    expect(second.headers.get('retry-after')).toBe('1')
    first.abort()
    await expect(hanging).rejects.toThrow()
    const failing = await startProxy(mock.url, {
      admit: () => Promise.reject(new GuardError('request_denied', 'unknown tenant')),
    })
    open.push(failing)
    expect((await post(`${failing.url}/v1/chat/completions`, chat)).status).toBe(403)
  })

  it('refuses a body when those that are being read hold too much together, and only then', async () => {
    const { running } = await start((response) => json(response, completionOf('ok')), {
      limits: {
        bodyBytes: 64 * 1024,
        allBodiesBytes: 100_000,
        requests: 8,
        connections: 64,
        idleMs: 5_000,
        requestMs: 5_000,
      },
    })
    const { hostname, port } = new URL(running.url)
    const half = (bytes: number) => {
      const socket = connect(Number(port), hostname)
      socket.on('error', () => undefined)
      socket.write(
        `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n${'x'.repeat(bytes)}`,
      )
      return socket
    }
    // Announced bytes that do not come take nobody's place.
    const announced = [half(1), half(1), half(1)]
    await expect.poll(() => running.proxy.active()).toBe(3)
    const long = { ...chat, messages: [{ role: 'user', content: 'y'.repeat(60_000) }] }
    const url = `${running.url}/v1/chat/completions`
    expect((await post(url, long)).status).toBe(200)
    const full = half(59_000)
    const statuses = async (): Promise<number> => (await post(url, long)).status
    await expect.poll(statuses).toBe(503)
    const refused = await post(url, long)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await refused.json()).toMatchObject({ error: { code: 'bodies_full' } })
    for (const socket of [...announced, full]) socket.destroy()
    await expect.poll(statuses).toBe(200)
  })

  it('cuts a client that never finishes its request', async () => {
    const { running } = await start((response) => json(response, {}), {
      limits: {
        bodyBytes: 1024,
        allBodiesBytes: 1 << 20,
        requests: 4,
        connections: 64,
        idleMs: 1000,
        requestMs: 500,
      },
    })
    const { hostname, port } = new URL(running.url)
    const socket = connect(Number(port), hostname)
    socket.write('POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{')
    socket.resume()
    await new Promise((resolve) => socket.once('close', resolve))
    expect(running.proxy.active()).toBe(0)
  })

  it('drains: lets a running answer end and takes no more', async () => {
    const { running, client } = await start(async (response) => {
      sse(response)
      for (let i = 0; i < 10; i++) {
        response.write(event(chunkOf({ content: 'x' })))
        await sleep(20)
      }
      response.end('data: [DONE]\n\n')
    })
    const stream = await client.chat.completions.create({ ...chat, stream: true })
    let chunks = 0
    const reading = (async () => {
      for await (const _ of stream) chunks++
    })()
    await running.proxy.close(2_000)
    await reading
    expect(chunks).toBe(10)
  })
})
