/** What a policy may say, through the whole program: streamed and whole, in both modes. */
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { Judges } from '../../../src/main/scores/judges.ts'
import type { TextClassifier } from '../../../src/model/verdict.ts'
import { valueAt } from '../../../src/stream/dialect.ts'
import { createSseParser } from '../../../src/stream/sse.ts'
import { chunkOf, completionOf, event, json, sse } from '../../proxy/upstream.ts'
import type { Script } from '../../proxy/upstream.ts'
import { MODES, startSite } from '../site.ts'
import type { Site } from '../site.ts'

type Case = {
  readonly name: string
  readonly says: string
  readonly heard: string
  /** `rule=action` of what fired. */
  readonly decisions: string
  readonly model?: string
  readonly temperature?: number
  readonly status?: number
  /** What the model is asked. */
  readonly sent?: string
}
const { policies, cases } = parse(
  readFileSync(join(import.meta.dirname, '../../data/main/language.yaml'), 'utf8'),
) as { readonly policies: readonly string[]; readonly cases: readonly Case[] }

const SCORE = /score([\d.]*\d)/

/** Says the score that stands in the text, of the word in which it stands. */
const reader: TextClassifier = {
  classify: (text) => {
    const found = SCORE.exec(text)
    const at = found?.index ?? 0
    const span = [at, at + (found?.[0].length ?? text.length)] as const
    const probability = Number(found?.[1] ?? 0.01)
    return Promise.resolve({
      kind: 'verdicts',
      verdicts: [{ model: '', label: 'risk', probability, digest: 'd', span }],
    })
  },
}
const judges = new Judges([{ classifier: reader, names: new Map([['risk', 'risk']]) }])

/** Says its prompt again, streamed three characters a piece. */
const says: Script = (response, { body }) => {
  const text = String(valueAt(body, ['messages', 0, 'content']))
  if (body['stream'] !== true) return json(response, completionOf(text))
  sse(response)
  for (const content of text.match(/.{1,3}/gsu) ?? []) {
    response.write(event(chunkOf({ content })))
  }
  response.end(`${event(chunkOf({}, { finish_reason: 'stop' }))}data: [DONE]\n\n`)
}

type Heard = { readonly status: number; readonly text: string; readonly decisions: string }

/** Through `node:http`: fetch shows no trailers. */
function post(url: string, body: object): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', te: 'trailers' }
    const sent = request(url, { method: 'POST', headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('error', reject)
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => resolve(heardIn(response, Buffer.concat(chunks))))
    })
    sent.on('error', reject)
    sent.end(JSON.stringify(body))
  })
}

function heardIn({ statusCode: status = 0, headers, trailers }: IncomingMessage, bytes: Buffer) {
  const told = trailers['x-checkstream-decisions'] ?? headers['x-checkstream-decisions'] ?? ''
  const decisions = String(told)
  if (headers['content-type']?.startsWith('text/event-stream') === true) {
    return { status, text: textOfStream(bytes), decisions }
  }
  const body: unknown = JSON.parse(bytes.toString('utf8'))
  const at = status === 200 ? ['choices', 0, 'message', 'content'] : ['error', 'message']
  return { status, text: String(valueAt(body, at)), decisions }
}

function textOfStream(bytes: Buffer): string {
  let text = ''
  for (const { data } of createSseParser(1 << 20).push(bytes)) {
    if (data === undefined || data === '[DONE]') continue
    text += String(valueAt(JSON.parse(data), ['choices', 0, 'delta', 'content']) ?? '')
  }
  return text
}

describe.each(MODES)('%s mode', (mode) => {
  let site: Site
  beforeAll(async () => {
    const settings = {
      'policies.default': 'site',
      'guardrails.midstream.timeout_ms': '60000',
      'guardrails.midstream.check_interval': '10',
    }
    site = await startSite(mode, { policies, script: says, judges, settings })
  }, 60_000)
  afterAll(() => site.close())

  const ask = ({ says: content, model = 'm', temperature }: Case, stream: boolean) => {
    const messages = [{ role: 'user', content }]
    return post(`${site.url}/v1/chat/completions`, { model, temperature, messages, stream })
  }

  it.each(cases)('$name', async (one) => {
    const { heard: text, decisions, status = 200, sent } = one
    for (const stream of [true, false]) {
      expect(await ask(one, stream), stream ? 'streamed' : 'whole').toEqual({
        status,
        text,
        decisions,
      })
      if (sent === undefined) continue
      const seen = site.upstream.seen.at(-1)?.body
      expect(valueAt(seen, ['messages', 0, 'content'])).toBe(sent)
    }
  })
})

describe('the trend of the risk', () => {
  const TREND = `name: site
rules:
  - name: trend
    phase: midstream
    trigger: { type: count, at_least: 3, of: 4, trigger: { type: classifier, classifier: risk, min: 0.5 } }
    actions: [{ type: stop, message: The risk stays high. }]
`
  /** Judges what it is asked with these scores, one after the other, and then with the last. */
  const scripted = (scores: number[]): Judges => {
    const classifier: TextClassifier = {
      classify: (text) => {
        const probability = (scores.length > 1 ? scores.shift() : scores[0]) ?? 0
        const verdict = { model: '', label: 'risk', probability, digest: 'd' }
        return Promise.resolve({
          kind: 'verdicts',
          verdicts: [{ ...verdict, span: [0, text.length] }],
        })
      },
    }
    return new Judges([{ classifier, names: new Map([['risk', 'risk']]) }])
  }

  it.each([
    ['ends an answer early, and the upstream with it', [0.1, 0.7, 0.8, 0.2, 0.9, 0.1], true],
    ['lets single alarms pass', [0.1, 0.9, 0.1, 0.1, 0.1, 0.9, 0.1, 0.1], false],
  ])('%s', async (_, scores, isStopped) => {
    const words = 300
    const talk: Script = (response) => {
      sse(response)
      let said = 0
      const timer = setInterval(() => {
        if (response.destroyed) return clearInterval(timer)
        response.write(event(chunkOf({ content: 'one more word ' })))
        if (++said < words) return
        clearInterval(timer)
        response.end(`${event(chunkOf({}, { finish_reason: 'stop' }))}data: [DONE]\n\n`)
      }, 2)
    }
    const settings = { 'guardrails.midstream.check_interval': '10' }
    const parts = { policies: [TREND], script: talk, judges: scripted([...scores]), settings }
    const site = await startSite('proxy', parts)
    try {
      const messages = [{ role: 'user', content: 'Go on.' }]
      const url = `${site.url}/v1/chat/completions`
      const { text, decisions } = await post(url, { model: 'm', messages, stream: true })
      expect(decisions).toBe(isStopped ? 'trend=stop' : 'none')
      expect(text.endsWith('The risk stays high.')).toBe(isStopped)
      const heard = text.split('one more word').length - 1
      if (isStopped) expect(heard).toBeLessThan(words)
      else expect(heard).toBe(words)
      await expect.poll(() => site.upstream.cut).toBe(isStopped ? 1 : 0)
    } finally {
      await site.close()
    }
  })
})
