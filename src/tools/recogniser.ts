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
  return new Recogniser(format, maxCallChars)
}

class Recogniser implements ToolRecogniser {
  readonly format: ToolFormat
  readonly #source: Source
  readonly #reading: Reading<void>

  constructor(format: ToolFormat, maxCallChars: number) {
    this.format = format
    this.#source = new Source(maxCallChars)
    this.#reading = READERS[format](this.#source)
  }

  push(text: string): readonly SeenCall[] {
    this.#source.push(text)
    return this.#advance()
  }

  end(): readonly SeenCall[] {
    this.#source.close()
    return this.#advance()
  }

  get openFrom(): number {
    return this.#source.openFrom
  }

  get place(): ToolRecogniser['place'] {
    return this.#source.place
  }

  get spelledName(): ToolRecogniser['spelledName'] {
    return this.#source.spelledName
  }

  get spelledValue(): ToolRecogniser['spelledValue'] {
    return this.#source.spelledValue
  }

  #advance(): readonly SeenCall[] {
    this.#reading.next()
    return this.#source.takeSeen()
  }
}

/**
 * For a model whose format nobody told: every format reads, and the first that sees a whole name is the
 * one. The formats that are told by a marker come first; pythonic and bare objects only when asked for.
 */
export function createDetectingRecogniser(maxCallChars?: number): ToolRecogniser {
  return new DetectingRecogniser(maxCallChars)
}

class DetectingRecogniser implements ToolRecogniser {
  #readers: readonly { readonly format: ToolFormat; readonly reader: ToolRecogniser }[]

  constructor(maxCallChars: number | undefined) {
    this.#readers = MARKED.map((format) => ({
      format,
      reader: createToolRecogniser(format, maxCallChars),
    }))
  }

  push(text: string): readonly SeenCall[] {
    return this.#advance((reader) => reader.push(text))
  }

  end(): readonly SeenCall[] {
    return this.#advance((reader) => reader.end())
  }

  get openFrom(): number {
    return Math.min(...this.#readers.map(({ reader }) => reader.openFrom))
  }

  get place(): ToolRecogniser['place'] {
    return this.#first()?.place ?? 'text'
  }

  get spelledName(): ToolRecogniser['spelledName'] {
    return this.#first()?.spelledName
  }

  get spelledValue(): ToolRecogniser['spelledValue'] {
    return this.#first()?.spelledValue
  }

  get format(): ToolFormat | undefined {
    const only = this.#readers.length === 1 ? this.#readers[0] : undefined
    return (this.#open() ?? only)?.format
  }

  #open() {
    return this.#readers.find(({ reader }) => reader.place !== 'text')
  }

  #first(): ToolRecogniser | undefined {
    return (this.#open() ?? this.#readers[0])?.reader
  }

  #advance(of: (reader: ToolRecogniser) => readonly SeenCall[]): readonly SeenCall[] {
    for (const one of this.#readers) {
      const seen = of(one.reader)
      if (seen.length === 0) continue
      if (this.#readers.length > 1) this.#readers = [one]
      return seen
    }
    return []
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
