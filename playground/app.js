/**
 * The playground page: one prompt, two streams side by side, everything that the guard did.
 * Model output only ever becomes textContent; no string is interpreted as markup. Tokens are
 * appended once per animation frame, so that a long stream costs one layout a frame.
 */
import uPlot from '/playground/vendor/uPlot.esm.js'

const $ = (id) => document.getElementById(id)
const FATES = ['said', 'steered', 'forced', 'redacted', 'stopped']
const SIDES = ['plain', 'guarded']
const MAX_POINTS = 2000
/** Events handled in one frame; the rest waits for the next, so a burst cannot freeze the page. */
const FRAME_EVENTS = 120
const MAX_DECISIONS = 500

let state = { presets: [], policy: { text: '', revision: '', name: '' } }
let preset = 0
let running = null
let tokens = { plain: [], guarded: [] }
let pending = []
let received = ''
let curvesStale = false
const grown = new Set()
const receivedText = document.createTextNode('')

// ---------------------------------------------------------------- state of the sidecar

async function refresh() {
  try {
    const response = await fetch('/playground/api/state', { signal: AbortSignal.timeout(4000) })
    const next = await response.json()
    const first = state.presets.length === 0
    state = next
    $('engine').className = next.engine.attached ? '' : 'down'
    $('engine').textContent = next.engine.attached
      ? `${next.engine.model} on ${next.engine.name} ${next.engine.version}, guarded`
      : 'The engine is not attached; bans already in it stay in force'
    if (first) drawPresets()
    if (first || !policyTouched()) showPolicy(next.policy)
  } catch {
    $('engine').className = 'down'
    $('engine').textContent = 'The sidecar does not answer; trying again'
  }
}

function drawPresets() {
  $('presets').replaceChildren(
    ...state.presets.map((item, index) => {
      const button = document.createElement('button')
      button.type = 'button'
      button.textContent = item.title
      button.title = item.description
      button.setAttribute('aria-pressed', String(index === preset))
      button.onclick = () => choose(index)
      return button
    }),
  )
  choose(0)
}

function choose(index) {
  preset = index
  const item = state.presets[index]
  if (!item) return
  $('prompt').value = item.prompt
  if (item.parameters?.temperature !== undefined)
    $('temperature').value = item.parameters.temperature
  if (item.parameters?.max_tokens !== undefined) $('max-tokens').value = item.parameters.max_tokens
  ;[...$('presets').children].forEach((b, i) => b.setAttribute('aria-pressed', String(i === index)))
}

// ---------------------------------------------------------------- a run

async function run() {
  if (running) return
  running = new AbortController()
  clear()
  $('run').disabled = true
  $('stop').disabled = false
  try {
    const response = await fetch('/playground/api/run', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      signal: running.signal,
      body: JSON.stringify({
        preset:
          state.presets[preset]?.prompt === $('prompt').value
            ? state.presets[preset].id
            : undefined,
        prompt: $('prompt').value,
        temperature: Number($('temperature').value),
        max_tokens: Number($('max-tokens').value),
        seed: Number($('seed').value),
      }),
    })
    if (!response.ok) throw new Error((await response.json()).error?.message ?? response.statusText)
    for await (const event of events(response.body)) pending.push(event)
  } catch (error) {
    if (error.name !== 'AbortError')
      for (const side of SIDES) meter(side, `failed: ${error.message}`)
  } finally {
    running = null
    $('run').disabled = false
    $('stop').disabled = true
  }
}

async function* events(body) {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks(body)) {
    rest += decoder.decode(chunk, { stream: true })
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.startsWith('data: ')) yield JSON.parse(line.slice(6))
  }
}

async function* chunks(body) {
  const reader = body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    yield value
  }
}

function clear() {
  pending = []
  received = ''
  tokens = { plain: [], guarded: [] }
  for (const side of SIDES) {
    $(side).replaceChildren()
    meter(side, '')
  }
  receivedText.data = ''
  $('decisions').replaceChildren()
  for (const curve of Object.values(curves)) curve.clear()
}

const meter = (side, text) => ($(`${side}-meter`).textContent = text)

/** Once a frame: everything that arrived since the last one, appended in one go. */
function frame() {
  requestAnimationFrame(frame)
  if (pending.length === 0) return
  const started = performance.now()
  const batch = pending.splice(0, FRAME_EVENTS)
  const fresh = {
    plain: document.createDocumentFragment(),
    guarded: document.createDocumentFragment(),
  }
  const rows = document.createDocumentFragment()
  let grew = false
  for (const event of batch) grew = apply(event, fresh, rows) || grew
  for (const side of SIDES) {
    if (fresh[side].childNodes.length === 0) continue
    $(side).append(fresh[side])
    grown.add(side)
  }
  if (rows.childNodes.length) {
    $('decisions').prepend(rows)
    while ($('decisions').childElementCount > MAX_DECISIONS)
      $('decisions').lastElementChild.remove()
  }
  if (grew) curvesStale = true
  if (received !== '') {
    receivedText.appendData(received)
    received = ''
    grown.add('received')
  }
  frameTimes.push(performance.now() - started)
  if (frameTimes.length > 5000) frameTimes.shift()
}

