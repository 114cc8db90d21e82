/** What a site has on its disk: policies and banned texts, as the configuration names them. */
import { loadBannedTokens } from '../../config/file.ts'
import type { EffectiveConfig } from '../../config/layers.ts'
import { GuardError } from '../../model/errors.ts'
import type { Calibration } from '../../policy/compile/calibrated.ts'
import { CLASSIFIERS, PII, PROBE, classifierName } from '../../policy/compile/names.ts'
import { readArtefacts } from '../../classifiers/models-file.ts'
import { foldersOf, readCalibrations, readOwnCalibration, requireUsed } from './calibrations.ts'
import { MODELS } from '../scores/scorers.ts'
import { readPolicyFiles } from '../../policy/files/file.ts'
import type { PolicyFile } from '../../policy/files/library.ts'
import type { SiteSettings } from './site-policies.ts'

/** A missing default folder means no policies; a missing named one is a mistake. */
export function readSitePolicies({ config, origins }: EffectiveConfig): readonly PolicyFile[] {
  try {
    return readPolicyFiles(config.policies.path)
  } catch (error) {
    const isDefault = origins.get('policies.path')?.kind === 'default'
    const code = (error as GuardError).cause as NodeJS.ErrnoException | undefined
    if (isDefault && code?.code === 'ENOENT') return []
    throw GuardError.from(error, 'policy_invalid')
  }
}

const NO_PROBE =
  'classifiers.embedding_mode: no probe is fitted (classifiers.probe), so its text is judged instead'

export function readSiteSettings(
  effective: EffectiveConfig,
  known: Pick<SiteSettings, 'destinations' | 'isLowering'>,
): {
  readonly settings: SiteSettings
  /** Token ids of `banned_tokens_file`. */
  readonly bannedTokens: readonly number[]
  readonly warnings: readonly string[]
} {
  const { config } = effective
  const { preventive } = config.guardrails
  const { bans, tokenIds, warnings } = loadBannedTokens(effective)
  const names = config.classifiers.models.map((model) =>
    classifierName(typeof model === 'string' ? model : model.name),
  )
  const { enabled, risk_threshold, safe_mode } = preventive.adaptive_decoding
  const scored = names.filter((name) => name !== PII)
  const settings: SiteSettings = {
    ...known,
    bans,
    isMasking: preventive.enabled && preventive.logit_masking.enabled,
    onFailure: config.vllm.on_failure,
    standard: config.policies.default,
    adaptive:
      preventive.enabled && enabled
        ? { risk_threshold, safe_mode, classifiers: scored }
        : undefined,
    classifiers: [...new Set([...CLASSIFIERS, PROBE, ...names])],
    answered: answeredBy(config),
    calibration: calibrationOf(config),
  }
  const { embedding_mode, probe } = config.classifiers
  const told = embedding_mode && probe === '' ? [...warnings, NO_PROBE] : warnings
  return { settings, bannedTokens: settings.isMasking ? tokenIds : [], warnings: told }
}

/** Names that some model answers for, in any phase; the probe where one is fitted. */
function answeredBy({ classifiers, guardrails }: EffectiveConfig['config']): readonly string[] {
  const { ingress, midstream } = guardrails
  const asked = [...classifiers.models, ...ingress.classifiers, ...midstream.classifiers]
  const names = asked.map((model) =>
    typeof model === 'string' ? classifierName(model) : model.name,
  )
  const isProbed = classifiers.embedding_mode && classifiers.probe !== ''
  return isProbed ? [...names, PROBE] : names
}

/** Of every model that may answer, in any phase. */
function calibrationOf({ classifiers, guardrails }: EffectiveConfig['config']): Calibration {
  const { ingress, midstream } = guardrails
  const asked = [...classifiers.models, ...ingress.classifiers, ...midstream.classifiers]
  const names = asked.flatMap((model) => (typeof model === 'string' ? [classifierName(model)] : []))
  const owned = classifiers.models.filter((model) => typeof model !== 'string')
  const artefacts = readArtefacts(classifiers.calibrations)
  requireUsed(artefacts, [...foldersOf(MODELS, names), ...owned.map(({ path }) => path)])
  const known = { ...(names.length === 0 ? {} : readCalibrations(MODELS, names, artefacts)) }
  for (const { name, path } of owned) {
    // A name may have models of both kinds, and all of them answer.
    known[name] = [...(known[name] ?? []), ...readOwnCalibration(path, artefacts)]
  }
  return known
}
