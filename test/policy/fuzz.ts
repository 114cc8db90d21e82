/** Policies broken in every way that YAML and people know; seeded, so that a failure can be repeated. */
import { compilePolicy } from '../../src/policy/compile/compile.ts'
import { readPolicy } from '../../src/policy/read/document.ts'
import { NOW } from './findings.ts'
import { HOSTILE } from './hostile.ts'

/** Mulberry32: a small seeded generator. */
export function randomOf(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

const MARKS = '{}[]:,-#&*!|>%@`"\'\n\t ?'.split('')
const YAML_WORDS =
  '&a |*a|<<: |!!binary |---\n|...\n|? |- - - |\u0000|\uFEFF|\u2028|null|.nan|-.inf|0x1f|1e999'.split(
    '|',
  )
const POLICY_WORDS =
  '__proto__ constructor (a+)+$ \\b {1000} type rules trigger actions not all count extends: ${score} 😀'.split(
    ' ',
  )
const SPICE = [...MARKS, ...YAML_WORDS, ...POLICY_WORDS]

/** One broken document, from a good one by 1 to 12 edits. */
export function mutate(seeds: readonly string[], random: () => number): string {
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)]
  let text = pick(seeds) ?? ''
  const edits = 1 + Math.floor(random() * 12)
  for (let i = 0; i < edits; i++) {
    const at = Math.floor(random() * text.length)
    const to = at + Math.floor(random() * 40)
    const kind = Math.floor(random() * 6)
    if (kind === 0) text = text.slice(0, at) + text.slice(to)
    else if (kind === 1) text = text.slice(0, at) + (pick(SPICE) ?? '') + text.slice(at)
    else if (kind === 2) text = text.slice(0, at) + (pick(SPICE) ?? '') + text.slice(to)
    else if (kind === 3) text = text.slice(0, to) + text.slice(at)
    else if (kind === 4)
      text = text.slice(0, at) + (pick(seeds) ?? '').slice(at, to) + text.slice(at)
    else
      text =
        text.slice(0, at) +
        (pick(SPICE) ?? '').repeat(1 + Math.floor(random() * 90)) +
        text.slice(at)
  }
  return text
}

export type FuzzResult = {
  readonly documents: number
  readonly policies: number
  /** Processor time of the slowest document: what else the machine does is not the document's doing. */
  readonly slowestMs: number
  readonly slowestWallMs: number
  readonly slowest: string
}

/** Throws when anything but problems or a policy comes of a document. */
export function fuzzPolicies(
  seeds: readonly string[],
  documents: number,
  seed: number,
): FuzzResult {
  const random = randomOf(seed)
  const texts = function* (): Generator<Named> {
    for (let i = 0; i < documents; i++) {
      const text = mutate(seeds, random)
      yield { name: `document ${i} of seed ${seed}: ${JSON.stringify(text)}`, text }
    }
  }
  return measureEach(texts())
}

/** Every hostile document at 0.25, 0.5, 0.75 and 1 MiB. */
export function fuzzHostile(): FuzzResult {
  const texts = function* (): Generator<Named> {
    for (const [name, make] of Object.entries(HOSTILE)) {
      for (const quarters of [1, 2, 3, 4]) {
        const bytes = quarters * 256 * 1024
        yield { name: `${name} of ${bytes} bytes`, text: make(bytes) }
      }
    }
  }
  return measureEach(texts())
}

type Named = { readonly name: string; readonly text: string }

function measureEach(texts: Iterable<Named>): FuzzResult {
  let documents = 0
  let policies = 0
  let slowestMs = 0
  let slowestWallMs = 0
  let slowest = ''
  for (const { name, text } of texts) {
    documents++
    const start = performance.now()
    const before = process.cpuUsage()
    try {
      const { source } = readPolicy(text, 'f.yaml')
      if (
        source !== undefined &&
        compilePolicy(source, [source], { nowMs: NOW }).policy !== undefined
      )
        policies++
    } catch (error) {
      throw new Error(`crashed: ${name}`, { cause: error })
    }
    slowestWallMs = Math.max(slowestWallMs, performance.now() - start)
    const { user, system } = process.cpuUsage(before)
    const took = (user + system) / 1_000
    if (took > slowestMs) {
      slowestMs = took
      slowest = name
    }
  }
  return { documents, policies, slowestMs, slowestWallMs, slowest }
}
