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
import type { Decision } from '../../src/model/decision.ts'
import type { Finding } from '../../src/model/finding.ts'
import { allow } from './fakes.ts'
import { createNaivePlane, toBans, WELCOME } from './naive-plane.ts'

const [socket = '', bansFile = '', settings = '{}'] = process.argv.slice(2)
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)

const welcome = { ...WELCOME, ...(JSON.parse(settings) as Partial<typeof WELCOME>) }
const bans = toBans(JSON.parse(readFileSync(bansFile, 'utf8')) as unknown[])
/** What `{"directive"}` asked for, by request id. */
const wanted = new Map<string, Partial<Decision>>()
const reporters = new Map<string, (findings: readonly Finding[]) => void>()
const { plane, use } = createNaivePlane(socket, bans, welcome.onFailure, {
  welcome,
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
  if (command.bans !== undefined) await use(toBans(command.bans))
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
