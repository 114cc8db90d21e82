/**
 * From a clean clone to the first guarded token. `npm run bench:start [-- --json] [-- --record]`.
 *
 * The tracked files are copied into an empty folder with an empty home; the installed packages are
 * linked in, so that the time of their download is not counted. The first run builds and starts; the
 * next run only starts. Both end with the first token of a streamed answer through the guard.
 */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { report } from './report.ts'

const ROOT = join(import.meta.dirname, '../..')

/** The tracked files as they are in the working tree. */
function clone(to: string): void {
  const names = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' })
  for (const name of names.split('\0').filter((entry) => entry !== '')) {
    mkdirSync(dirname(join(to, name)), { recursive: true })
    cpSync(join(ROOT, name), join(to, name))
  }
}

/** Seconds from `npm start` to the first token. */
async function secondsToFirstToken(folder: string, home: string): Promise<number> {
  const began = performance.now()
  const env = { ...process.env, HOME: home }
  const child = spawn(process.execPath, ['scripts/start.mjs'], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const url = await new Promise<string>((resolve, reject) => {
      let text = ''
      child.stdout.on('data', (part: Buffer) => {
        text += part.toString()
        const found = /API\s+(http:\S+)/.exec(text)?.[1]
        if (found !== undefined) resolve(found)
      })
      child.once('exit', (code) => reject(new Error(`npm start ended with ${code}`)))
    })
    const response = await fetch(`${url}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'demo-lm',
        messages: [{ role: 'user', content: 'Hello!' }],
        stream: true,
      }),
    })
    for await (const part of response.body ?? []) {
      if (Buffer.from(part).includes('"content"')) break
    }
    return (performance.now() - began) / 1000
  } finally {
    child.removeAllListeners('exit')
    const gone = new Promise((resolve) => {
      child.once('exit', resolve)
    })
    child.kill('SIGINT')
    await gone
  }
}

const folder = mkdtempSync(join(tmpdir(), 'checkstream-clone-'))
const home = mkdtempSync(join(tmpdir(), 'checkstream-home-'))
try {
  clone(folder)
  // The packages of this tree stand in for the download.
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  const figures = {
    first_run_s: Number((await secondsToFirstToken(folder, home)).toFixed(1)),
    next_run_s: Number((await secondsToFirstToken(folder, home)).toFixed(1)),
  }
  report('start', figures)
} finally {
  rmSync(folder, { recursive: true, force: true })
  rmSync(home, { recursive: true, force: true })
}
