// Why a process ended, read from its log: the exception of the last traceback that says more than
// "see above", with the lines before it. vLLM raises one such pointer in every process above the one
// that failed, so the last line of its log is seldom the cause.

const MARK = 'Traceback (most recent call last):'
// vLLM's log lines: (EngineCore pid=1) ERROR 11-26 17:12:13 [core.py:1510] text
const LINE = /^(\([^()]*pid=\d+\) ?)?(?:[A-Z]+ \d\d-\d\d \d\d:\d\d:\d\d \[[^\]]*\] ?)?(.*)$/s
const POINTER =
  /root cause|background process|EngineDeadError|EngineCore (encountered|failed)|^(KeyboardInterrupt|SystemExit|asyncio\.exceptions\.CancelledError)\b/
const FATAL = 50
const MAX_BEFORE = 4
const MAX_AFTER = 4
const MAX_CHARS = 300

/** `line` says why in one line; `around` are at most eight lines of the traceback about it. */
export function causeOf(text) {
  const found = tracebacks(text)
  const cause = found.findLast(({ line }) => !POINTER.test(line)) ?? found.at(0)
  if (cause === undefined) return { line: lastMessage(text), around: [] }
  const before = cause.frames.filter((line) => !/^[\s^~]+$/.test(line)).slice(-MAX_BEFORE)
  return { line: cut(cause.line), around: [...before, ...cause.after].map(cut) }
}

/** Every traceback with an exception, in the order of their ends; processes write in between each other. */
function tracebacks(text) {
  const open = new Map()
  const done = []
  for (const raw of text.split('\n')) {
    const [, process = '', line = ''] = LINE.exec(raw.replace(/\r$/, '')) ?? []
    const one = open.get(process)
    if (line.trim() === MARK) open.set(process, { frames: [], after: [] })
    else if (one === undefined) continue
    else if (one.line === undefined && /^\s/.test(line)) one.frames.push(line)
    else if (one.line === undefined && line !== '') done.push(Object.assign(one, { line }))
    else if (/^\s+\S/.test(line) && one.after.length < MAX_AFTER) one.after.push(line)
    else open.delete(process)
  }
  return done
}

/** The last fatal message of a pino log, else the last line with a message. */
function lastMessage(text) {
  let last
  for (const line of text.trim().split('\n')) {
    const { level = 0, msg } = parse(line)
    if (msg.trim() === '') continue
    if (last === undefined || level >= FATAL || last.level < FATAL) last = { level, msg }
  }
  return cut(last?.msg.trim() ?? 'it wrote nothing')
}

function parse(line) {
  try {
    const { level, msg } = JSON.parse(line)
    return typeof msg === 'string' ? { level, msg } : { msg: line }
  } catch {
    return { msg: line }
  }
}

const cut = (line) => (line.length > MAX_CHARS ? `${line.slice(0, MAX_CHARS - 1)}…` : line)
