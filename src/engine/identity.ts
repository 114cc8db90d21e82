/**
 * Whose request a row is: what the proxy put into `vllm_xargs`. A value of the wrong shape counts as
 * absent; a request that went around the proxy has none and is governed by the default program.
 */
import type { Sampling } from './sampler.ts'
import type { SequenceOptions } from './sequence.ts'

export type Identity = {
  readonly requestId: string
  readonly tenant: string
  readonly policy: string
  /** Hex digest of the program that the row asks for, or empty. */
  readonly program: string
  readonly child: number
  /** The client's own sampling, where the proxy has taken it over. */
  readonly sampling: Sampling
  /** The token that ends this request when it is stopped. */
  readonly stopToken: number
}

const MAX_TEXT = 256

export function parseIdentity(options: SequenceOptions, width: number): Identity {
  const { extra } = options
  const text = (key: string): string => {
    const value = extra[`checkstream_${key}`]
    return typeof value === 'string' ? value.slice(0, MAX_TEXT) : ''
  }
  const real = (key: string, absent: number): number => {
    const value = extra[`checkstream_${key}`]
    return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : absent
  }
  const program = text('program').toLowerCase()
  const { sampling } = options
  return {
    requestId: text('rid'),
    tenant: text('tenant'),
    policy: text('policy'),
    program: /^[0-9a-f]{64}$/.test(program) ? program : '',
    child: options.index,
    sampling: {
      ...sampling,
      temperature: real('temperature', sampling.temperature),
      topP: real('top_p', sampling.topP) || 1,
      topK: real('top_k', sampling.topK),
      minP: real('min_p', sampling.minP),
    },
    stopToken: stopTokenOf(options, extra['checkstream_stop'], width),
  }
}

function stopTokenOf(options: SequenceOptions, reserved: unknown, width: number): number {
  if (typeof reserved === 'number' && Number.isInteger(reserved) && reserved >= 0) {
    if (reserved < width && options.stopTokenIds.includes(reserved)) return reserved
  }
  return options.ignoreEnd ? (options.stopTokenIds[0] ?? options.endTokenId) : options.endTokenId
}
