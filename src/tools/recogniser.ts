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
import { type Reading, type SeenCall, Source } from './source.ts'

export const TOOL_FORMATS = [
  'hermes',
  'llama3_json',
  'mistral',
  'pythonic',
  'qwen3_xml',
  'deepseek_v3',
  'kimi_k2',
  'glm45',
  'openai',
] as const
export type ToolFormat = (typeof TOOL_FORMATS)[number]

export interface ToolRecogniser {
  /** Calls that this text opened, continued or completed, at most one entry a call. */
  push(text: string): readonly SeenCall[]
  /** The text ended: a call that is not whole stays incomplete. */
  end(): readonly SeenCall[]
  /** Text from here on is, or may become, a call; equals the length read when nothing is open. */
  readonly openFrom: number
  /** Where the text stands now. */
  readonly place: 'text' | 'name' | 'arguments'
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
  }
}
