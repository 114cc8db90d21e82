import { describe, expect, it } from 'vitest'
import { Session } from '../../src/session/session.ts'
import { SpelledText } from '../../src/session/spelled-text.ts'
import { createVocabulary } from '../../src/vocabulary/vocabulary.ts'
import { openedRow } from '../step/fakes.ts'

const TOKENS = ['a', 'bc', 'é', '\u{1f600}', '', ''].map((text) => new TextEncoder().encode(text))
const A_CALL = TOKENS.length
const NAMELESS = A_CALL + 1
const LEAD = A_CALL + 2
const TAIL = A_CALL + 3
const vocabulary = createVocabulary(
  [...TOKENS, 'control', 'control', Uint8Array.of(0xc3), Uint8Array.of(0xa9)],
  12,
  new Map([[A_CALL, '[CALL]']]),
)

function start() {
  const session = new Session({
    opened: openedRow(),
    vocabulary,
    walk: undefined,
    isCompared: false,
    maxTextBytes: 10_000,
  })
  const spelled = new SpelledText({ text: () => session.text.toString(), session })
  const say = (...tokens: readonly number[]): string => {
    for (const token of tokens) session.advance(session.position, token, undefined)
    return spelled.toString()
  }
  return { session, spelled, say }
}

/** A generator of the same numbers every time. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

describe('SpelledText', () => {
  it('has the names of control tokens where they stand, and the row has not', () => {
    const { session, say } = start()
    expect(say(0, A_CALL, 1, NAMELESS, A_CALL, A_CALL, 2)).toBe('a[CALL]bc[CALL][CALL]é')
    expect(session.text.toString()).toBe('abcé')
  })

  it('finds the place in the text of the row again', () => {
    const { spelled, say } = start()
    say(0, A_CALL, 1, A_CALL, 2)
    const plain = [...Array(17).keys()].map((offset) => spelled.plainOffset(offset))
    expect(plain).toEqual([0, 1, 1, 1, 1, 1, 1, 1, 2, 3, 3, 3, 3, 3, 3, 3, 4])
  })

  it('puts a character that a control token cuts in two after it', () => {
    const { say } = start()
    expect(say(0, LEAD)).toBe('a')
    expect(say(A_CALL)).toBe('a[CALL]')
    expect(say(TAIL, 0)).toBe('a[CALL]éa')
  })

  it('is what the tokens say after any rewinds, however they come', () => {
    const random = numbers(7)
    const texts = [...TOKENS.map((bytes) => new TextDecoder().decode(bytes)), '[CALL]', '']
    for (let round = 0; round < 200; round++) {
      const { session, spelled, say } = start()
      let tokens: number[] = []
      for (let turn = 0; turn < 40; turn++) {
        if (tokens.length > 0 && random(4) === 0) {
          const position = random(tokens.length)
          tokens = tokens.slice(0, position)
          session.seek(position)
          spelled.reset()
        }
        const more = Array.from({ length: random(4) }, () => random(texts.length))
        tokens.push(...more)
        expect(say(...more)).toBe(tokens.map((token) => texts[token]).join(''))
      }
    }
  })

  it('forgets marks of a text that is lost', () => {
    const { session, spelled, say } = start()
    say(A_CALL, ...Array.from({ length: 600 }, () => 0))
    session.seek(3)
    spelled.reset()
    expect(spelled.toString()).toBe('\ufffd')
  })
})
