/** Policies from the disk: a file, or every .yaml and .yml of a folder, compiled as one set. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { GuardError } from '../../model/errors.ts'
import type { CompileOptions } from '../compile/compile.ts'
import { buildLibrary, requireLibrary } from './library.ts'
import type { PolicyFile, PolicyLibrary } from './library.ts'
import { BOUNDS } from '../../yaml/bounds.ts'

export type LoadOptions = Omit<CompileOptions, 'nowMs'> & { readonly nowMs?: number }

/** Reads and compiles at once, on the calling thread. Throws GuardError with every mistake. */
export function loadPolicies(path: string, options: LoadOptions = {}): PolicyLibrary {
  return requireLibrary(
    buildLibrary(readPolicyFiles(path), { ...options, nowMs: options.nowMs ?? Date.now() }),
  )
}

/**
 * The policy files at `path`, by name. Hidden files are not read: Kubernetes keeps the versions of a
 * ConfigMap in `..data` and `..2026_…` beside the links that are meant.
 */
export function readPolicyFiles(path: string): readonly PolicyFile[] {
  try {
    if (!statSync(path).isDirectory()) return [readOne(path)]
    return readdirSync(path)
      .filter((name) => /\.ya?ml$/i.test(name) && !name.startsWith('.'))
      .sort()
      .map((name) => readOne(join(path, name)))
  } catch (error) {
    throw new GuardError('policy_invalid', `${path}: ${reason(error)}`, { cause: error })
  }
}

function readOne(file: string): PolicyFile {
  // One byte more than allowed is enough to be refused; a huge file is not read to its end.
  const { size } = statSync(file)
  if (size > BOUNDS.bytes) {
    throw new GuardError('policy_invalid', `at most ${BOUNDS.bytes} bytes, got ${size} in ${file}`)
  }
  return { file, text: readFileSync(file, 'utf8') }
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error))
