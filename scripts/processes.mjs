// Child processes of npm start: started with a log each, watched, and stopped together.
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Refusal } from './setup.mjs'

const GRACE_MS = 8_000

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
    const ended = (reason) => {
      if (!this.#running.delete(name)) return
      this.#failed(new Refusal(`the ${name} ended (${reason}): ${lastLine(log)}`))
    }
    child.on('error', (error) => ended(error.message))
    child.on('exit', (code, by) => ended(by ?? `exit code ${code}`))
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

/** The line of a log that says why: the last one with a message. */
export function lastLine(log) {
  const lines = readFileSync(log, 'utf8').trim().split('\n')
  for (const line of lines.toReversed()) {
    if (!line.startsWith('{')) {
      if (line.trim() !== '') return line.trim()
      continue
    }
    try {
      const { msg } = JSON.parse(line)
      if (typeof msg === 'string') return msg
    } catch {
      return line
    }
  }
  return `nothing in ${log}`
}

/** Asks `probe` until it says true; throws a Refusal after `timeoutMs`. */
export async function until(probe, timeoutMs, what) {
  const last = Date.now() + timeoutMs
  for (;;) {
    if (await probe()) return
    if (Date.now() > last) throw new Refusal(`${what} was not ready within ${timeoutMs / 1000} s`)
    await sleep(50)
  }
}
