/** The actions of the step phase, by a rule, in a real engine behind a real sidecar. */
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MODEL, startGuardedEngine, type GuardedEngine } from './site.ts'

const SAID = 'small language model'
const FORCED = ' and nobody can say more than that'

/** A rule for requests whose `user` is its name, once the model has said the words. */
const after = (name: string, more: string): string => `  - name: ${name}
    phase: step
    wait: true
    trigger:
      type: all
      triggers:
        - { type: keywords, any: [${SAID}], match: substring }
        - { type: context, field: parameters.user, value: ${name} }
    ${more}
`
const POLICY = `name: directives
rules:
${after('force', `actions: [{ type: force, text: '${FORCED}' }]`)}
${after('watched-force', `mode: monitor\n    actions: [{ type: force, text: '${FORCED}' }]`)}
${after('stop', 'actions: [{ type: stop, message: That was enough. }]')}
${after('deny', "actions: [{ type: deny, texts: [' a', ' and', ' the', '.', ','] }]")}
`

describe.skipIf(!existsSync(MODEL))('actions of the step phase in the embedded engine', () => {
  let site: GuardedEngine
  beforeAll(async () => {
    site = await startGuardedEngine(POLICY)
  }, 60_000)
  afterAll(() => site.stop())

  type Choice = {
    readonly message: { readonly content: string }
    readonly finish_reason: string
    readonly logprobs?: { readonly content: readonly { readonly token: string }[] }
  }
  const ask = async (more: object): Promise<Choice> => {
    const messages = [{ role: 'user', content: 'What are your opening hours?' }]
    const fixed = { temperature: 0, max_tokens: 48, min_tokens: 48, messages }
    const body = (await (await site.ask({ ...fixed, ...more })).json()) as {
      readonly choices: readonly [Choice]
    }
    return body.choices[0]
  }
  const textOf = async (more: object): Promise<string> => (await ask(more)).message.content

  it('force plays its text where the words have just been said, and then lets go', async () => {
    const own = await textOf({})
    const text = await textOf({ user: 'force' })
    const at = text.indexOf(FORCED)
    expect(own).toContain(SAID)
    expect(own).not.toContain(FORCED)
    expect(text.slice(0, at).endsWith(SAID)).toBe(true)
    expect(text.length).toBeGreaterThan(at + FORCED.length)
    expect(text.lastIndexOf(FORCED)).toBe(at)
  })

  it('does nothing of it in monitor', async () => {
    expect(await textOf({ user: 'watched-force' })).toBe(await textOf({}))
  })

  it('stop ends the answer with the message of the rule', async () => {
    const { message, finish_reason } = await ask({ user: 'stop' })
    expect(message.content).toMatch(new RegExp(`^[^]*${SAID}\\s+That was enough\\.$`))
    expect(finish_reason).toBe('content_filter')
  })

  it('deny takes the tokens of these texts out of what may be sampled', async () => {
    const tokens = async (more: object): Promise<readonly string[]> => {
      const { logprobs } = await ask({ logprobs: true, ...more })
      const all = logprobs?.content.map(({ token }) => token) ?? []
      // What is said before the words is the same.
      let said = ''
      return all.slice(all.findIndex((token) => (said += token).includes(SAID)) + 1)
    }
    const denied = [' a', ' and', ' the', '.', ',']
    const own = await tokens({})
    expect(own.some((token) => denied.includes(token))).toBe(true)
    const rest = await tokens({ user: 'deny' })
    expect(rest.length).toBeGreaterThan(10)
    expect(rest.filter((token) => denied.includes(token))).toEqual([])
  })
})
