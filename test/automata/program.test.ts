import { readFileSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { compileAutomaton } from '../../src/automata/automaton.ts'
import { compileTokenProgram, parseTokenProgram } from '../../src/automata/program.ts'
import type { Ban } from '../../src/model/ban.ts'
import type { ProgramState } from '../../src/model/engine.ts'
import { createVocabulary } from '../../src/vocabulary/vocabulary.ts'

const DATA = resolve(import.meta.dirname, '../data/automata')
const cases = readdirSync(DATA).filter((f) => /^program-.*\.json$/.test(f))

type Step = {
  readonly token: number
  readonly state: ProgramState
  readonly denied: readonly number[]
}
type Case = {
  readonly vocabulary: { size: number; kinds: number[]; hex: string[]; digest: string }
  readonly bans: readonly Ban[]
  readonly maxLists?: number
  readonly digest: string
  readonly blob: string
  readonly walks: readonly (readonly Step[])[]
}

const KINDS = ['text', 'control', 'unused', 'end'] as const

describe.each(cases)('%s', (file) => {
  const entry = JSON.parse(readFileSync(resolve(DATA, file), 'utf8')) as Case
  const blob = new Uint8Array(Buffer.from(entry.blob, 'base64'))

  it('is what the compiler makes of its bans and its vocabulary', () => {
    const tokens = entry.vocabulary.kinds.map((kind, id) => {
      const name = KINDS[kind] ?? 'unused'
      return name === 'text'
        ? new Uint8Array(Buffer.from(entry.vocabulary.hex[id] ?? '', 'hex'))
        : name
    })
    const vocabulary = createVocabulary(tokens, entry.vocabulary.size)
    expect(vocabulary.digest).toBe(entry.vocabulary.digest)
    const limits = entry.maxLists === undefined ? {} : { maxLists: entry.maxLists }
    const automaton = compileAutomaton(entry.bans, limits)
    expect(compileTokenProgram(automaton, vocabulary).digest).toBe(entry.digest)
  })

  it('walks through the packed states and denies exactly the expected ids', () => {
    const program = parseTokenProgram(blob)
    expect(program.digest).toBe(entry.digest)
    for (const walk of entry.walks) {
      let state: ProgramState = program.start
      for (const step of walk) {
        if (step.token >= 0) state = program.next(state, step.token)
        expect(state).toEqual(step.state)
        expect([...program.deniedTokens(state)]).toEqual(step.denied)
      }
    }
  })
})
