/**
 * The worker's side of `worker.ts`: reads and checks policies away from the thread that answers the
 * engine. It sends plain documents back, because compiled policies hold functions, and the machines
 * that scan text, which are most of the work.
 */
import { parentPort } from 'node:worker_threads'
import { packScan, parcelBuffers } from '../../automata/scan-parcel.ts'
import type { ScanParcel } from '../../automata/scan-parcel.ts'
import type { CompileOptions } from '../compile/compile.ts'
import type { CompiledPolicy } from '../compiled.ts'
import { buildLibrary } from './library.ts'
import type { PolicyFile, PolicyLibrary } from './library.ts'
import type { Problem } from '../read/problem.ts'
import { checkTexts, prepareScan, scannedTexts, textsKey } from '../decide/scan.ts'
import type { PolicyDocument } from '../schema/schema.ts'
import type { Place } from '../../yaml/read.ts'

export type WorkerJob = {
  readonly files: readonly PolicyFile[]
  readonly options: CompileOptions
  /** Policies that are scanned for as soon as they are in force. */
  readonly scan: readonly string[]
  /** Keys of the machines that the other side has. */
  readonly held: readonly string[]
}

/** What a policy scans for; without a parcel the other side has the machine, or none is needed. */
export type PackedScan = {
  readonly policy: string
  readonly key: string
  readonly parcel: ScanParcel | undefined
}

export type WorkerAnswer = {
  readonly sources: readonly {
    readonly file: string
    readonly document: PolicyDocument
    readonly rulePlaces: readonly Place[]
  }[]
  readonly scans: readonly PackedScan[]
  readonly problems: readonly Problem[]
}

parentPort?.on('message', (job: WorkerJob) => {
  const { library, problems } = buildLibrary(job.files, job.options)
  const more = library === undefined ? [] : [...library.policies.values()].flatMap(checkTexts)
  const sources = (library?.sources ?? []).map(({ file, document, place }) => ({
    file,
    document,
    rulePlaces: document.rules.map((_, i) => place(['rules', i])),
  }))
  const scans = library === undefined || more.length > 0 ? [] : packAll(library, job)
  const answer: WorkerAnswer = { sources, scans, problems: [...problems, ...more] }
  const moved = scans.flatMap(({ parcel }) => (parcel === undefined ? [] : parcelBuffers(parcel)))
  parentPort?.postMessage(answer, [...new Set(moved)] as ArrayBuffer[])
})

function packAll(library: PolicyLibrary, { scan, held }: WorkerJob): readonly PackedScan[] {
  const all = new Set([...library.policies.values(), library.combined])
  const wanted = [...all].filter((policy) => scan.includes(policy.name))
  const packed = new Set(held)
  return wanted.flatMap((policy) => pack(policy, packed))
}

function pack(policy: CompiledPolicy, packed: Set<string>): PackedScan[] {
  const { machine } = prepareScan(policy)
  if (machine === undefined) return []
  const key = textsKey(scannedTexts(policy))
  const parcel = packed.has(key) ? undefined : packScan(machine)
  packed.add(key)
  return [{ policy: policy.name, key, parcel }]
}
