/** The step plane at a glance, as `GET /admin/status` tells it and `checkstream doctor` reads it. */
import type { EngineInfo, EngineStats, ProgramStatus } from './engine.ts'
import type { ErrorCode } from './errors.ts'

export type EngineStatus = Pick<
  EngineInfo,
  'id' | 'name' | 'version' | 'runner' | 'model' | 'logitsWidth' | 'vocabularyDigest'
> & {
  readonly rows: number
  /** Undefined until the plugin told them the first time. */
  readonly stats?: EngineStats
  /** What the engine said of the programs that it was sent. */
  readonly programs: readonly ProgramStatus[]
}

export type VocabularyStatus = {
  readonly digest: string
  /** Undefined when the sidecar does not know this vocabulary (yet). */
  readonly size?: number
  /** The programs that engines with this vocabulary are to hold; undefined while they compile. */
  readonly programs?: readonly string[]
  readonly defaultProgram?: string
  readonly revision?: number
}

export type Totals = {
  readonly steps: number
  readonly tokens: number
  readonly divergences: number
  readonly violations: number
  readonly gaps: number
  readonly unmaskedRows: number
  readonly foreignPrograms: number
  readonly evictedRows: number
}

/** The last engine that was turned away and has not come back since. */
export type RefusedEngine = {
  /** Empty when it was turned away before it could say who it is. */
  readonly engine: string
  readonly code: ErrorCode
  readonly reason: string
}

export type StepStatus = {
  readonly version: string
  readonly refused?: RefusedEngine
  /** Why newer policy files are not in force. */
  readonly policyError?: string
  /** Why the newer tenants file is not in force. */
  readonly tenantsError?: string
  /** What is doubtful in the policies in force; the first of them. */
  readonly policyWarnings?: readonly string[]
  readonly engines: readonly EngineStatus[]
  readonly vocabularies: readonly VocabularyStatus[]
  readonly liveRows: number
  readonly totals: Totals
}