/** Script time of each frame that had work, in ms; read by the page's tests. */
const frameTimes = (globalThis.checkstreamFrameTimes = [])

/** Follows the end of the streams four times a second: scrolling makes the browser lay out. */
function followEnd() {
  for (const id of [...SIDES, 'received']) {
    const box = $(id)
    if (grown.delete(id)) box.scrollTop = box.scrollHeight
  }
}

function apply(event, fresh, rows) {
  switch (event.t) {
    case 'token':
      fresh[event.side].append(tokenElement(event))
      return false
    case 'curve':
      curves.risk.add(event.position, event.risk)
      curves.temperature.add(event.position, event.temperature)
      curves.added.add(event.position, event.addedUs)
      return true
    case 'decision':
      rows.prepend(decisionRow(event))
      return false
    case 'fate':
      setFate(event.side, event.position, event.fate)
      return false
    case 'text':
      if (event.side === 'guarded') received += event.text
      return false
    case 'end':
      meter(event.side, `${event.reason} · ${event.tokens} tokens · ${event.ms} ms`)
      return false
    case 'error':
      meter(event.side, `failed: ${event.message}`)
      return false
    default:
      return false
  }
}

function tokenElement(event) {
  const span = document.createElement('span')
  const fate = FATES.includes(event.fate) ? event.fate : 'said'
  span.className = `t ${fate}`
  span.textContent = event.text
  span.setAttribute('role', 'option')
  span.setAttribute('aria-selected', 'false')
  span.dataset.index = String(tokens[event.side].length)
  span.id = `${event.side}-${tokens[event.side].length}`
  tokens[event.side].push(event)
  return span
}

function setFate(side, position, fate) {
  const index = tokens[side].findIndex((token) => token.position === position)
  if (index < 0 || !FATES.includes(fate)) return
  tokens[side][index].fate = fate
  const element = $(side).children[index]
  if (element) element.className = `t ${fate}`
}

function decisionRow(event) {
  const row = document.createElement('tr')
  for (const value of [
    event.at,
    event.rule,
    event.phase,
    event.mode,
    event.action,
    event.regulation ?? '',
  ]) {
    const cell = document.createElement('td')
    cell.textContent = String(value)
    row.append(cell)
  }
  return row
}

// ---------------------------------------------------------------- one token

let selected = null

function select(side, index) {
  const element = $(side).children[index]
  if (!element) return
  selected?.setAttribute('aria-selected', 'false')
  selected = element
  element.setAttribute('aria-selected', 'true')
  $(side).setAttribute('aria-activedescendant', element.id)
  showToken(tokens[side][index])
}

const WORDS = {
  said: 'What the model wanted.',
  steered: 'The model wanted something else, which a rule forbade.',
  forced: 'Written by a rule.',
  redacted: 'Generated, but redacted before it reached the client.',
  stopped: 'A rule ended the answer here.',
}

function showToken(token) {
  const body = $('detail-body')
  const what = document.createElement('p')
  what.textContent = `${JSON.stringify(token.text)} (id ${token.id}, position ${token.position}). ${WORDS[token.fate] ?? ''}`
  const table = document.createElement('table')
  const head = table.createTHead().insertRow()
  for (const name of ['Wanted', 'Probability', 'Verdict']) {
    const cell = document.createElement('th')
    cell.scope = 'col'
    cell.textContent = name
    head.append(cell)
  }
  const rows = table.createTBody()
  for (const wish of token.alternatives ?? []) {
    const row = rows.insertRow()
    const text = row.insertCell()
    text.className = 'token'
    text.textContent = JSON.stringify(wish.text)
    row.insertCell().textContent = `${(wish.p * 100).toFixed(1)} %`
    const verdict = row.insertCell()
    verdict.textContent = wish.denied
      ? `forbidden by ${wish.rule || 'a ban'}`
      : wish.id === token.id
        ? 'said'
        : 'allowed'
    if (wish.denied) verdict.className = 'denied'
  }
  body.replaceChildren(what, table)
}

for (const side of SIDES) {
  $(side).addEventListener('pointerover', (event) => {
    const index = event.target.dataset?.index
    if (index !== undefined) select(side, Number(index))
  })
  $(side).addEventListener('keydown', (event) => {
    const now = selected?.parentElement === $(side) ? Number(selected.dataset.index) : -1
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]
    if (step === undefined) return
    event.preventDefault()
    select(side, Math.max(0, Math.min(tokens[side].length - 1, now + step)))
    selected?.scrollIntoView({ block: 'nearest' })
  })
}

