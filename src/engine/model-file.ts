/**
 * Opens a model folder (Hugging Face layout) and checks that nothing of it is missing or damaged.
 * Every refusal is one line that names the file.
 */
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { GuardError } from '../model/errors.ts'

export type ModelShape = {
  readonly layers: number
  readonly kvHeads: number
  readonly headDim: number
  readonly vocabularySize: number
  readonly contextLength: number
  /** The end of a turn: finishes with `stop_reason: null`. */
  readonly endTokenId: number
  /** Further ids that the model's generation configuration stops at. */
  readonly stopTokenIds: readonly number[]
}

export type ModelFolder = {
  readonly path: string
  readonly graph: string
  readonly shape: ModelShape
  readonly tokenizer: Record<string, unknown>
  readonly tokenizerConfig: Record<string, unknown>
  readonly chatTemplate: string
  /** What a request that does not say gets (generation_config.json, as in vLLM). */
  readonly defaults: { readonly temperature: number; readonly topP: number }
}

const REQUIRED = ['config.json', 'tokenizer.json', 'model.onnx', 'model.safetensors']

export function openModelFolder(path: string): ModelFolder {
  const missing = REQUIRED.filter((name) => !isFile(join(path, name)))
  if (missing.length > 0) {
    throw new GuardError('model_invalid', `model folder ${path}: ${missing.join(', ')} not found`)
  }
  checkDigests(path)
  checkWeights(join(path, 'model.safetensors'))
  const config = readJson(join(path, 'config.json'))
  const tokenizerConfig = readJson(join(path, 'tokenizer_config.json'))
  const generation = isFile(join(path, 'generation_config.json'))
    ? readJson(join(path, 'generation_config.json'))
    : {}
  return {
    path,
    graph: join(path, 'model.onnx'),
    shape: toShape(join(path, 'config.json'), config, generation),
    tokenizer: readJson(join(path, 'tokenizer.json')),
    tokenizerConfig,
    chatTemplate: readTemplate(path, tokenizerConfig),
    defaults: {
      temperature: numberOr(generation['temperature'], 1),
      topP: numberOr(generation['top_p'], 1),
    },
  }
}

function numberOr(value: unknown, absent: number): number {
  return typeof value === 'number' ? value : absent
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

function readJson(path: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
  } catch (error) {
    throw new GuardError(
      'model_invalid',
      `${path}: ${GuardError.from(error, 'model_invalid').message}`,
    )
  }
}

function readTemplate(path: string, tokenizerConfig: Record<string, unknown>): string {
  const own = join(path, 'chat_template.jinja')
  if (isFile(own)) return readFileSync(own, 'utf8')
  const inner = tokenizerConfig['chat_template']
  if (typeof inner === 'string') return inner
  throw new GuardError('model_invalid', `${path}: no chat template`)
}

/** `SHA256SUMS`, where the folder has one: a flipped bit in the weights is not visible otherwise. */
function checkDigests(path: string): void {
  const list = join(path, 'SHA256SUMS')
  if (!isFile(list)) return
  for (const line of readFileSync(list, 'utf8').split('\n')) {
    const [wanted, name] = line.split('  ')
    if (wanted === undefined || name === undefined) continue
    const file = join(path, name)
    if (!isFile(file)) throw new GuardError('model_invalid', `${file}: not found`)
    const got = createHash('sha256').update(readFileSync(file)).digest('hex')
    if (got !== wanted) {
      throw new GuardError('model_invalid', `${file}: damaged (SHA-256 differs from SHA256SUMS)`)
    }
  }
}

/** The header of a safetensors file says where its data ends. */
function checkWeights(path: string): void {
  const bytes = readFileSync(path)
  const headerBytes = bytes.length >= 8 ? Number(bytes.readBigUInt64LE(0)) : Infinity
  if (8 + headerBytes > bytes.length) {
    throw new GuardError('model_invalid', `${path}: damaged (cut off in its header)`)
  }
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes)) as Record<
    string,
    { readonly data_offsets?: readonly [number, number] }
  >
  const end = Math.max(0, ...Object.values(header).map((entry) => entry.data_offsets?.[1] ?? 0))
  if (8 + headerBytes + end !== bytes.length) {
    const wanted = 8 + headerBytes + end
    throw new GuardError(
      'model_invalid',
      `${path}: damaged (wanted ${wanted} bytes, got ${bytes.length})`,
    )
  }
}

function toShape(
  path: string,
  config: Record<string, unknown>,
  generation: Record<string, unknown>,
): ModelShape {
  const whole = (key: string): number => {
    const value = config[key]
    if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value
    throw new GuardError('model_invalid', `${path}: ${key} must be a whole number, got ${value}`)
  }
  const end = whole('eos_token_id')
  const listed = generation['eos_token_id']
  const ids = Array.isArray(listed) ? listed : [listed]
  return {
    layers: whole('num_hidden_layers'),
    kvHeads: whole('num_key_value_heads'),
    headDim: whole('head_dim'),
    vocabularySize: whole('vocab_size'),
    contextLength: whole('max_position_embeddings'),
    endTokenId: end,
    stopTokenIds: ids.filter((id): id is number => typeof id === 'number' && id !== end),
  }
}
