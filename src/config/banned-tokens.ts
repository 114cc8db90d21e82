/**
 * `banned_tokens_file`: a JSON list of strings, of objects `{text, match, folds, pending}`, or of
 * token ids (a number, or `{token: n}`) for those who insist: an id is no guarantee, because the
 * same text has other segmentations, and the file's reader is told so.
 */
import { z } from 'zod'
import { FOLDS } from '../model/ban.ts'
import type { Ban, Fold } from '../model/ban.ts'
import { GuardError } from '../model/errors.ts'
import { firstMistake } from '../model/mistakes.ts'
import { suggestion } from '../model/nearest.ts'

/** What a plain string is compared under: every disguise that changes no letter. */
export const DEFAULT_FOLDS: readonly Fold[] = [
  'case',
  'width',
  'zero_width',
  'confusables',
  'marks',
]
const MAX_ENTRIES = 50_000
const MAX_TOKEN = 262_143

export type BannedTokens = {
  readonly bans: readonly Ban[]
  readonly tokenIds: readonly number[]
  readonly warnings: readonly string[]
}

const entrySchema = z.strictObject({
  text: z.string().max(1024),
  match: z.enum(['word', 'substring']).default('word'),
  folds: z.array(z.enum(FOLDS)).default([...DEFAULT_FOLDS]),
  pending: z.enum(['allow', 'deny']).default('allow'),
})
const tokenSchema = z.strictObject({ token: z.number().int().min(0).max(MAX_TOKEN) })

export function parseBannedTokens(text: string, name: string): BannedTokens {
  const list = parseJson(text, name)
  if (!Array.isArray(list)) throw invalid(`${name}:1:1 expected a list, got ${typeof list}`)
  if (list.length > MAX_ENTRIES) {
    throw invalid(`${name}: expected at most ${MAX_ENTRIES} entries, got ${list.length}`)
  }
  const places = elementPlaces(text)
  const place = (index: number): string => `${name}:${places[index] ?? '1:1'}`
  const bans: Ban[] = []
  const tokenIds: number[] = []
  list.forEach((entry: unknown, index) => {
    const item = typeof entry === 'string' ? { text: entry } : entry
    if (typeof item === 'number' || isTokenEntry(item)) {
      tokenIds.push(parseToken(item, () => place(index)))
    } else bans.push(toBan(item, index, () => place(index)))
  })
  return { bans, tokenIds, warnings: tokenWarnings(tokenIds, name) }
}

const invalid = (message: string): GuardError => new GuardError('config_invalid', message)

const isTokenEntry = (entry: unknown): boolean =>
  typeof entry === 'object' && entry !== null && 'token' in entry

function tokenWarnings(tokenIds: readonly number[], name: string): readonly string[] {
  if (tokenIds.length === 0) return []
  return [
    `${name}: ${tokenIds.length} token ids: banning ids is no guarantee, the same text can be ` +
      'spelled by other tokens; give the text instead',
  ]
}

function parseToken(entry: unknown, place: () => string): number {
  const result = tokenSchema.safeParse(typeof entry === 'number' ? { token: entry } : entry)
  if (result.success) return result.data.token
  throw invalid(`${place()} token: expected a whole number from 0 to ${MAX_TOKEN}`)
}

function toBan(entry: unknown, index: number, place: () => string): Ban {
  const result = entrySchema.safeParse(entry, { reportInput: true })
  if (!result.success) throw invalid(`${place()} ${describe(result.error)}`)
  const { text, match, folds, pending } = result.data
  if (visible(text, folds) === '') throw invalid(`${place()} ${whyEmpty(text)}`)
  return {
    id: `banned_tokens[${index}]`,
    kind: 'phrase',
    text,
    match,
    folds,
    pending,
    place: place(),
  }
}

function describe(error: z.ZodError): string {
  const issue = error.issues[0]
  if (issue?.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? ''
    return `${key}: unknown key${suggestion(key, Object.keys(entrySchema.shape))}`
  }
  const { path, told } = firstMistake(error)
  return path === ''
    ? 'expected a string, {text, match, folds, pending}, a token id or {token: id}'
    : `${path}: ${told}`
}

/** What is left of the text once its folds have dropped what they drop. */
function visible(text: string, folds: readonly Fold[]): string {
  let left = text
  if (folds.includes('zero_width')) left = left.replace(/\p{Default_Ignorable_Code_Point}/gu, '')
  if (folds.includes('marks')) left = left.normalize('NFD').replace(/[\p{M}\u0640]/gu, '')
  return left.trim()
}

function whyEmpty(text: string): string {
  if (text === '') return 'an empty ban would forbid everything'
  if (text.trim() === '') return 'a ban of white space alone would forbid every space'
  return `${JSON.stringify(text)} folds away to nothing, so the ban would forbid everything`
}

function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const at = /at position (\d+)/.exec(message)?.[1]
    const place = toPlace(text, at === undefined ? text.length : Number(at))
    throw new GuardError(
      'config_invalid',
      `${name}:${place} ${message.replace(/ (in JSON )?at position.*$/, '')}`,
      { cause: error },
    )
  }
}

function toPlace(text: string, offset: number): string {
  const before = text.slice(0, offset)
  return `${before.split('\n').length}:${offset - before.lastIndexOf('\n')}`
}

/** `line:column` of every element of the top-level list. The text is known to be JSON. */
function elementPlaces(text: string): readonly string[] {
  const places: string[] = []
  let depth = 0
  let expecting = false
  let line = 1
  let lineStart = 0
  for (let i = 0; i < text.length; i++) {
    const char = text[i] ?? ''
    if (char === '\n') {
      line++
      lineStart = i + 1
    }
    if (/\s/.test(char)) continue
    if (expecting && char !== ']') places.push(`${line}:${i - lineStart + 1}`)
    expecting = false
    if (char === '"') i = stringEnd(text, i)
    else if (char === '[' || char === '{') expecting = ++depth === 1
    else if (char === ']' || char === '}') depth--
    else if (char === ',') expecting = depth === 1
  }
  return places
}

function stringEnd(text: string, start: number): number {
  let i = start + 1
  while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1
  return i
}
