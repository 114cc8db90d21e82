// npm start: the whole product on this machine, in the foreground, until Ctrl-C.
//   npm start                                the embedded engine with the demo model
//   npm start -- --engine vllm [--model ID]  a real vLLM and the real plugin; ID or a model's folder
//   npm start -- --port 9000                 where clients connect (default 8080, or the next free one)
import { createServer, request } from 'node:http'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { checkEmbeddedModel, toVllmModel } from './model.mjs'
import { Processes, until } from './processes.mjs'
import { checkNode, ensureBuilt, ensureInstalled, Refusal, ROOT } from './setup.mjs'
import { ensureVllm } from './vllm-env.mjs'

const PREFIX = 'checkstream-run-'
const FAILED = 'checkstream-failed-'
const TEMPORARY = 'tmp'
const MAX_SOCKET_BYTES = 107
const KEPT = 'checkstream-logs-'
// npm runs a script in the folder of package.json; paths are meant from where the user is.
const HERE =
  process.env.npm_lifecycle_event === 'start'
    ? (process.env.INIT_CWD ?? process.cwd())
    : process.cwd()
const CLI = join(ROOT, 'dist', 'cli.js')
const PORTS = 20

function parse() {
  try {
    const { values } = parseArgs({
      options: {
        engine: { type: 'string', default: 'embedded' },
        model: { type: 'string' },
        port: { type: 'string', default: '8080' },
        policies: { type: 'string', default: join(ROOT, 'policies', 'demo.yaml') },
        'keep-logs': { type: 'boolean', default: false },
      },
    })
    if (!['embedded', 'vllm'].includes(values.engine)) {
      throw new Refusal(`--engine: expected embedded or vllm, got ${values.engine}`)
    }
    const port = Number(values.port)
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new Refusal(`--port: expected 1 to 65535, got ${values.port}`)
    }
    return { ...values, policies: resolve(HERE, values.policies), port }
  } catch (error) {
    throw error instanceof Refusal ? error : new Refusal(error.message)
  }
}

/** The first free port from `first` on. */
async function freePort(first) {
  for (let port = first; port < Math.min(first + PORTS, 65_536); port++) {
    if (await isFree(port)) return port
  }
  throw new Refusal(
    `ports ${first} to ${first + PORTS - 1} are all taken: name another with --port`,
  )
}

function isFree(port) {
  return new Promise((done) => {
    const probe = createServer()
    probe.once('error', () => done(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)))
  })
}

/** A folder for sockets and logs; what a killed run has left is removed. */
function runFolder(isVllm) {
  // vLLM's own sockets have a UUID for a name.
  const socket = isVllm ? join(TEMPORARY, 'x'.repeat(36)) : 'engine.sock'
  const bytes = Buffer.byteLength(join(tmpdir(), `${PREFIX}XXXXXX`, socket))
  if (bytes > MAX_SOCKET_BYTES) {
    throw new Refusal(
      `TMPDIR: ${tmpdir()} is too long for Unix sockets: by ${bytes - MAX_SOCKET_BYTES} bytes`,
    )
  }
  try {
    return makeRunFolder()
  } catch (error) {
    throw new Refusal(`no folder for sockets and logs in ${tmpdir()}: ${error.message}`)
  }
}

function makeRunFolder() {
  clear((name) => name.startsWith(PREFIX) && !isAlive(join(tmpdir(), name, 'pid')))
  const folder = mkdtempSync(join(tmpdir(), PREFIX))
  writeFileSync(join(folder, 'pid'), String(process.pid))
  return folder
}

/** Removes folders of earlier runs; those of other users stay. */
function clear(isOld) {
  for (const name of readdirSync(tmpdir()).filter(isOld)) {
    try {
      rmSync(join(tmpdir(), name), { recursive: true, force: true })
    } catch (error) {
      if (error.code !== 'EPERM' && error.code !== 'EACCES') throw error
    }
  }
}

function isAlive(pidFile) {
  try {
    process.kill(Number(readFileSync(pidFile, 'utf8')), 0)
    return true
  } catch (error) {
    return error.code === 'EPERM' || error.code === 'EACCES'
  }
}

function writeConfig(folder, options) {
  const banned = join(folder, 'banned.json')
  writeFileSync(banned, '[]\n')
  const config = {
    mode: 'sidecar',
    // A laptop that does other things too: an awaited step may take longer than in production.
    vllm: { socket: join(folder, 'step.sock'), deadline: '250ms' },
    backend: { url: `unix://${join(folder, 'engine.sock')}` },
    server: {
      host: '127.0.0.1',
      port: options.port,
      playground: true,
      admin: 'local',
      drain: '2s',
    },
    guardrails: {
      preventive: { logit_masking: { banned_tokens_file: banned } },
      // One slow core has to read the answer too; nothing of the demonstration waits for it.
      midstream: { timeout_ms: 1000 },
    },
    policies: { path: options.policies },
    // Scored at every token, so that risk can be seen rising.
    classifiers: { models: ['toxicity_detector', 'finance_regulatory', 'self_harm'] },
    // Kept from run to run: vocabularies, bounded by the sidecar, which makes the folder.
    cache: { path: join(ROOT, '.checkstream', 'cache') },
  }
  const path = join(folder, 'config.yaml')
  // JSON is YAML.
  writeFileSync(path, `${JSON.stringify(config, null, 2)}\n`)
  return path
}

/** What to start in the place of the engine: checked before anything is. */
async function planEngine({ engine, model }) {
  if (engine === 'embedded') return checkEmbeddedModel(model, HERE)
  const served = toVllmModel(model, HERE)
  return { ...served, python: await ensureVllm() }
}

