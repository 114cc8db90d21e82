// Which model npm start serves, checked before anything is started: a folder of the user's, an id of
// Hugging Face's hub (vLLM only), or the demo model.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, isAbsolute, join, resolve } from 'node:path'
import { Refusal, ROOT } from './setup.mjs'

const DEMO_MODEL = join(ROOT, 'models', 'demo-lm')

const HUB_ID = /^\w[\w.-]*(\/\w[\w.-]*)?$/
// Hugging Face's layout, or Mistral's own.
const CONFIGS = ['config.json', 'params.json']
const WEIGHTS = /\.(safetensors|bin|pt|pth|gguf)$/

/** The embedded engine's model, opened as the engine does it. */
export async function checkEmbeddedModel(given, here) {
  const model = given === undefined ? DEMO_MODEL : toPath(given, here)
  const { openModelFolder } = await import('../dist/engine/model-file.js')
  try {
    openModelFolder(model)
  } catch (error) {
    if (given === undefined) throw new Refusal(error.message)
    const hint = error.message.includes('damaged')
      ? ''
      : '; models other than the embedded engine’s own need --engine vllm'
    throw new Refusal(`--model: ${error.message}${hint}`)
  }
  return { model, name: basename(model) }
}

/** What vLLM is to load: an absolute path, or an id that it looks up. */
export function toVllmModel(given, here) {
  if (given === undefined) return { model: DEMO_MODEL, name: 'demo-lm', isDemo: true }
  const path = toPath(given, here)
  const isThere = statSync(path, { throwIfNoEntry: false }) !== undefined
  if (!isThere && HUB_ID.test(given)) return { model: given, name: given }
  checkFolder(path)
  return { model: path, name: basename(path) }
}

function toPath(given, here) {
  if (given === '') throw new Refusal('--model: expected a folder or an id, got nothing')
  const home = given === '~' || given.startsWith('~/')
  return isAbsolute(given)
    ? resolve(given)
    : home
      ? join(homedir(), given.slice(1))
      : resolve(here, given)
}

function checkFolder(path) {
  const refuse = (what) => new Refusal(`--model: ${path}: ${what}`)
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) throw refuse('there is no such folder')
  if (!found.isDirectory()) throw refuse('expected the folder of a model, got a file')
  const names = readNames(path)
  const config = CONFIGS.find((name) => names.includes(name))
  if (config === undefined) throw refuse('config.json not found: no model that vLLM can load')
  try {
    JSON.parse(readFileSync(join(path, config), 'utf8'))
  } catch (error) {
    throw refuse(`${config}: ${error.message}`)
  }
  if (!names.some((name) => WEIGHTS.test(name)))
    throw refuse('no weights (*.safetensors, *.bin, …)')
}

function readNames(path) {
  try {
    return readdirSync(path)
  } catch (error) {
    throw new Refusal(`--model: ${error.message}`)
  }
}
