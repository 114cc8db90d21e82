/** Every parameter of adaptive decoding, by a rule, in a real engine behind a real sidecar. */
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MODEL, startGuardedEngine, type GuardedEngine } from './site.ts'

/** What a request gets whose `user` is the name. */
const ADAPTED = {
  temperature: '{ temperature: 0 }',
  top_p: '{ top_p: 0.000001 }',
  top_k: '{ top_k: 1 }',
  min_p: '{ min_p: 1 }',
  repetition_penalty: '{ repetition_penalty: 2 }',
  loose: '{ temperature: 2, top_p: 1, top_k: 1000000, min_p: 0, repetition_penalty: 0.5 }',
  characters: '{ safe_vocabulary: { characters: "abcdefgh ." } }',
  words: '{ safe_vocabulary: { words: [the, fund] } }',
}
const adapting = (name: string, adapt: string): string => `  - name: ${name}
    phase: step
    wait: true
    trigger: { type: context, field: parameters.user, value: ${name} }
    actions: [{ type: adapt, ${adapt.slice(1)}]
`
const POLICY = `name: adaptive
rules:
${Object.entries(ADAPTED)
  .map(([name, adapt]) => adapting(name, adapt))
  .join('')}  - name: digits-after-model
    phase: step
    wait: true
    trigger: { type: keywords, any: [small language model] }
    actions: [{ type: adapt, safe_vocabulary: { characters: "0123456789" }, for_tokens: 4 }]
`
const QUESTION = 'Tell me about the Larkfield Growth Fund.'
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8]
const FIRST = 16
const WILD = { temperature: 1.5, max_tokens: 24 }

describe.skipIf(!existsSync(MODEL))('adaptive decoding in the embedded engine', () => {
  let site: GuardedEngine
  beforeAll(async () => {
    site = await startGuardedEngine(POLICY)
  }, 60_000)
  afterAll(() => site.stop())

  const ask = async (more: object, content = QUESTION): Promise<string> => {
    const response = await site.ask({ messages: [{ role: 'user', content }], ...more })
    const body = (await response.json()) as {
      readonly choices: readonly { readonly message: { readonly content: string } }[]
    }
    return body.choices.map((choice) => choice.message.content).join('\n')
  }
  const sampled = (more: object): Promise<string[]> =>
    Promise.all(SEEDS.map((seed) => ask({ ...WILD, seed, ...more })))

  it.each(['temperature', 'top_p', 'top_k', 'min_p'])('%s has its effect', async (user) => {
    const own = await sampled({})
    const adapted = await sampled({ user })
    // Nothing is left to chance after the first tokens, which may come before the rule is in force.
    const beginnings = new Set(adapted.map((text) => text.slice(0, FIRST)))
    expect(new Set(adapted).size).toBe(beginnings.size)
    expect(new Set(own).size).toBeGreaterThan(new Set(own.map((text) => text.slice(0, FIRST))).size)
  })

  it('repetition_penalty has its effect, on a greedy request too', async () => {
    const long = { temperature: 0, max_tokens: 60 }
    const own = await ask(long)
    const user = 'repetition_penalty'
    expect(await ask({ ...long, user })).not.toBe(own)
    expect(await ask({ ...long, repetition_penalty: 2, user: 'loose' })).not.toBe(own)
  })

  it('never loosens what the client asked for', async () => {
    for (const own of [
      { temperature: 0 },
      { ...WILD, top_k: 1 },
      { ...WILD, top_p: 0.5, min_p: 0.2, repetition_penalty: 1.3, seed: 7 },
    ]) {
      const same = { max_tokens: 24, ...own }
      expect(await ask({ ...same, user: 'loose' })).toBe(await ask(same))
    }
    // A tighter value of the client's beside a rule's own: the client's stays.
    const both = await sampled({ top_k: 1, user: 'repetition_penalty', repetition_penalty: 2 })
    expect(both).toEqual(await sampled({ top_k: 1, repetition_penalty: 2 }))
  })

  it('samples nothing outside a safe vocabulary of characters or of words', async () => {
    const letters = /^.{0,16}[a-h .]*$/s
    for (const text of await sampled({ user: 'characters' })) expect(text).toMatch(letters)
    const words = /^.{0,16}?(the|fund|\s)*$/s
    for (const text of await sampled({ user: 'words' })) expect(text).toMatch(words)
    for (const text of await sampled({})) expect(text).not.toMatch(letters)
  })

  it('goes back to the request’s own parameters after the last evidence', async () => {
    const more = { temperature: 0, max_tokens: 40, min_tokens: 40 }
    const text = await ask(more, 'What are your opening hours?')
    expect(text).toMatch(/small language model[a-z ]*[0-9]{2,}[^0-9]*[a-z]{3}/)
  })
})
