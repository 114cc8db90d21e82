/**
 * The messages of engine.proto as the loader decodes them: camel case, numbers for 64-bit fields,
 * every scalar and array present. Nothing here is trusted yet; parse-*.ts makes it so.
 */

export type WireHello = {
  readonly protocolMajor: number
  readonly protocolMinor: number
  readonly engineId: string
  readonly engineName: string
  readonly engineVersion: string
  readonly runner: string
  readonly model: string
  readonly logitsWidth: number
  readonly vocabularyDigest: Uint8Array
  readonly endTokenIds: readonly number[]
  readonly slots: number
  readonly tensorParallelSize: number
  readonly capabilities: readonly string[]
  readonly heldPrograms: readonly Uint8Array[]
  readonly dataParallelRank: number
  readonly fullVocabularyDigest: Uint8Array
}

export type WireVocabularyChunk = {
  readonly digest: Uint8Array
  readonly totalEntries: number
  readonly firstId: number
  readonly kinds: Uint8Array
  readonly lengths: readonly number[]
  readonly data: Uint8Array
  readonly nameLengths: readonly number[]
  readonly names: Uint8Array
}

export type WireSampling = {
  readonly temperature: number
  readonly topP: number
  readonly topK: number
  readonly minP: number
  readonly presencePenalty: number
  readonly frequencyPenalty: number
  readonly repetitionPenalty: number
  readonly maxTokens: number
  readonly stopToken: number
}

export type WireOpened = {
  readonly slot: number
  readonly generation: number
  readonly requestId: string
  readonly tenant: string
  readonly policy: string
  readonly program: Uint8Array
  readonly promptLength: number
  readonly promptTokenIds: readonly number[]
  readonly outputTokenIds: readonly number[]
  readonly sampling: WireSampling | null
  readonly child: number
}

export type WireClosed = {
  readonly slot: number
  readonly generation: number
  readonly finalPosition: number
}

export type WireStep = {
  readonly sequence: number
  readonly awaited: boolean
  readonly opened: readonly WireOpened[]
  readonly closed: readonly WireClosed[]
  readonly slot: readonly number[]
  readonly generation: readonly number[]
  readonly position: readonly number[]
  readonly token: readonly number[]
  readonly state: readonly number[]
  readonly probe: readonly number[]
  readonly monotonicUs: number
}

export type WireStats = {
  readonly steps: number
  readonly awaitedSteps: number
  readonly missedDeadlines: number
  readonly droppedSteps: number
  readonly lateDirectives: number
  readonly lateForces: number
  readonly errors: number
  readonly emptyRows: number
  readonly reconnects: number
  readonly breaker: number
  readonly waitUsBucket: readonly number[]
  readonly applyUsBucket: readonly number[]
  readonly waitUsSum: number
  readonly applyUsSum: number
  readonly openRows: number
  readonly lastError: string
}

export type WireProgramStatus = {
  readonly digest: Uint8Array
  readonly ready: boolean
  readonly error: string
}

/** `body` names the member that is set; none of them for an empty or unknown message. */
export type WireEngineMessage = {
  readonly body?: string
  readonly hello?: WireHello | null
  readonly vocabulary?: WireVocabularyChunk | null
  readonly step?: WireStep | null
  readonly stats?: WireStats | null
  readonly programStatus?: WireProgramStatus | null
}

export type WireAdapt = {
  readonly temperature?: number
  readonly topP?: number
  readonly topK?: number
  readonly minP?: number
  readonly repetitionPenalty?: number
}

export type WireRowDirective = {
  readonly slot: number
  readonly generation: number
  readonly fromPosition: number
  readonly untilPosition: number
  readonly adapt?: WireAdapt
  readonly denySets: readonly number[]
  readonly force: readonly number[]
  readonly stop: boolean
  readonly sync: boolean
}

export type WireSidecarMessage =
  | { readonly welcome: Readonly<Record<string, string | number | boolean>> }
  | {
      readonly program: {
        readonly digest: Uint8Array
        readonly totalBytes: number
        readonly offset: number
        readonly data: Uint8Array
      }
    }
  | {
      readonly bindings: {
        readonly defaultProgram: Uint8Array
        readonly livePrograms: readonly Uint8Array[]
        readonly revision: number
      }
    }
  | {
      readonly denySet: {
        readonly id: number
        readonly invert: boolean
        readonly token: readonly number[]
      }
    }
  | {
      readonly directives: { readonly sequence: number; readonly rows: readonly WireRowDirective[] }
    }
  | { readonly probe: { readonly digest: Uint8Array; readonly data: Uint8Array } }
  | { readonly drain: { readonly graceMs: number; readonly reason: string } }
