// What a fresh clone lacks: the right Node, the packages of the lockfile, a build. Plain Node, no
// dependencies: this runs before anything is installed. Every mistake is one line (class Refusal).
import { spawn } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  linkSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const LEAST_NODE = [20, 19]
const BUILT = join('dist', '.built')

/** Something that only the user can put right; shown as one line, exit code 1. */
export class Refusal extends Error {
  /** `isMistake`: the message is all that there is to know, no log tells more. */
  constructor(message, isMistake = false) {
    super(message)
    this.isMistake = isMistake
  }
}

export function checkNode(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [leastMajor, leastMinor] = LEAST_NODE
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return
  throw new Refusal(
    `Node ${version} is too old: ${leastMajor}.${leastMinor} or newer is needed (nodejs.org)`,
  )
}

/** Installs from the lockfile when a package is missing or has another version. */
export async function ensureInstalled(root = ROOT, say = console.log) {
  const lock = join(root, 'package-lock.json')
  if (!existsSync(lock)) throw new Refusal(`${lock} is missing: check the repository out again`)
  if (missingPackages(root, lock).length === 0) return
  checkWritable(root)
  await alone(root, say, async () => {
    const missing = missingPackages(root, lock)
    if (missing.length === 0) return
    say(`Installing ${missing.length} packages from the lockfile …`)
    const code = await run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], root)
    if (code !== 0) throw new Refusal('npm ci failed; its message is above')
  })
}

/** Names of packages that the lockfile wants and node_modules does not have in that version. */
export function missingPackages(root, lock) {
  const wanted = readPackages(lock)
  const installed = readPackages(join(root, 'node_modules', '.package-lock.json'))
  return Object.entries(wanted)
    .filter(([path, entry]) => path !== '' && !entry.optional && !entry.link)
    .filter(
      ([path, entry]) =>
        installed[path]?.version !== entry.version || !existsSync(join(root, path)),
    )
    .map(([path]) => path)
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? {}
  } catch (error) {
    if (error.code === 'ENOENT') return {}
    throw new Refusal(`${path} cannot be read: ${error.message}`)
  }
}

/** Compiles src/ when it is newer than the last complete build. */
export async function ensureBuilt(root = ROOT, say = console.log) {
  if (isBuilt(root)) return
  checkWritable(root)
  await alone(root, say, async () => {
    if (isBuilt(root)) return
    say('Building …')
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    const code = await run(process.execPath, [compiler, '-p', 'tsconfig.build.json'], root)
    if (code !== 0) throw new Refusal('the build failed; its messages are above')
    writeFileSync(join(root, BUILT), '')
  })
}

function isBuilt(root) {
  const stamp = join(root, BUILT)
  const built = statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0
  const inputs = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'].map((name) =>
    join(root, name),
  )
  const newest = Math.max(
    newestIn(join(root, 'src')),
    ...inputs.map((path) => statSync(path).mtimeMs),
  )
  return built >= newest
}

const LOCK = '.checkstream-setup'
/** A lock that is older than any setup takes was left by a process whose id another one has now. */
const LOCK_AGE_MS = 20 * 60_000

/** Two commands in one fresh clone would install and build over each other: the second one waits. */
export async function alone(root, say, work) {
  const lock = join(root, LOCK)
  for (let hasSaid = false; !take(lock); await sleep(200)) {
    if (!hasSaid) say(`Waiting for another setup in this folder (${lock}) …`)
    hasSaid = true
  }
  try {
    await work()
  } finally {
    rmSync(lock, { force: true })
  }
}

function take(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw new Refusal(`${lock} cannot be written: ${error.message}`)
  }
  const left = abandoned(lock)
  if (left !== undefined) takeAway(lock, left)
  return false
}

/** What the lock says when whoever wrote it is gone. */
function abandoned(lock) {
  try {
    const said = readFileSync(lock, 'utf8')
    if (Date.now() - statSync(lock).mtimeMs > LOCK_AGE_MS) return said
    return said === '' || isAlive(Number(said)) ? undefined : said
  } catch {
    return undefined // it was given back meanwhile
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code !== 'ESRCH'
  }
}

/** By a new name first: another one may have taken the lock since it was looked at. */
function takeAway(lock, left) {
  const mine = `${lock}-${process.pid}`
  try {
    renameSync(lock, mine)
    if (readFileSync(mine, 'utf8') !== left) linkSync(mine, lock)
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error
  }
  rmSync(mine, { force: true })
}

function newestIn(folder) {
  let newest = 0
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    newest = Math.max(newest, entry.isDirectory() ? newestIn(path) : statSync(path).mtimeMs)
  }
  return newest
}

function checkWritable(folder) {
  try {
    accessSync(folder, constants.W_OK)
  } catch {
    throw new Refusal(`${folder} is not writable for this user: packages and the build go there`)
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** Runs a command with our output; gives its exit code. A signal ends it too, and then throws. */
export function run(command, args, cwd, env = process.env) {
  const windows = process.platform === 'win32' && command === 'npm'
  return new Promise((done, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: 'inherit', shell: windows })
    let stopped = false
    const pass = (signal) => {
      stopped = true
      child.kill(signal)
    }
    for (const name of SIGNALS) process.on(name, pass)
    const ended = (code) => {
      for (const name of SIGNALS) process.off(name, pass)
      if (stopped) reject(new Refusal(`stopped while ${command} was running`))
      else done(code)
    }
    child.on('error', (error) => {
      console.error(`${command}: ${error.message}`)
      ended(1)
    })
    child.on('exit', (code) => ended(code ?? 1))
  })
}
