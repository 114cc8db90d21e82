/**
 * `checkstream watch`: the live view in a terminal. Reads the sidecar's event stream and redraws at
 * most ten times a second; reconnects by itself while the sidecar restarts. `q` or Ctrl-C ends it.
 * Where there is no terminal, a line for every event but tokens.
 */
import { request } from 'node:http'
import { emitKeypressEvents } from 'node:readline'
import { parseArgs } from 'node:util'
import { GuardError } from '../model/errors.ts'
import type { GuardEvent } from '../model/event.ts'
import { eventLine, Screen } from './screen.ts'
import type { Line, Tone } from './screen.ts'

const REDRAW_MS = 100
const RECONNECT_MS = 1000
const MAX_LINE = 1 << 20

const HELP = `checkstream watch [--url http://127.0.0.1:8080] [--key KEY] [--once]
  --url   the sidecar
  --key   sent as a bearer token
  --once  print one view after a second and end
q or Ctrl-C ends it. Into a file or a pipe it writes a line for every event.
`

/** Exit code. `--url` names the sidecar; `--once` prints one view after a second and ends. */
export async function runWatch(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      url: { type: 'string', default: 'http://127.0.0.1:8080' },
      key: { type: 'string' },
      once: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const url = parseUrl(values.url)
  const screen = new Screen()
  const stop = new AbortController()
  const isScreen = values.once || process.stdout.isTTY
  const view: View = isScreen ? screen : createLines()
  const reading = follow(url, values.key, view, stop.signal)
  if (values.once) {
    await new Promise((resolve) => setTimeout(resolve, 1000))
    process.stdout.write(`${screen.lines(120, 40).join('\n')}\n`)
  } else if (isScreen) await draw(screen, stop.signal)
  else await untilQuit(stop.signal)
  stop.abort()
  await reading
  return 0
}

type View = Pick<Screen, 'apply' | 'connected'>

function say(line: string | undefined): void {
  if (line !== undefined) process.stdout.write(`${line}\n`)
}

/** Nothing is drawn: what happens is written down, line by line. */
function createLines(): View {
  let before = ''
  // A reader that has had enough (head, less) ends us.
  process.stdout.on('error', () => process.exit(0))
  return {
    apply: (event) => say(eventLine(event)),
    connected: (reason = '') => {
      if (reason !== '' && reason !== before) say(`${reason}; trying again`)
      before = reason
    },
  }
}

function parseUrl(text: string): URL {
  try {
    return new URL('/admin/events', text)
  } catch {
    throw new GuardError('config_invalid', `--url: expected an http address, got ${text}`)
  }
}

async function follow(
  url: URL,
  key: string | undefined,
  screen: View,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    await readEvents(url, key, screen, stop)
    await new Promise((resolve) => setTimeout(resolve, stop.aborted ? 0 : RECONNECT_MS))
  }
}

/** Resolves when the stream ends for whatever reason; the view says why. */
function readEvents(
  url: URL,
  key: string | undefined,
  screen: View,
  stop: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const headers = key === undefined ? {} : { authorization: `Bearer ${key}` }
    const down = (reason: string): void => {
      screen.connected(`the sidecar at ${url.host} does not answer: ${reason}`)
      resolve()
    }
    const outgoing = request(url, { headers, signal: stop }, (response) => {
      if (response.statusCode !== 200) {
        response.resume()
        down(`HTTP ${response.statusCode}`)
        return
      }
      screen.connected()
      let rest = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        rest += chunk
        const lines = rest.split('\n')
        rest = (lines.pop() ?? '').slice(-MAX_LINE)
        for (const line of lines) applyLine(screen, line)
      })
      response.on('close', () => down('the connection was closed'))
    })
    outgoing.on('error', (error) => (stop.aborted ? resolve() : down(error.message)))
    outgoing.end()
  })
}

function applyLine(screen: View, line: string): void {
  if (line.startsWith('data: ')) screen.apply(JSON.parse(line.slice(6)) as GuardEvent)
}

const ALTERNATE = '\u001b[?1049h\u001b[?25l'
const RESTORED = '\u001b[?25h\u001b[?1049l'
const DEFAULT_SIZE = { columns: 80, rows: 24 }

/** Draws until `q`, Ctrl-C or SIGTERM; the terminal is restored whatever happens. */
async function draw(screen: Screen, stop: AbortSignal): Promise<void> {
  const out = process.stdout
  const restore = (): boolean => out.write(RESTORED)
  let shown = ''
  const redraw = (): void => {
    const columns = out.columns || DEFAULT_SIZE.columns
    const rows = out.rows || DEFAULT_SIZE.rows
    const body = screen.view(columns, Math.max(rows - 1, 1)).map(paint)
    const blank = Array.from({ length: Math.max(rows - 1 - body.length, 0) }, () => '')
    const foot = rows > 1 ? [paint({ text: FOOT.slice(0, columns), tone: 'dim' })] : []
    // Cleared to its end before each line is written: a cell in the last column would be wiped after it.
    const text = [...body, ...blank, ...foot].map((line) => `\u001b[K${line}`).join('\r\n')
    if (text === shown) return
    shown = text
    out.write(`\u001b[H${text}`)
  }
  const resized = (): void => {
    shown = ''
    out.write('\u001b[2J')
    redraw()
  }
  process.once('exit', restore)
  out.write(ALTERNATE)
  out.on('resize', resized)
  const timer = setInterval(redraw, REDRAW_MS)
  try {
    await untilQuit(stop)
  } finally {
    clearInterval(timer)
    out.off('resize', resized)
    process.off('exit', restore)
    restore()
  }
}

const FOOT = 'q ends'
const TONES: Readonly<Record<Tone, string>> = { plain: '', head: '1', dim: '2', bad: '31' }

/** Honours NO_COLOR (no-color.org). */
function paint({ text, tone }: Line): string {
  const code = TONES[tone]
  const isPlain = code === '' || (process.env['NO_COLOR'] ?? '') !== ''
  return isPlain ? text : `\u001b[${code}m${text}\u001b[0m`
}

function untilQuit(stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    stop.addEventListener('abort', () => resolve(), { once: true })
    process.once('SIGINT', () => resolve())
    process.once('SIGTERM', () => resolve())
    if (!process.stdin.isTTY) return
    emitKeypressEvents(process.stdin)
    process.stdin.setRawMode(true)
    process.stdin.on('keypress', (_text, key: { name?: string; ctrl?: boolean }) => {
      if (key.name !== 'q' && !(key.name === 'c' && key.ctrl === true)) return
      process.stdin.setRawMode(false)
      process.stdin.pause()
      resolve()
    })
  })
}
