/** `Hello` from the wire to EngineInfo: the version first, then every bound. */
import type { EngineInfo } from '../model/engine.ts'
import { GuardError } from '../model/errors.ts'
import { below, digest, name, PROTOCOL_MAJOR, within } from './bounds.ts'
import type { StepBounds } from './bounds.ts'
import type { WireHello } from './wire.ts'

const MAX_LIST = 64
const MAX_CAPABILITY_BYTES = 64

export function parseHello(wire: WireHello, bounds: StepBounds): EngineInfo {
  checkMajor(wire.protocolMajor)
  const logitsWidth = wire.logitsWidth
  if (logitsWidth < 1) {
    throw new GuardError('step_invalid', `Hello.logits_width: expected at least 1, got 0`)
  }
  within(logitsWidth, bounds.vocabularyEntries, 'Hello.logits_width', 'entries')
  if (wire.slots < 1)
    throw new GuardError('step_invalid', 'Hello.slots: expected at least 1, got 0')
  within(wire.slots, bounds.rows, 'Hello.slots', 'rows')
  within(wire.endTokenIds.length, MAX_LIST, 'Hello.end_token_ids', 'tokens')
  within(wire.capabilities.length, MAX_LIST, 'Hello.capabilities', 'names')
  within(wire.heldPrograms.length, 4 * MAX_LIST, 'Hello.held_programs', 'digests')
  const id = name(wire.engineId, 'Hello.engine_id')
  if (id === '') throw new GuardError('step_invalid', 'Hello.engine_id: expected a name, got none')
  const textDigest = digest(wire.vocabularyDigest, 'Hello.vocabulary_digest', 'required')
  const full = digest(wire.fullVocabularyDigest, 'Hello.full_vocabulary_digest', 'empty')
  return {
    id,
    name: name(wire.engineName, 'Hello.engine_name'),
    version: name(wire.engineVersion, 'Hello.engine_version'),
    runner: name(wire.runner, 'Hello.runner'),
    model: name(wire.model, 'Hello.model', 1_024),
    protocolMinor: wire.protocolMinor,
    logitsWidth,
    vocabularyDigest: full === '' ? textDigest : full,
    textDigest,
    endTokenIds: wire.endTokenIds.map((token, i) =>
      below(token, logitsWidth, `Hello.end_token_ids[${i}]`, 'a token id'),
    ),
    slots: wire.slots,
    tensorParallelSize: wire.tensorParallelSize,
    dataParallelRank: wire.dataParallelRank,
    capabilities: wire.capabilities.map((text, i) =>
      name(text, `Hello.capabilities[${i}]`, MAX_CAPABILITY_BYTES),
    ),
    heldPrograms: wire.heldPrograms.map((bytes, i) =>
      digest(bytes, `Hello.held_programs[${i}]`, 'required'),
    ),
  }
}

function checkMajor(major: number): void {
  if (major === PROTOCOL_MAJOR) return
  const advice =
    major > PROTOCOL_MAJOR
      ? 'upgrade the sidecar, or install the plugin of its release'
      : 'upgrade the plugin (checkstream_vllm) to the release of the sidecar'
  throw new GuardError(
    'protocol_unsupported',
    `Hello.protocol_major: this sidecar speaks version ${PROTOCOL_MAJOR}, the engine version ${major}: ${advice}`,
  )
}
