/**
 * Tool calls in the raw text of a model, while the text grows: what a server's parser would make a
 * call of is seen here as soon as it is spelled, wherever the text is cut.
 *
 * A format is a generator that reads as if all text were there; where it is not, it yields. Every
 * character is read once. The raw formats: vllm/tool_parsers of vLLM 0.32.
 */
import {
  deepseek,
  glm,
  harmony,
  hermes,
  kimi,
  llama,
  mistral,
  pythonic,
  qwenXml,
} from './formats.ts'
import type { ToolFormat } from '../model/tool-format.ts'
import { type Reading, type SeenCall, Source, type SpelledName } from './source.ts'

export interface ToolRecogniser {
  /** Calls that this text opened, continued or completed, at most one entry a call. */
  push(text: string): readonly SeenCall[]
  /** The text ended: a call that is not whole stays incomplete. */
  end(): readonly SeenCall[]
  /** Text from here on is, or may become, a call; equals the length read when nothing is open. */
  readonly openFrom: number
  /** Where the text stands now. */
  readonly place: 'text' | 'name' | 'arguments'
  /** The format that is read; undefined while it is not known. */
  readonly format: ToolFormat | undefined
  /** What is spelled of a call's name so far; undefined outside of a name. */
  readonly spelledName: SpelledName | undefined
  /** What is spelled of an argument's value so far, in formats that write values as plain text. */
  readonly spelledValue: { readonly key: string; readonly text: string } | undefined
}

const READERS: Readonly<Record<ToolFormat, (source: Source) => Reading<void>>> = {
  hermes,
  llama3_json: llama,
  mistral,
  pythonic,
  qwen3_xml: qwenXml,
  deepseek_v3: deepseek,
  kimi_k2: kimi,
  glm45: glm,
  openai: harmony,
}

/** `maxCallChars`: a call that grows past it is reported as it is and read no further. */
export function createToolRecogniser(
  format: ToolFormat,
  maxCallChars: number = 1024 * 1024,
): ToolRecogniser {
  const source = new Source(maxCallChars)
  const reading = READERS[format](source)
  const advance = (): readonly SeenCall[] => {
    reading.next()
    return source.takeSeen()
  }
  return {
    format,
    push(text) {
      source.push(text)
      return advance()
    },
    end() {
      source.close()
      return advance()
    },
    get openFrom() {
      return source.openFrom
    },
    get place() {
      return source.place
    },
    get spelledName() {
      return source.spelledName
    },
    get spelledValue() {
      return source.spelledValue
    },
  }
}

/**
 * For a model whose format nobody told: every format reads, and the first that sees a whole name is the
 * one. The formats that are told by a marker come first; pythonic and bare objects only when asked for.
 */
export function createDetectingRecogniser(maxCallChars?: number): ToolRecogniser {
  let readers = MARKED.map((format) => ({
    format,
    reader: createToolRecogniser(format, maxCallChars),
  }))
  const first = (): ToolRecogniser | undefined => {
    const open = readers.find(({ reader }) => reader.place !== 'text') ?? readers[0]
    return open?.reader
  }
  const advance = (of: (reader: ToolRecogniser) => readonly SeenCall[]): readonly SeenCall[] => {
    for (const one of readers) {
      const seen = of(one.reader)
      if (seen.length === 0) continue
      if (readers.length > 1) readers = [one]
      return seen
    }
    return []
  }
  return {
    push: (text) => advance((reader) => reader.push(text)),
    end: () => advance((reader) => reader.end()),
    get openFrom() {
      return Math.min(...readers.map(({ reader }) => reader.openFrom))
    },
    get place() {
      return first()?.place ?? 'text'
    },
    get spelledName() {
      return first()?.spelledName
    },
    get spelledValue() {
      return first()?.spelledValue
    },
    get format() {
      const open = readers.find(({ reader }) => reader.place !== 'text')
      return open?.format ?? (readers.length === 1 ? readers[0]?.format : undefined)
    },
  }
}

const MARKED: readonly ToolFormat[] = [
  'hermes',
  'qwen3_xml',
  'mistral',
  'deepseek_v3',
  'kimi_k2',
  'openai',
  'glm45',
]
