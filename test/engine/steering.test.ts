/** Tool calls steered in the embedded engine: what its own parser makes of them, streamed and whole. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { PRESETS } from '../../src/playground/presets.ts'
import { MODEL, startGuardedEngine, type GuardedEngine } from './site.ts'

type Case = {
  readonly name: string
  readonly policy?: string
  readonly file?: string
  readonly call: string
  readonly to?: readonly string[]
  /** The arguments carry the mark of a rewrite. */
  readonly marked?: boolean
  /** `X-CheckStream-Decisions` of the whole answer. */
  readonly decided: string
}
const cases = parse(
  readFileSync(join(import.meta.dirname, '../data/engine/steering.yaml'), 'utf8'),
) as readonly Case[]

const preset = PRESETS.find(({ id }) => id === 'tool')

type Called = { readonly name: string; readonly arguments: string }
type Delta = { readonly tool_calls?: readonly { readonly function: Partial<Called> }[] }

describe.skipIf(!existsSync(MODEL))('a tool call in the embedded engine', () => {
  describe.each(cases)('$name', ({ policy, file, call, to, marked = false, decided }) => {
    let guarded: GuardedEngine

    beforeAll(async () => {
      guarded = await startGuardedEngine(
        policy ?? readFileSync(join(import.meta.dirname, '../..', file ?? ''), 'utf8'),
      )
    }, 120_000)

    afterAll(() => guarded.stop())

    const ask = (stream: boolean): Promise<Response> => {
      const { messages, tools } = preset ?? {}
      return guarded.ask({ messages, tools, stream, max_tokens: 120, temperature: 0 })
    }

    const check = (called: Called, reason: string): void => {
      expect(called.name).toBe(call)
      const { to: sent, ...rest } = JSON.parse(called.arguments) as Record<string, unknown>
      if (to !== undefined) expect(to).toContain(sent)
      expect(rest['_checkstream_modified']).toBe(marked ? true : undefined)
      expect(reason).toBe('tool_calls')
    }

    it('comes out safe in a whole answer', async () => {
      const response = await ask(false)
      expect(response.headers.get('x-checkstream-decisions')).toBe(decided)
      const { choices } = (await response.json()) as {
        readonly choices: readonly {
          readonly finish_reason: string
          readonly message: { readonly tool_calls: readonly { readonly function: Called }[] }
        }[]
      }
      const [choice] = choices
      const [called] = choice?.message.tool_calls ?? []
      check(called?.function ?? { name: '', arguments: '{}' }, choice?.finish_reason ?? '')
    })

    it('comes out safe in a stream', async () => {
      const lines = (await (await ask(true)).text()).split('\n')
      let name = ''
      let text = ''
      let reason = ''
      for (const line of lines) {
        if (!line.startsWith('data: {')) continue
        const { choices } = JSON.parse(line.slice(6)) as {
          readonly choices: readonly { readonly delta: Delta; readonly finish_reason: string }[]
        }
        for (const { function: part } of choices[0]?.delta.tool_calls ?? []) {
          name += part.name ?? ''
          text += part.arguments ?? ''
        }
        reason = choices[0]?.finish_reason ?? reason
      }
      check({ name, arguments: text }, reason)
    })
  })
})