// ---------------------------------------------------------------- curves

function createCurve(id, bounds) {
  const host = $(id)
  let xs = []
  let ys = []
  const style = getComputedStyle(document.documentElement)
  const ink = () => style.getPropertyValue('--soft') || '#777'
  const plot = new uPlot(
    {
      width: host.clientWidth || 300,
      height: 120,
      cursor: { show: false },
      legend: { show: false },
      scales: { x: { time: false }, y: bounds ? { range: bounds } : {} },
      axes: [
        { stroke: ink, size: 26, grid: { show: false } },
        { stroke: ink, size: 44, grid: { stroke: '#8883' } },
      ],
      series: [{}, { stroke: '#3f7fd9', width: 1.5, points: { show: false } }],
    },
    [xs, ys],
    host,
  )
  addEventListener('resize', () => plot.setSize({ width: host.clientWidth, height: 120 }))
  return {
    add(x, y) {
      if (typeof y !== 'number') return
      xs.push(x)
      ys.push(y)
      if (xs.length > MAX_POINTS) {
        xs.shift()
        ys.shift()
      }
    },
    draw: () => plot.setData([xs, ys]),
    clear() {
      xs = []
      ys = []
      plot.setData([xs, ys])
    },
  }
}

const curves = {
  risk: createCurve('curve-risk', [0, 1]),
  temperature: createCurve('curve-temperature', null),
  added: createCurve('curve-added', null),
}

// ---------------------------------------------------------------- the policy

let policyShown = ''
const policyTouched = () => $('policy').value !== policyShown

function showPolicy(policy) {
  policyShown = policy.text
  $('policy').value = policy.text
  $('policy-revision').textContent = `${policy.name} · revision ${policy.revision.slice(0, 12)}`
  numberLines([])
}

function numberLines(errors) {
  const wrong = new Set(errors.map((error) => error.line))
  const lines = $('policy').value.split('\n').length
  const fragment = document.createDocumentFragment()
  for (let line = 1; line <= lines; line++) {
    const mark = document.createElement(wrong.has(line) ? 'b' : 'span')
    mark.textContent = `${line}\n`
    fragment.append(mark)
  }
  $('gutter').replaceChildren(fragment)
  $('gutter').scrollTop = $('policy').scrollTop
}

async function applyPolicy() {
  const text = $('policy').value
  $('policy-status').textContent = 'Compiling…'
  try {
    const response = await fetch('/playground/api/policy', {
      method: 'PUT',
      headers: { 'content-type': 'application/yaml' },
      body: text,
    })
    const answer = await response.json()
    if (response.ok && answer.policy) {
      showPolicy(answer.policy)
      $('policy-status').textContent = 'In force from the next request on.'
      $('policy-errors').replaceChildren()
    } else showErrors(answer.errors ?? [{ message: answer.error?.message ?? response.statusText }])
  } catch (error) {
    showErrors([{ message: `the sidecar did not answer (${error.message})` }])
  }
}

function showErrors(errors) {
  $('policy-status').textContent = 'Not applied; the last good policy stays in force.'
  numberLines(errors)
  $('policy-errors').replaceChildren(
    ...errors.map((error) => {
      const item = document.createElement('li')
      const link = document.createElement('button')
      link.type = 'button'
      link.textContent = error.line
        ? `line ${error.line}, column ${error.column ?? 1}: ${error.message}`
        : error.message
      link.onclick = () => goTo(error.line ?? 1, error.column ?? 1)
      item.append(link)
      return item
    }),
  )
}

function goTo(line, column) {
  const lines = $('policy').value.split('\n')
  const at = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0) + column - 1
  $('policy').focus()
  $('policy').setSelectionRange(at, at + 1)
}

// ---------------------------------------------------------------- controls

$('run').onclick = run
$('stop').onclick = () => running?.abort()
$('apply').onclick = applyPolicy
$('revert').onclick = () => showPolicy(state.policy)
$('policy').oninput = () => numberLines([])
$('policy').onscroll = () => ($('gutter').scrollTop = $('policy').scrollTop)
$('theme').onclick = () => {
  const dark = document.documentElement.dataset.theme !== 'dark'
  document.documentElement.dataset.theme = dark ? 'dark' : 'light'
  $('theme').setAttribute('aria-pressed', String(dark))
}
addEventListener('keydown', (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key !== 'Enter') return
  event.preventDefault()
  if (document.activeElement === $('policy')) applyPolicy()
  else run()
})

$('received').append(receivedText)
requestAnimationFrame(frame)
setInterval(followEnd, 250)
setInterval(() => {
  if (curvesStale) for (const curve of Object.values(curves)) curve.draw()
  curvesStale = false
}, 150)
await refresh()
setInterval(refresh, 3000)
