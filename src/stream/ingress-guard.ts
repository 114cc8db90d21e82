/**
 * Checks a request before it goes to the model: every text is scanned and decided, redactions and
 * injections are written back in place, a stop refuses the request with an OpenAI-shaped error.
 */
import type { RuleFiring, TextEffect } from '../model/decision.ts'
import { GuardError } from '../model/errors.ts'
import type { Finding } from '../model/finding.ts'
import { type JsonEdit, editJson } from '../tools/json-edit.ts'
import { isObject } from './dialect.ts'
import { inOrder } from './findings.ts'
import type { DialectName, PhraseMatch, PiiMatch, TextDecision, TextScan } from './guard-options.ts'
import { Channel } from './holdback.ts'
import { type IngressPiece, readIngress } from './ingress.ts'

export type IngressOptions = {
  readonly dialect: DialectName
  readonly scan?: (piece: IngressPiece) => TextScan<PhraseMatch> | undefined
  readonly pii?: (piece: IngressPiece) => TextScan<PiiMatch> | undefined
  readonly decide: (findings: readonly Finding[], piece: IngressPiece) => TextDecision
  /** Which pieces to check; all of them when absent (see `createDefinitionLedger`). */
  readonly select?: (pieces: readonly IngressPiece[]) => readonly IngressPiece[]
}

export type IngressResult = {
  readonly pieces: readonly IngressPiece[]
  readonly firings: readonly {
    readonly piece: IngressPiece
    readonly firings: readonly RuleFiring[]
  }[]
} & (
  | { readonly kind: 'pass'; readonly body: Uint8Array }
  | { readonly kind: 'modified'; readonly body: Uint8Array }
  | { readonly kind: 'blocked'; readonly status: number; readonly message: string }
)

/** `verdicts`: findings that classifiers gave, by the piece's path joined with dots. */
export function guardIngress(
  options: IngressOptions,
  body: Uint8Array,
  verdicts: ReadonlyMap<string, readonly Finding[]> = new Map(),
): IngressResult {
  const source = new TextDecoder().decode(body)
  const pieces = readIngress(options.dialect, parseRequest(source))
  const firings: { piece: IngressPiece; firings: readonly RuleFiring[] }[] = []
  const edits: JsonEdit[] = []
  for (const piece of options.select?.(pieces) ?? pieces) {
    const checked = checkPiece(options, piece, verdicts.get(piece.path.join('.')) ?? [])
    if (checked.firings.length > 0) firings.push({ piece, firings: checked.firings })
    if (checked.stop !== undefined) {
      const { message, status } = checked.stop
      return { kind: 'blocked', status, message, pieces, firings }
    }
    if (checked.text !== piece.text) {
      edits.push({ path: piece.path, value: JSON.stringify(checked.text) })
    }
  }
  if (edits.length === 0) return { kind: 'pass', body, pieces, firings }
  const modified = new TextEncoder().encode(editJson(source, edits))
  return { kind: 'modified', body: modified, pieces, firings }
}

/** The error that OpenAI's clients raise as one of their own types. */
export function blockedBody(message: string, code = 'content_policy_violation'): string {
  return JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code } })
}

function parseRequest(source: string): { readonly [key: string]: unknown } {
  try {
    const json: unknown = JSON.parse(source)
    if (isObject(json)) return json
  } catch (error) {
    throw GuardError.from(error, 'request_invalid')
  }
  throw new GuardError('request_invalid', 'the request body: expected a JSON object')
}

type Checked = {
  readonly text: string
  readonly stop?: Extract<TextEffect, { kind: 'stop' }>
  readonly firings: readonly RuleFiring[]
}

function checkPiece(
  options: IngressOptions,
  piece: IngressPiece,
  verdicts: readonly Finding[],
): Checked {
  const { scan, pii } = options
  // Arguments of earlier calls are JSON in a string: they are read, and redacted, as what they mean.
  const isJson = piece.kind === 'tool_call' && piece.path.at(-1) === 'arguments'
  const channel = new Channel(
    { key: piece.path.join('.'), choice: 0, field: isJson ? 'arguments' : 'content' },
    {
      dialect: options.dialect,
      decide: () => ({ effects: [], firings: [] }),
      holdbackTokens: 0,
      onMalformed: 'closed',
      ...(scan === undefined ? {} : { scan: () => scan(piece) }),
      ...(pii === undefined ? {} : { pii: () => pii(piece) }),
    },
    false,
  )
  const found = [...inOrder(channel.push(piece.text)), ...channel.end(), ...verdicts]
  const firings: RuleFiring[] = []
  const before = new Set<string>()
  const after = new Set<string>()
  for (const finding of found) {
    const decision = options.decide([finding], piece)
    firings.push(...decision.firings)
    for (const effect of decision.effects) {
      if (effect.kind === 'stop') return { text: piece.text, stop: effect, firings }
      if (effect.kind === 'redact') channel.redact(effect.start, effect.end, effect.with)
      else (effect.where === 'before' ? before : after).add(effect.text)
    }
  }
  if (found.length === 0) return { text: piece.text, firings }
  return { text: [...before, channel.render(0, piece.text), ...after].join('\n\n'), firings }
}
