/**
 * The embedded engine alone: tokens per second for one request and for sixteen, and its memory.
 * `npm run bench:engine [-- --json] [-- --record]`. Greedy, 200 tokens each, end tokens ignored, over
 * HTTP on its socket, as a client sees it. The first round is not counted.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { report } from './report.ts'

const ROOT = join(import.meta.dirname, '../..')
const TOKENS = 200
const ROUNDS = 3
const PROMPT = 'Explain everything about banking with Larkfield, in detail.'

function ask(socket: string, path: string, body?: object): Promise<number> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST'
    const asked = request({ socketPath: socket, path, method }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    asked.on('error', reject)
    asked.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

function generate(socket: string): Promise<number> {
  const messages = [{ role: 'user', content: PROMPT }]
  const rest = { max_tokens: TOKENS, temperature: 0, ignore_eos: true, stream: true }
  return ask(socket, '/v1/chat/completions', { messages, ...rest })
}

async function tokensPerSecond(socket: string, requests: number): Promise<number> {
  const rates: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const began = performance.now()
    await Promise.all(Array.from({ length: requests }, () => generate(socket)))
    if (round > 0) rates.push((requests * TOKENS * 1000) / (performance.now() - began))
  }
  return rates.toSorted((a, b) => a - b)[ROUNDS >> 1] ?? 0
}

function residentMb(child: ChildProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
}

const folder = mkdtempSync(join(tmpdir(), 'checkstream-bench-'))
const socket = join(folder, 'engine.sock')
const args = [join(ROOT, 'dist/cli.js'), 'engine', '--uds', socket, '--no-guard']
const keep = String(2 ** 30)
const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: keep, MALLOC_TRIM_THRESHOLD_: keep }
const child = spawn(process.execPath, args, { stdio: 'ignore', env })
try {
  for (let i = 0; i < 600; i++) {
    if ((await ask(socket, '/health').catch(() => 0)) === 200) break
    await sleep(100)
  }
  const figures = {
    tokens_per_s_1: Math.round(await tokensPerSecond(socket, 1)),
    tokens_per_s_16: Math.round(await tokensPerSecond(socket, 16)),
    rss_mb: Math.round(residentMb(child)),
  }
  report('engine', figures)
} finally {
  child.kill('SIGTERM')
  rmSync(folder, { recursive: true, force: true })
}