function startEngine(processes, folder, { python, model, name, isDemo }) {
  const socket = join(folder, 'engine.sock')
  const step = join(folder, 'step.sock')
  if (python === undefined) {
    const args = [CLI, 'engine', '--uds', socket, '--sidecar', step]
    args.push('--model', model, '--served-model-name', name)
    // The engine copies its cache for every step: memory that malloc keeps need not be faulted in again.
    const env = { MALLOC_MMAP_THRESHOLD_: '1073741824', MALLOC_TRIM_THRESHOLD_: '1073741824' }
    processes.start('engine', process.execPath, args, env)
    return
  }
  const args = ['-m', 'vllm.entrypoints.openai.api_server', '--model', model]
  args.push('--served-model-name', name)
  args.push('--uds', socket, '--logits-processors', 'checkstream_vllm:CheckStream')
  // Compiling a model takes minutes on a CPU, and this is to be looked at, not to be fast.
  args.push('--enforce-eager')
  if (isDemo) {
    args.push('--dtype', 'float32', '--enable-auto-tool-choice', '--tool-call-parser', 'hermes')
  }
  // vLLM leaves files and sockets in the folder for temporary ones: here they go with the run.
  const temporary = join(folder, TEMPORARY)
  mkdirSync(temporary)
  const env = {
    TMPDIR: temporary,
    PYTHONPATH: join(ROOT, 'plugin'),
    VLLM_SIDECAR_SOCKET: step,
    VLLM_NO_USAGE_STATS: '1',
    VLLM_CPU_KVCACHE_SPACE: process.env.VLLM_CPU_KVCACHE_SPACE ?? '1',
  }
  processes.start('engine', python, args, env)
}

/** Why the sidecar is not ready; undefined when it is. */
function whyNotReady(port) {
  return new Promise((done) => {
    const where = { host: '127.0.0.1', port, path: '/health/ready', timeout: 5_000 }
    const asked = request(where, (response) => {
      let text = ''
      response.on('data', (part) => (text += part))
      response.on('end', () => done(response.statusCode === 200 ? undefined : firstProblem(text)))
    })
    asked.on('error', (error) => done(`the sidecar does not answer: ${error.message}`))
    asked.on('timeout', () => asked.destroy())
    asked.end()
  })
}

function firstProblem(text) {
  try {
    const { name, detail } = JSON.parse(text).checks.find(({ ok }) => !ok)
    return `${name}: ${detail}`
  } catch {
    return text.slice(0, 200)
  }
}

function describe(options, model, folder, seconds) {
  const url = `http://127.0.0.1:${options.port}`
  const ask = (question, more = '') =>
    `curl -sN ${url}/v1/chat/completions -H 'content-type: application/json' -d '{"model": "${model}", "messages": [{"role": "user", "content": "${question}"}], "temperature": 0${more}}'`
  return `
CheckStream is ready after ${seconds.toFixed(1)} s.

  playground  ${url}/playground
  API         ${url}/v1   (model ${model}, ${options.engine} engine)
  metrics     ${url}/metrics
  policy      ${options.policies}
  logs        ${folder}

Try:

  ${ask('Tell me about the Larkfield Growth Fund.')}
  ${ask('How do I open a savings account?', ', "stream": true')}
  curl -s ${url}/v1/models

Look closer:

  node dist/cli.js watch --url ${url}
  node dist/cli.js doctor --config ${join(folder, 'config.yaml')}

Ctrl-C stops everything.
`
}

async function main() {
  const began = performance.now()
  checkNode()
  const options = parse()
  if (!existsSync(options.policies))
    throw new Refusal(`--policies: ${options.policies} does not exist`)
  await ensureInstalled()
  await ensureBuilt()
  const plan = await planEngine(options)
  const port = await freePort(options.port)
  if (port !== options.port) console.log(`Port ${options.port} is taken: using ${port}.`)
  const chosen = { ...options, port }
  const folder = runFolder(plan.python !== undefined)
  const processes = new Processes(folder)
  const stopped = new Promise((done) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(name, () => done(undefined))
  })
  let failure
  try {
    const config = writeConfig(folder, chosen)
    processes.start('sidecar', process.execPath, [CLI, 'serve', '--config', config])
    startEngine(processes, folder, plan)
    const isVllm = plan.python !== undefined
    if (isVllm) console.log(`Starting vLLM with ${plan.model} …`)
    const ready = until(() => whyNotReady(port), isVllm ? 600_000 : 120_000)
    const first = await Promise.race([ready.then(() => 'ready'), processes.failure, stopped])
    if (first === 'ready') {
      console.log(describe(chosen, plan.name, folder, (performance.now() - began) / 1000))
      await Promise.race([processes.failure, stopped])
    }
    console.log('Stopping …')
  } catch (error) {
    failure = error
  }
  await processes.stop()
  if (failure === undefined || failure.isMistake === true) {
    if (options['keep-logs']) console.log(`Logs: ${keep(folder, KEPT)}`)
    else rmSync(folder, { recursive: true, force: true })
    if (failure === undefined) return
    throw failure
  }
  clear((name) => name.startsWith(FAILED))
  const where = keep(folder, FAILED)
  throw failure instanceof Refusal ? new Refusal(`${failure.message}\nLogs: ${where}`) : failure
}

/** Keeps what a run wrote under a name that the next run does not clear away. */
function keep(folder, prefix) {
  for (const name of ['pid', 'step.sock', 'engine.sock', TEMPORARY]) {
    rmSync(join(folder, name), { recursive: true, force: true })
  }
  const kept = folder.replace(PREFIX, prefix)
  renameSync(folder, kept)
  return kept
}

try {
  await main()
  process.exit(0)
} catch (error) {
  if (!(error instanceof Refusal)) throw error
  console.error(`checkstream: ${error.message}`)
  process.exit(1)
}
