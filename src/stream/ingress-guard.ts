/**
 * Checks a request before it goes to the model: every text is scanned and decided, redactions are
 * written back in place, a stop refuses the request. What a rule wants to say goes into the answer: the
 * prompt belongs to whoever wrote it.
 */
import type { RuleFiring, TextEffect } from '../model/decision.ts'
import type { TextAt } from '../model/event.ts'
import type { Finding } from '../model/finding.ts'
import { type JsonEdit, editJson } from '../tools/json-edit.ts'
import type { JsonObject } from './dialect.ts'
import type {
  DialectName,
  PhraseMatch,
  PiiMatch,
  StreamDecision,
  TextDecision,
  TextScan,
} from './guard-options.ts'
import { Channel } from './holdback.ts'
import type { IngressPiece } from './ingress.ts'

export type IngressOptions = {
  readonly dialect: DialectName
  readonly scan?: (piece: IngressPiece) => TextScan<PhraseMatch> | undefined
  readonly pii?: (piece: IngressPiece) => TextScan<PiiMatch> | undefined
  /** Asked once for every text, with everything that was found in it, also when that is nothing. */
  readonly decide: (
    findings: readonly Finding[],
    piece: IngressPiece,
    textAt: TextAt,
  ) => TextDecision
  /** What classifiers said of a text. */
  readonly verdicts?: (piece: IngressPiece) => readonly Finding[]
}

export type IngressResult = {
  /** Of every text about which something was. */
  readonly decisions: readonly StreamDecision[]
  /** Texts that go into the answer, each once. */
  readonly notices: readonly Notice[]
} & (
  | { readonly kind: 'pass' }
  | { readonly kind: 'modified'; readonly body: JsonObject }
  | { readonly kind: 'blocked'; readonly status: number; readonly message: string }
)

export type Notice = Extract<TextEffect, { kind: 'inject' }>

/** `pieces`: of the same body (see `readIngress`). */
export function checkIngress(
  options: IngressOptions,
  body: JsonObject,
  pieces: readonly IngressPiece[],
): IngressResult {
  const decisions: StreamDecision[] = []
  const notices = new Map<string, Notice>()
  const edits: JsonEdit[] = []
  const told = () => ({ decisions, notices: [...notices.values()] })
  for (const piece of pieces) {
    const checked = checkPiece(options, piece)
    const { effects, firings } = checked
    if (effects.length + firings.length > 0) {
      decisions.push({ channel: piece.path.join('.'), choice: 0, effects, firings, isLate: false })
    }
    for (const notice of checked.notices) notices.set(JSON.stringify(notice), notice)
    if (checked.stop !== undefined) {
      const { message, status } = checked.stop
      return { kind: 'blocked', status, message, ...told() }
    }
    if (checked.text !== piece.text) {
      edits.push({ path: piece.path, value: JSON.stringify(checked.text) })
    }
  }
  if (edits.length === 0) return { kind: 'pass', ...told() }
  // The text of an object, edited in values only, is the text of an object.
  const modified = JSON.parse(editJson(JSON.stringify(body), edits)) as JsonObject
  return { kind: 'modified', body: modified, ...told() }
}

type Checked = {
  readonly text: string
  readonly stop?: Extract<TextEffect, { kind: 'stop' }>
  /** Kinds of what is done to the request itself. */
  readonly effects: readonly string[]
  readonly firings: readonly RuleFiring[]
  readonly notices: readonly Notice[]
}

function checkPiece(options: IngressOptions, piece: IngressPiece): Checked {
  const { scan, pii, verdicts } = options
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
  const scanned = [...channel.push(piece.text), ...channel.end()]
  const found = [...scanned, ...(verdicts?.(piece) ?? [])]
  const { effects, firings } = options.decide(found, piece, channel.textAt)
  const kinds = effects.flatMap(({ kind }) => (kind === 'inject' ? [] : [kind]))
  const notices = effects.filter((effect) => effect.kind === 'inject')
  const stop = effects.find((effect) => effect.kind === 'stop')
  if (stop !== undefined) return { text: piece.text, stop, effects: kinds, firings, notices }
  for (const effect of effects) {
    if (effect.kind === 'redact') channel.redact(effect.start, effect.end, effect.with)
  }
  return { text: channel.render(0, piece.text), effects: kinds, firings, notices }
}
