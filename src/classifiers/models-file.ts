/**
 * Model folders on disk: reads a registry, checks every file's digest before anything is loaded.
 *
 * A digest that differs is an error, never a warning: a classifier that somebody exchanged guards
 * nothing.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GuardError } from '../model/errors.ts'
import { parseCalibration, type Calibration } from './calibration.ts'
import { parseModelConfig, type ModelConfig } from './model-config.ts'
import { parseRegistry, type Registry, type RegistryEntry } from './registry.ts'

export type ModelFolder = {
  readonly path: string
  readonly config: ModelConfig
  /** SHA-256 of the names and digests of the files that decide a score. */
  readonly digest: string
  readonly calibration?: Calibration
}

const sha256 = (data: Uint8Array | string): string =>
  createHash('sha256').update(data).digest('hex')

function read(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new GuardError('model_invalid', `${path}: expected a readable file`, { cause: error })
  }
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(read(path).toString('utf8'))
  } catch (error) {
    if (error instanceof GuardError) throw error
    throw new GuardError('model_invalid', `${path}: expected JSON`, { cause: error })
  }
}

function readOptional(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new GuardError('model_invalid', `${path}: expected JSON`, { cause: error })
  }
}

/** Files whose change changes a score; each must exist unless it is marked optional. */
const SCORE_FILES: readonly { readonly name: string; readonly optional: boolean }[] = [
  { name: 'config.json', optional: false },
  { name: 'model.onnx', optional: false },
  { name: 'tokenizer.json', optional: true },
  { name: 'tokenizer_config.json', optional: true },
  { name: 'emoji.json', optional: true },
]

/** Digest of a folder, by file; the folder's digest covers all of them. */
export function digestFolder(path: string): { files: Record<string, string>; digest: string } {
  const files: Record<string, string> = {}
  for (const { name, optional } of SCORE_FILES) {
    try {
      files[name] = sha256(readFileSync(join(path, name)))
    } catch (error) {
      if (!optional) {
        throw new GuardError('model_invalid', `${join(path, name)}: expected a readable file`, {
          cause: error,
        })
      }
    }
  }
  return { files, digest: sha256(JSON.stringify(Object.entries(files).toSorted())) }
}

/** Calibrations of a site, by the digest of the model that each was made of. */
export type Artefacts = ReadonlyMap<string, Calibration>

/** Reads artefacts of `checkstream calibrate`; two of one model are an error. */
export function readArtefacts(places: readonly string[]): Artefacts {
  const found = new Map<string, Calibration>()
  for (const place of places) {
    const calibration = parseCalibration(readJson(place), place)
    if (found.has(calibration.model_digest)) {
      throw new GuardError(
        'model_invalid',
        `${place}: expected one calibration of a model, got two`,
      )
    }
    found.set(calibration.model_digest, calibration)
  }
  return found
}

/**
 * Loads what describes a model; `wanted` are the registry's digests, checked file by file. A
 * calibration in `artefacts` takes the place of the one in the folder.
 */
export function loadModelFolder(
  path: string,
  wanted?: Readonly<Record<string, string>>,
  artefacts: Artefacts = new Map(),
): ModelFolder {
  const { files, digest } = digestFolder(path)
  for (const [name, hash] of Object.entries(wanted ?? {})) {
    if (files[name] !== hash) {
      throw new GuardError(
        'model_invalid',
        `${join(path, name)}: digest mismatch: expected ${hash}, got ${files[name] ?? 'no file'}`,
      )
    }
  }
  const config = parseModelConfig(readJson(join(path, 'config.json')), join(path, 'config.json'))
  const given = artefacts.get(digest)
  if (given !== undefined) return { path, config, digest, calibration: given }
  const place = join(path, 'calibration.json')
  const raw = readOptional(place)
  if (raw === undefined) return { path, config, digest }
  const calibration = parseCalibration(raw, place)
  if (calibration.model_digest !== digest) {
    throw new GuardError(
      'model_invalid',
      `${place}: calibration of another model: expected digest ${digest}, got ${calibration.model_digest}`,
    )
  }
  return { path, config, digest, calibration }
}

export function readRegistry(folder: string): Registry {
  return parseRegistry(readJson(join(folder, 'registry.json')), join(folder, 'registry.json'))
}

/** The folder of one registered model, with its digests checked. */
export function openRegistered(
  folder: string,
  entry: RegistryEntry,
  artefacts?: Artefacts,
): ModelFolder {
  return loadModelFolder(join(folder, entry.folder), entry.files, artefacts)
}
