/** What is told of a value that a zod schema refuses. */
import type { z } from 'zod'
import { suggestion } from './nearest.ts'

type Issue = z.core.$ZodIssue

/**
 * A mistake in a union as the mistakes of the shape that fits the value best; where it is of another
 * kind than all of them, as what they want. Unions that are told apart by a key stay as they are.
 */
export function unfoldUnion(issue: Issue): readonly Issue[] {
  if (issue.code !== 'invalid_union' || 'discriminator' in issue) return [issue]
  const shapes = issue.errors.filter((shape) => shape.length > 0)
  const fits = Math.max(...shapes.map(fitOf))
  const meant = shapes.find((shape) => fitOf(shape) === fits) ?? []
  if (fits > 0) {
    return meant.flatMap((one) => unfoldUnion({ ...one, path: [...issue.path, ...one.path] }))
  }
  const kinds = new Set(shapes.flatMap((shape) => shape.map(expectedOf)))
  return [{ ...issue, message: `Invalid input: expected ${[...kinds].join(' or ')}` }]
}

/** 0: the value is of another kind; 1: another literal; 2: out of bounds; 3: the mistake is inside. */
function fitOf(shape: readonly Issue[]): number {
  if (shape.every(({ path }) => path.length > 0)) return 3
  const codes = shape.map(({ code }) => code)
  if (codes.includes('invalid_type') || codes.includes('invalid_union')) return 0
  return codes.includes('invalid_value') ? 1 : 2
}

const expectedOf = (issue: Issue): string => wanted(issue).replace(/^expected /, '')

/** `expected …` without what came, which is told as the document has it. */
export function wanted(issue: Issue): string {
  const isPlain = /^Invalid (?:option|input): expected /.test(issue.message)
  if (issue.code === 'invalid_value' && isPlain) {
    const values = issue.values.map(String)
    return values.length === 1 ? `expected ${values[0]}` : `expected one of ${values.join(', ')}`
  }
  return issue.message
    .replace(/^(?:Invalid (?:input|option)|Too (?:small|big)): /, '')
    .replace(/, received .*$/, '')
}

/** What was wanted, what came (of a `safeParse` with `reportInput`), and the nearest known name. */
export function tellIssue(issue: Issue): string {
  const told = wanted(issue)
  const lacksGot = told.startsWith('expected ') && !told.includes(', got ')
  const got = lacksGot ? `, got ${brief(issue.input)}` : ''
  const isName = issue.code === 'invalid_value' && typeof issue.input === 'string'
  return `${told}${got}${isName ? suggestion(String(issue.input), issue.values.map(String)) : ''}`
}

/** The first mistake of a `safeParse` with `reportInput`: where it is, with dots, and what it is. */
export function firstMistake(error: z.ZodError): { readonly path: string; readonly told: string } {
  const issue = error.issues.flatMap(unfoldUnion)[0]
  if (issue === undefined) return { path: '', told: 'invalid' }
  const [key = ''] = issue.code === 'unrecognized_keys' ? issue.keys : []
  const path = [...issue.path, ...(key === '' ? [] : [key])].map(String).join('.')
  return { path, told: key === '' ? tellIssue(issue) : 'unknown key' }
}

/** A value in a message: short, and never the inside of a map or a list. */
export function brief(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'string')
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}…` : value)
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'a map'
  return String(value)
}
