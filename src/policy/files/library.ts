/**
 * A set of policies: texts of files → every policy compiled, found by name. One broken file breaks the
 * set, so that a half-loaded set is never in force; the caller keeps the last good one.
 */
import type { Compiled, CompileOptions } from '../compile/compile.ts'
import { compileCombined, compilePolicy } from '../compile/compile.ts'
import type { CompiledPolicy } from '../compiled.ts'
import { readPolicy } from '../read/document.ts'
import type { PolicySource } from '../read/document.ts'
import { suggestion } from '../../model/nearest.ts'
import { GuardError } from '../../model/errors.ts'
import type { Problem } from '../read/problem.ts'
import { refuseErrors } from '../read/problem.ts'

export type PolicyFile = { readonly file: string; readonly text: string }

/** Policies of one set; past it the set is refused. */
const MAX_POLICIES = 1_000
/** Name of all policies of a set as one. */
export const COMBINED = 'all'

export type PolicyLibrary = {
  readonly policies: ReadonlyMap<string, CompiledPolicy>
  /** All of them as one; the only policy itself when there is one. */
  readonly combined: CompiledPolicy
  readonly sources: readonly PolicySource[]
  readonly warnings: readonly Problem[]
}

export type LibraryResult = {
  /** undefined when a problem is an error. */
  readonly library: PolicyLibrary | undefined
  readonly problems: readonly Problem[]
}

export function buildLibrary(files: readonly PolicyFile[], options: CompileOptions): LibraryResult {
  const problems: Problem[] = []
  const sources: PolicySource[] = []
  for (const { file, text } of files.slice(0, MAX_POLICIES)) {
    const read = readPolicy(text, file)
    problems.push(...read.problems)
    if (read.source !== undefined) sources.push(read.source)
  }
  if (files.length > MAX_POLICIES) {
    const message = `at most ${MAX_POLICIES} policies, got ${files.length}`
    problems.push(at(files[MAX_POLICIES]?.file ?? '', 'too-large', message))
  }
  problems.push(...duplicates(sources))
  const policies = new Map<string, CompiledPolicy>()
  for (const source of sources) {
    const compiled: Compiled = compilePolicy(source, sources, options)
    problems.push(...compiled.problems)
    if (compiled.policy !== undefined) policies.set(compiled.policy.name, compiled.policy)
  }
  if (problems.some((p) => p.severity === 'error')) return { library: undefined, problems }
  const combined = combine(sources, policies, options)
  if (combined.policy === undefined) return { library: undefined, problems: combined.problems }
  return { library: { policies, combined: combined.policy, sources, warnings: problems }, problems }
}

function combine(
  sources: readonly PolicySource[],
  policies: ReadonlyMap<string, CompiledPolicy>,
  options: CompileOptions,
): Compiled {
  const [only] = policies.values()
  if (only !== undefined && policies.size === 1) return { policy: only, problems: [] }
  return compileCombined(COMBINED, sources, options)
}

/** The library, or a GuardError that names every mistake with its place. */
export function requireLibrary(result: LibraryResult): PolicyLibrary {
  refuseErrors(result.problems)
  if (result.library === undefined)
    throw new GuardError('policy_invalid', 'no policy could be read')
  return result.library
}

/** The policy of a name, or a GuardError that names the nearest one. */
export function requirePolicy(library: PolicyLibrary, name: string): CompiledPolicy {
  const policy = library.policies.get(name)
  if (policy !== undefined) return policy
  const hint = suggestion(name, library.policies.keys())
  throw new GuardError('policy_invalid', `no policy is called ${name}${hint}`)
}

function duplicates(sources: readonly PolicySource[]): Problem[] {
  const first = new Map<string, PolicySource>()
  return sources.flatMap((source) => {
    const { name } = source.document
    const other = first.get(name)
    if (other === undefined) {
      first.set(name, source)
      return []
    }
    return [at(source.file, 'duplicate', `${other.file} has a policy called ${name} too`)]
  })
}

function at(file: string, code: Problem['code'], message: string): Problem {
  return { severity: 'error', code, message, file, line: 1, column: 1 }
}
