/**
 * A fitted probe from its file (plugin/checkstream_vllm/probe.py): what the engine evaluates, unread but
 * for what it is called. The engine checks its numbers and its width.
 */
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { GuardError } from '../model/errors.ts'

export type ProbeImage = {
  /** SHA-256 of `data`, hex. */
  readonly digest: string
  readonly data: Uint8Array
  readonly label: string
  /** Name of the model that it was fitted on. */
  readonly model: string
}

const MAX_BYTES = 1024 * 1024
const FORMAT = 'checkstream-probe/1'

export function readProbe(path: string): ProbeImage {
  try {
    const { size } = statSync(path)
    if (size < 9 || size > MAX_BYTES) {
      throw new GuardError('model_invalid', `expected 9 to ${MAX_BYTES} bytes, got ${size}`)
    }
    const data = new Uint8Array(readFileSync(path))
    const facts = factsOf(data)
    const digest = createHash('sha256').update(data).digest('hex')
    return { digest, data, label: facts['label'] ?? 'unsafe', model: facts['model'] ?? '' }
  } catch (error) {
    throw new GuardError('model_invalid', `probe ${path}: ${String(error)}`, { cause: error })
  }
}

/** The metadata of a safetensors header. */
function factsOf(data: Uint8Array): Readonly<Record<string, string>> {
  const size = Number(new DataView(data.buffer).getBigUint64(0, true))
  const text = new TextDecoder('utf-8', { fatal: true }).decode(data.subarray(8, 8 + size))
  const header = JSON.parse(text) as { readonly __metadata__?: Readonly<Record<string, string>> }
  const facts = header.__metadata__ ?? {}
  if (facts['format'] !== FORMAT) {
    throw new GuardError('model_invalid', `expected the format ${FORMAT}, got ${facts['format']}`)
  }
  return facts
}
