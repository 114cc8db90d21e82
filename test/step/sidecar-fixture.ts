/**
 * A sidecar of the step plane alone, for tests in other languages:
 *
 *   tsx test/step/sidecar-fixture.ts SOCKET BANS.json [SETTINGS.json]
 *
 * BANS.json is a list of strings (substring, `case` folded) or of bans. SETTINGS is what Welcome
 * says. It prints {"kind":"ready"} when it listens, then one JSON line per event, and obeys JSON
 * lines on stdin: {"stop":RID} {"directive":{…},"rid":RID} {"bans":[…]} {"status":1} {"drain":MS}.
 * Programs are compiled the obvious way (naive-program.ts), so keep the vocabulary small.
 */
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { createStepPlane } from '../../src/main/step-plane.ts'
import type { StepPolicy } from '../../src/main/step-plane.ts'
import type { Ban } from '../../src/model/ban.ts'
import type { Decision } from '../../src/model/decision.ts'
import { GuardError } from '../../src/model/errors.ts'
import type { Finding } from '../../src/model/finding.ts'
import { allow, vocabularyDigest } from './fakes.ts'
import type { Vocabulary } from './fakes.ts'
import { naiveProgram } from './naive-program.ts'

type Policy = StepPolicy
const [socket = '', bansFile = '', settings = '{}'] = process.argv.slice(2)
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)

const toBans = (list: readonly unknown[]): readonly Ban[] =>
  list.map((item, i) =>
    typeof item === 'string'
      ? {
          id: `ban-${i}`,
          kind: 'phrase',
          text: item,
          match: 'substring',
          folds: ['case'],
          pending: 'allow',
        }
      : (item as Ban),
  )

const welcome = {
  sidecarVersion: 'fixture',
  wantPromptTokens: false,
  deadlineUs: 20_000,
  coalesceSteps: 8,
  coalesceUs: 10_000,
  onFailure: 'resident' as const,
  breakerMisses: 3,
  breakerOpenMs: 1_000,
  reportState: true,
  ...(JSON.parse(settings) as object),
}
const toPolicy = (bans: readonly Ban[], revision: number): Policy => ({
  digest: String(revision).padStart(64, '0'),
  onFailure: welcome.onFailure,
  bans,
})
let revision = 1
let policy = toPolicy(toBans(JSON.parse(readFileSync(bansFile, 'utf8')) as unknown[]), revision)
/** What `{"directive"}` asked for, by request id. */
const wanted = new Map<string, Partial<Decision>>()
const reporters = new Map<string, (findings: readonly Finding[]) => void>()
const walks = new Map<string, ReturnType<typeof naiveProgram>>()

const plane = createStepPlane<Policy, Vocabulary>({
  socket: { path: socket, mode: 0o660 },
  welcome,
  policy: () => policy,
  policies: () => [policy],
  decide: ({ digest }, _, { requestId }) => ({ ...allow(digest), ...wanted.get(requestId) }),
  watch: (row, report) => {
    const { requestId } = row.session.opened
    reporters.set(requestId, report)
    return [
      {
        advance: () => [],
        rewind: () => undefined,
        close: () => {
          say({ kind: 'text', requestId, text: row.text() })
          reporters.delete(requestId)
        },
      },
    ]
  },
  observe: say,
  isObserved: () => process.env['VERBOSE'] === '1',
  door: (event) =>
    say('error' in event ? { ...event, error: String((event.error as Error).message) } : event),
  vocabularies: {
    load: () => Promise.resolve(undefined),
    save: () => Promise.resolve(),
    assemble: (engine) => {
      const chunks: { kinds: Uint8Array; lengths: readonly number[]; data: Uint8Array }[] = []
      let entries = 0
      return (chunk) => {
        chunks.push(chunk)
        entries += chunk.kinds.length
        if (entries < engine.logitsWidth) return undefined
        const kinds = Buffer.concat(chunks.map((one) => one.kinds))
        const offsets = new Uint32Array(entries + 1)
        chunks
          .flatMap((one) => [...one.lengths])
          .forEach((length, i) => {
            offsets[i + 1] = (offsets[i] ?? 0) + length
          })
        const data = Buffer.concat(chunks.map((one) => one.data))
        const digest = vocabularyDigest(kinds, offsets, data)
        if (digest !== engine.vocabularyDigest)
          throw new GuardError('vocabulary_invalid', `digest: got ${digest}`)
        return { size: entries, kinds, offsets, data, digest }
      }
    },
    maxVocabularies: 4,
  },
  compile: (bans, vocabulary) => {
    const made = naiveProgram(bans, vocabulary)
    walks.set(made.image.digest, made)
    return Promise.resolve(made.image)
  },
  load: (image) => {
    const made = walks.get(image.digest)
    if (made === undefined) throw new Error('a program of another process')
    return made.walk
  },
  programFailed: (error) => say({ kind: 'program_failed', error: error.message }),
})

type Command = {
  readonly stop?: string
  readonly rid?: string
  readonly directive?: Partial<Decision>
  readonly bans?: readonly unknown[]
  readonly status?: unknown
  readonly drain?: number
}

async function obey(command: Command): Promise<void> {
  if (command.stop !== undefined) plane.guard.stop(command.stop, 'asked to')
  if (command.directive !== undefined && command.rid !== undefined) {
    wanted.set(command.rid, command.directive)
    reporters.get(command.rid)?.([{ kind: 'unjudged', model: 'fixture', reason: 'late' }])
  }
  if (command.bans !== undefined) {
    policy = toPolicy(toBans(command.bans), ++revision)
    await plane.book.refresh()
  }
  if (command.status !== undefined) {
    const { counters } = plane.guard
    say({ kind: 'status', counters, engines: plane.guard.engines(), rows: plane.guard.liveRows })
  }
  if (command.drain !== undefined) {
    await plane.stop(command.drain)
    process.exit(0)
  }
}

await plane.start()
plane.server.setReady(true)
say({ kind: 'ready' })
const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => void obey(JSON.parse(line) as Command))
lines.on('close', () => void plane.stop(0).then(() => process.exit(0)))
