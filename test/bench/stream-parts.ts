/** What the stream bench holds fixed: the phrases, the text, the guard's options. */
import { compileAutomaton } from '../../src/automata/automaton.ts'
import { createTextScanner } from '../../src/automata/scan.ts'
import type { StreamOptions } from '../../src/stream/guard-options.ts'

const SYLLABLES = ['ka', 'lo', 'mir', 'ten', 'vor', 'zu', 'pel', 'sha', 'dro', 'quin', 'bax', 'yel']

/** 403 phrases of one to three made-up words. */
export function phrases(): string[] {
  let state = 7
  const pick = (): string => {
    state = (state * 48_271) % 2_147_483_647
    return SYLLABLES[state % SYLLABLES.length] ?? 'ka'
  }
  const word = (): string => pick() + pick() + pick()
  const all = new Set<string>()
  while (all.size < 403) all.add([word(), word(), word()].slice(0, 1 + (all.size % 3)).join(' '))
  return [...all]
}

/** The policy of the sidecar: every answer is read for all of them. */
export const policyText = (): string =>
  JSON.stringify({
    name: 'bench',
    rules: [
      {
        name: 'phrases',
        trigger: { type: 'keywords', any: phrases(), match: 'word' },
        actions: [{ type: 'redact', replacement: '*' }],
      },
    ],
  })

const WORDS =
  'the account can be opened online and the balance is shown at once so that every customer knows what was paid and what is due in the month that follows the first statement'.split(
    ' ',
  )

/** Honest text, one word a frame. */
export const wordAt = (index: number): string =>
  (index === 0 ? '' : ' ') + (WORDS[index % WORDS.length] ?? '')

/** Microseconds on the clock that all processes of the machine share. */
export const nowUs = (): number => Number(process.hrtime.bigint() / 1000n)

/** A word with the time at which it is sent, between the two marks. */
export const stampedWord = (index: number): string =>
  `${wordAt(index)} ${STAMP_START}${nowUs()}${STAMP_END}`
export const STAMP_START = '@'
export const STAMP_END = ';'
/** Before the end of a stamp: the frame that it stands in ends inside an open match. */
export const STAMP_OPEN = 'o'
/** The user whose answers are recorded streams. */
export const RECORDED = 'recorded'

export function frameOf(delta: object, finish_reason: string | null = null): string {
  const choices = [{ index: 0, delta, logprobs: null, finish_reason }]
  return `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_700_000_000, model: 'm', choices })}\n\n`
}

/** The guard as the proxy makes it, with the phrases redacted. */
export function guardOptions(): () => StreamOptions {
  const automaton = compileAutomaton(
    phrases().map((text) => ({
      id: text,
      kind: 'phrase',
      text,
      match: 'word',
      folds: ['case'],
      pending: 'allow',
    })),
  )
  return () => ({
    dialect: 'openai-chat',
    scan: () => createTextScanner(automaton),
    decide: (findings) => ({
      firings: [],
      effects: findings.flatMap((one) =>
        'start' in one
          ? [{ kind: 'redact' as const, start: one.start, end: one.end, with: '*' }]
          : [],
      ),
    }),
    holdbackTokens: 16,
    onMalformed: 'closed',
  })
}
