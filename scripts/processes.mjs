// Child processes of npm start: started with a log each, watched, and stopped together.
import { spawn } from 'node:child_process'
import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { causeOf } from './log-cause.mjs'
import { Refusal } from './setup.mjs'

const GRACE_MS = 8_000
const MAX_LOG_BYTES = 1024 * 1024
/** What checkstream's commands end with when they were given something that is wrong. */
const MISTAKE = 2

export class Processes {
  #folder
  #running = new Map()
  #failed

  /** Logs go to `folder`. */
  constructor(folder) {
    this.#folder = folder
    /** Rejects with a Refusal when a process ends by itself. */
    this.failure = new Promise((_, reject) => {
      this.#failed = reject
    })
    this.failure.catch(() => undefined)
  }

  start(name, command, args, env = {}) {
    const log = join(this.#folder, `${name}.log`)
    const fd = openSync(log, 'a')
    // A group of its own: Ctrl-C reaches us alone, and we end them in order.
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', fd, fd],
      detached: true,
    })
    closeSync(fd)
    this.#running.set(name, child)
    const ended = (reason, isMistake = false) => {
      if (!this.#running.delete(name)) return
      const cause = why(log)
      this.#failed(
        new Refusal(isMistake ? cause : `the ${name} ended (${reason}): ${cause}`, isMistake),
      )
    }
    const ours = command === process.execPath
    child.on('error', (error) => ended(error.message))
    child.on('exit', (code, by) => ended(by ?? `exit code ${code}`, ours && code === MISTAKE))
    return child
  }

  /** Ends all, last started first; one that does not listen is killed. */
  async stop() {
    for (const [name, child] of [...this.#running].toReversed()) {
      this.#running.delete(name)
      await end(child)
    }
  }
}

async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((done) => {
    child.once('exit', done)
  })
  signal(child, 'SIGTERM')
  const timer = setTimeout(() => signal(child, 'SIGKILL'), GRACE_MS)
  await gone
  clearTimeout(timer)
  // A group may outlive its leader (vLLM's worker processes).
  signal(child, 'SIGKILL')
}

function signal(child, name) {
  try {
    process.kill(-child.pid, name)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

/** The cause that a log tells of, and where in the program it came up, one indented line each. */
function why(log) {
  const { line, around } = causeOf(tail(log))
  return [line, ...around.map((one) => `  ${one}`)].join('\n')
}

function tail(path) {
  const size = statSync(path).size
  const length = Math.min(size, MAX_LOG_BYTES)
  const bytes = Buffer.alloc(length)
  const fd = openSync(path, 'r')
  const read = readSync(fd, bytes, 0, length, size - length)
  closeSync(fd)
  return bytes.toString('utf8', 0, read)
}

/** Asks `probe` until it says undefined; throws a Refusal with what it last said after `timeoutMs`. */
export async function until(probe, timeoutMs) {
  const last = Date.now() + timeoutMs
  for (;;) {
    const problem = await probe()
    if (problem === undefined) return
    if (Date.now() > last) throw new Refusal(`not ready within ${timeoutMs / 1000} s: ${problem}`)
    await sleep(50)
  }
}
