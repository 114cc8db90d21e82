/** What the stream bench holds fixed: the phrases, the text, the guard's options. */
import { compileAutomaton } from '../../src/automata/automaton.ts'
import { createTextScanner } from '../../src/automata/scan.ts'
import { createPiiScanner } from '../../src/pii/scanner.ts'
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

const WORDS =
  'the account can be opened online and the balance is shown at once so that every customer knows what was paid and what is due in the month that follows the first statement'.split(
    ' ',
  )

/** Honest text, one token a frame. */
export function tokens(count: number): string[] {
  return Array.from({ length: count }, (_, i) => (i === 0 ? '' : ' ') + WORDS[i % WORDS.length])
}

/** `id` carries the time at which the frame was sent. */
export function frameOf(content: string, id: string): string {
  const choices = [{ index: 0, delta: { content }, logprobs: null, finish_reason: null }]
  return `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', created: 1_700_000_000, model: 'm', choices })}\n\n`
}

export function guardOptions(withPii: boolean): () => StreamOptions {
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
    ...(withPii ? { pii: () => createPiiScanner() } : {}),
    decide: (findings) => ({
      firings: [],
      effects: findings.flatMap((one) =>
        'start' in one
          ? [{ kind: 'redact' as const, start: one.start, end: one.end, with: '*' }]
          : [],
      ),
    }),
    holdbackTokens: 8,
    onMalformed: 'closed',
  })
}
