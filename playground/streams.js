/**
 * The two streams. Tokens are appended once per animation frame, so that a long stream costs one
 * layout a frame; FRAME_EVENTS bounds what a burst may take of one.
 */
import { byId, make } from './dom.js'

export const SIDES = ['plain', 'guarded']
const FRAME_EVENTS = 50
const FOLLOW_MS = 250

/** What happened to a token, and in which words the page says so. */
export const FATES = {
  said: 'What the model wanted.',
  steered: 'The model wanted something else, which a rule forbade.',
  forced: 'Put there by a rule.',
  redacted: 'Generated, but taken out before it reached the client.',
  forbidden: 'Nothing stopped this. The guard would have.',
}

const received = byId('received')
const pending = []
const grown = new Set()
/** Script time of each frame that had work, in ms; read by the page's tests. */
const frameTimes = (globalThis.checkstreamFrameTimes = [])

let tokens = { plain: [], guarded: [] }
let text = ''
let textNode = document.createTextNode('')

export const tokenAt = (side, index) => tokens[side][index]
export const countOf = (side) => tokens[side].length

export function clearStreams() {
  pending.length = 0
  tokens = { plain: [], guarded: [] }
  text = ''
  textNode = document.createTextNode('')
  received.replaceChildren(textNode)
  for (const side of SIDES) {
    byId(side).replaceChildren()
    say(side, '')
  }
}

/** The line above a stream. */
export function say(side, words, isBad = false) {
  byId(`${side}-meter`).textContent = words
  byId(`${side}-meter`).classList.toggle('bad', isBad)
}

export const push = (event) => pending.push(event)

/** Starts the frame loop; `others` handles the events that are not about streams. */
export function startStreams(others) {
  const frame = () => {
    requestAnimationFrame(frame)
    if (pending.length === 0) return
    const started = performance.now()
    const fresh = { plain: [], guarded: [] }
    let more = ''
    for (const event of pending.splice(0, FRAME_EVENTS)) {
      if (event.t === 'token') fresh[event.side].push(tokenElement(event))
      else if (event.t === 'text') more += event.side === 'guarded' ? event.text : ''
      else {
        // An edit is about tokens that may still wait to be drawn.
        draw(fresh, more)
        more = ''
        if (event.t === 'edits') showEdits(event)
        else others(event)
      }
    }
    draw(fresh, more)
    frameTimes.push(performance.now() - started)
    if (frameTimes.length > 5000) frameTimes.shift()
  }
  requestAnimationFrame(frame)
  setInterval(followEnd, FOLLOW_MS)
}

function draw(fresh, more) {
  for (const side of SIDES) {
    if (fresh[side].length === 0) continue
    byId(side).append(...fresh[side].splice(0))
    grown.add(side)
  }
  if (more === '') return
  text += more
  textNode.appendData(more)
  grown.add('received')
}

function tokenElement(event) {
  const index = tokens[event.side].length
  tokens[event.side].push(event)
  const span = make('span', { textContent: event.text, id: `${event.side}-${index}` })
  span.className = `t ${event.fate in FATES ? event.fate : 'said'}`
  span.setAttribute('role', 'option')
  span.setAttribute('aria-selected', 'false')
  span.dataset.index = String(index)
  return span
}

/** Marks the tokens that the guard took out (or would have), and what the client read instead. */
function showEdits(event) {
  const fate = event.side === 'plain' ? 'forbidden' : 'redacted'
  for (const [from, to] of event.tokens) {
    for (let index = from; index < to; index++) {
      const token = tokens[event.side][index]
      if (token === undefined) continue
      token.fate = fate
      byId(`${event.side}-${index}`).className = `t ${fate}`
    }
  }
  if (event.side !== 'guarded') return
  const parts = []
  let at = 0
  for (const [from, to] of event.text) {
    parts.push(text.slice(at, from), make('mark', { textContent: text.slice(from, to) }))
    at = to
  }
  received.replaceChildren(...parts, text.slice(at))
}

/** Scrolling makes the browser lay out: four times a second is enough. */
function followEnd() {
  for (const id of [...SIDES, 'received']) {
    const box = byId(id)
    if (grown.delete(id)) box.scrollTop = box.scrollHeight
  }
}
