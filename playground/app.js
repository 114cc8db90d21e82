/**
 * The playground page: one prompt, two streams side by side, everything that the guard did. This file
 * joins the parts: state of the sidecar, presets, a run from click to end, keys and theme.
 */
import { addPoint, clearCurves, restyleCurves } from './curves.js'
import { addDecision, clearDecisions } from './decisions.js'
import { clearDetail, offerFirst, refreshDetail } from './detail.js'
import { byId, make } from './dom.js'
import { offerPolicy } from './policy.js'
import { ask } from './run.js'
import { clearStreams, countOf, push, say, SIDES, startStreams, tokenAt } from './streams.js'

const REFRESH_MS = 3000
const DEFAULTS = { temperature: 0, max_tokens: 96 }

let presets = []
let chosen
let running

// ---- state of the sidecar

async function refresh() {
  try {
    const response = await fetch('/playground/api/state', { signal: AbortSignal.timeout(4000) })
    const state = await response.json()
    showEngine(state.engine)
    const isFirst = presets.length === 0
    offerPolicy(state.policy, isFirst)
    if (!isFirst) return
    presets = state.presets
    drawPresets()
  } catch {
    tell('The sidecar does not answer; trying again', false)
  }
}

function showEngine({ attached, model, name, version }) {
  if (attached) tell(`${model} on ${name} ${version}, guarded`, true)
  else tell('The engine is not attached; bans already in it stay in force', false)
}

function tell(words, isGood) {
  byId('engine').textContent = words
  byId('engine').className = isGood ? 'up' : 'down'
}

// ---- presets

function drawPresets() {
  byId('presets').replaceChildren(
    ...presets.map((preset) => {
      const onclick = () => {
        choose(preset)
        void run()
      }
      return make('button', { type: 'button', textContent: preset.title, onclick })
    }),
  )
  choose(presets[0])
}

function choose(preset) {
  chosen = preset
  byId('prompt').value = preset.prompt
  byId('temperature').value = preset.parameters?.temperature ?? DEFAULTS.temperature
  byId('max-tokens').value = preset.parameters?.max_tokens ?? DEFAULTS.max_tokens
  showChoice()
}

/** An example counts as chosen for as long as its prompt is not edited. */
function showChoice() {
  const own = chosen?.prompt === byId('prompt').value ? chosen : undefined
  byId('look').textContent = own?.description ?? 'A prompt of your own.'
  for (const [index, button] of [...byId('presets').children].entries()) {
    button.setAttribute('aria-pressed', String(presets[index] === own))
  }
}

// ---- a run

async function run() {
  running?.abort()
  const mine = (running = new AbortController())
  for (const clear of [clearStreams, clearDetail, clearDecisions, clearCurves]) clear()
  setRunning(true)
  for (const side of SIDES) say(side, 'asking …')
  try {
    await ask(wish(), mine.signal, (event) => {
      if (running === mine) push(event)
    })
  } catch (error) {
    if (running !== mine) return
    const words = error.name === 'AbortError' ? 'stopped by you' : `failed: ${error.message}`
    for (const side of SIDES) say(side, words, error.name !== 'AbortError')
  } finally {
    if (running === mine) {
      running = undefined
      setRunning(false)
    }
  }
}

function setRunning(is) {
  byId('run').disabled = is
  byId('stop').disabled = !is
}

function wish() {
  const prompt = byId('prompt').value
  return {
    ...(chosen?.prompt === prompt ? { preset: chosen.id } : {}),
    prompt,
    temperature: Number(byId('temperature').value),
    max_tokens: Number(byId('max-tokens').value),
    seed: Number(byId('seed').value),
  }
}

function onEvent(event) {
  if (event.t === 'curve') addPoint(event)
  else if (event.t === 'decision') addDecision(event)
  else if (event.t === 'error') say(event.side, `failed: ${event.message}`, true)
  else if (event.t === 'end') say(event.side, ...summary(event))
  if (event.t === 'decision' || event.t === 'end') offerFirst()
  if (event.t === 'end') refreshDetail()
}

/** The line above a stream once it has ended. */
function summary({ side, reason, tokens, ms }) {
  const counts = {}
  for (let index = 0; index < countOf(side); index++) {
    const { fate } = tokenAt(side, index)
    counts[fate] = (counts[fate] ?? 0) + 1
  }
  const fates = ['forbidden', 'steered', 'forced', 'redacted'].filter((fate) => counts[fate] > 0)
  const told = fates.map((fate) => `${counts[fate]} ${fate}`)
  const words = [`${tokens} tokens in ${(ms / 1000).toFixed(1)} s`, ...told, `ended by ${reason}`]
  return [words.join(' · '), counts.forbidden > 0]
}

// ---- controls

function toggleTheme() {
  const { dataset } = document.documentElement
  const isDark = dataset.theme
    ? dataset.theme === 'dark'
    : matchMedia('(prefers-color-scheme: dark)').matches
  dataset.theme = isDark ? 'light' : 'dark'
  showTheme()
  restyleCurves()
}

function showTheme() {
  const { theme } = document.documentElement.dataset
  const isDark = theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
  byId('theme').textContent = isDark ? 'Light' : 'Dark'
}

byId('prompt').addEventListener('input', showChoice)
byId('run').addEventListener('click', () => void run())
byId('stop').addEventListener('click', () => running?.abort())
byId('theme').addEventListener('click', toggleTheme)
addEventListener('keydown', (event) => {
  if (event.key === 'Escape') running?.abort()
  if (!(event.ctrlKey || event.metaKey) || event.key !== 'Enter') return
  event.preventDefault()
  void run()
})

showTheme()
startStreams(onEvent)
await refresh()
setInterval(refresh, REFRESH_MS)
