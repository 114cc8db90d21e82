/** OpenAI completions: one `text` a choice, streamed and whole. */
import {
  type Dialect,
  type JsonObject,
  type Made,
  type Piece,
  count,
  objects,
  text,
  withMessage,
} from './dialect.ts'
import type { Path } from '../tools/json-edit.ts'
import { errorFrames, lastFrames, leaksOf, noteEnvelope, placeOf } from './openai-choices.ts'

export function createOpenAiCompletions(): Dialect {
  const envelope: Record<string, unknown> = { object: 'text_completion' }
  const made = (choices: readonly unknown[], more: JsonObject = {}): Made => ({
    data: JSON.stringify({ ...envelope, choices, ...more }),
  })
  const chunk = (choice: number, more: string, reason: string | null): Made =>
    made([{ index: choice, text: more, logprobs: null, finish_reason: reason }])

  return {
    filteredReason: 'content_filter',
    hasEchoes: false,
    hasBlocks: false,
    read(json) {
      const pieces: Piece[] = []
      const ends: { choice: number; reason: Path }[] = []
      const choices: number[] = []
      objects(json['choices']).forEach((entry, i) => {
        const choice = count(entry['index'], i)
        choices.push(choice)
        const more = text(entry['text'])
        const leaks = leaksOf(entry, ['choices', i])
        if (more !== undefined) {
          const path = ['choices', i, 'text']
          const key = `${choice}:text`
          pieces.push({ key, choice, field: 'content', path, text: more, leaks })
        }
        if (typeof entry['finish_reason'] === 'string') {
          ends.push({ choice, reason: ['choices', i, 'finish_reason'] })
        }
      })
      return { pieces, calls: [], closes: [], echoes: [], ends, choices }
    },
    note(json) {
      noteEnvelope(envelope, json)
    },
    renumber: () => [],
    addText: (choice, more) => [chunk(choice, more, null)],
    stop({ choice, text: more, isLast, usage }) {
      const out = [chunk(choice, more, 'content_filter')]
      return isLast ? [...out, ...lastFrames(made, usage)] : out
    },
    error: errorFrames,
    stopBody(json, cut) {
      const i = placeOf(json, cut.choice)
      const entry = objects(json['choices'])[i] ?? {}
      return [
        {
          path: ['choices', i, 'text'],
          value: JSON.stringify(withMessage(cut.kept, cut.message)),
        },
        { path: ['choices', i, 'finish_reason'], value: '"content_filter"' },
        ...leaksOf(entry, ['choices', i]).map((path) => ({ path, value: 'null' })),
      ]
    },
    blockCall: () => [],
  }
}
