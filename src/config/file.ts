/** Reads configuration files. A missing default file is not an error, a missing named one is. */
import { readFileSync, statSync } from 'node:fs'
import process from 'node:process'
import { GuardError } from '../model/errors.ts'
import { parseBannedTokens } from './banned-tokens.ts'
import type { BannedTokens } from './banned-tokens.ts'
import { MAX_DOCUMENT_BYTES, parseDocumentText } from './document.ts'
import type { SourceDocument } from './document.ts'
import { readEnvironment } from './env.ts'
import { toEffective } from './layers.ts'
import type { EffectiveConfig, Setting } from './layers.ts'

/** Looked for in this order when no file is named. */
export const DEFAULT_FILES = [
  '/etc/checkstream/sidecar-config.yaml',
  '/etc/checkstream/config.yaml',
] as const
const MAX_BANNED_BYTES = 16 * 1024 * 1024

export type ConfigSources = {
  /** `--config`; otherwise CHECKSTREAM_CONFIG, otherwise the default files. */
  readonly file?: string | undefined
  readonly flags: readonly Setting[]
  readonly env?: Readonly<Record<string, string | undefined>>
}

export function loadConfig(sources: ConfigSources): EffectiveConfig {
  const env = sources.env ?? process.env
  const environment = readEnvironment(env)
  const named = sources.file ?? env['CHECKSTREAM_CONFIG']
  const file = named === undefined || named === '' ? findDefault() : readDocument(named)
  const { settings, warnings } = environment
  return toEffective({ file, environment: settings, flags: sources.flags, warnings })
}

/** The bans of `banned_tokens_file`; none when the default file is not there. */
export function loadBannedTokens(effective: EffectiveConfig): BannedTokens {
  const key = 'guardrails.preventive.logit_masking.banned_tokens_file'
  const masking = effective.config.guardrails.preventive.logit_masking
  const optional = effective.origins.get(key)?.kind === 'default'
  const text = readText(masking.banned_tokens_file, MAX_BANNED_BYTES, optional)
  if (text === undefined) return { bans: [], tokenIds: [], warnings: [] }
  return parseBannedTokens(text, masking.banned_tokens_file)
}

function findDefault(): SourceDocument | undefined {
  for (const path of DEFAULT_FILES) {
    const text = readText(path, MAX_DOCUMENT_BYTES, true)
    if (text !== undefined) return parseDocumentText(text, path)
  }
  return undefined
}

function readDocument(path: string): SourceDocument {
  return parseDocumentText(readText(path, MAX_DOCUMENT_BYTES, false) ?? '', path)
}

/** The file's text, or undefined when it may be missing and is. */
function readText(path: string, maxBytes: number, optional: boolean): string | undefined {
  try {
    const stats = statSync(path)
    if (!stats.isFile()) throw new GuardError('config_invalid', `${path}: expected a file`)
    if (stats.size > maxBytes) {
      throw new GuardError(
        'config_invalid',
        `${path}: expected at most ${maxBytes} bytes, got ${stats.size}`,
      )
    }
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (optional && (code === 'ENOENT' || code === 'ENOTDIR')) return undefined
    if (code === 'ENOENT') {
      throw new GuardError('config_invalid', `${path}: no such file`, { cause: error })
    }
    throw GuardError.from(error, 'config_invalid')
  }
}
