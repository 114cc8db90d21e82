/** One token: what the model wanted there, what was forbidden, and by which rule. */
import { byId, make, quoted } from './dom.js'
import { ruleBehind } from './decisions.js'
import { goToRule } from './policy.js'
import { countOf, FATES, SIDES, tokenAt } from './streams.js'

const body = byId('detail-body')
const hint = [...body.childNodes]
let selected = null
let shown

export function clearDetail() {
  selected = null
  body.replaceChildren(...hint)
}

/** Shows the first token that the guard changed, unless the reader has chosen one already. */
export function offerFirst() {
  if (selected !== null) return
  for (let index = 0; index < countOf('guarded'); index++) {
    if (tokenAt('guarded', index).fate === 'said') continue
    select('guarded', index)
    return
  }
}

function select(side, index) {
  const token = tokenAt(side, index)
  const element = byId(`${side}-${index}`)
  if (token === undefined || element === null) return
  selected?.setAttribute('aria-selected', 'false')
  selected = element
  element.setAttribute('aria-selected', 'true')
  byId(side).setAttribute('aria-activedescendant', element.id)
  show(token)
}

/** The same token again, with what became known of it since. */
export function refreshDetail() {
  if (selected !== null && shown !== undefined) show(shown)
}

function show(token) {
  shown = token
  const place = `token ${token.position + 1}, id ${token.id}`
  const head = make(
    'p',
    {},
    make('b', { className: `t ${token.fate}`, textContent: quoted(token.text) }),
    ` ${place}. ${FATES[token.fate] ?? ''}`,
  )
  const rule = token.fate === 'forced' ? ruleBehind(token.position) : undefined
  if (rule !== undefined) head.append(' ', ruleLink(rule))
  const given = token.alternatives ?? []
  // What a rule puts there need not be among what the model had in mind.
  const own = given.some(({ id }) => id === token.id) ? [] : [{ id: token.id, text: token.text }]
  const wishes = [...given, ...(given.length > 0 ? own : [])].map((wish) => row(token, wish))
  const table = make(
    'table',
    {},
    make('caption', { textContent: 'What the model wanted here' }),
    make('thead', {}, headings('Token', 'Probability', 'Verdict')),
    make('tbody', {}, ...wishes),
  )
  body.replaceChildren(head, ...(wishes.length > 0 ? [table] : []))
}

function headings(...names) {
  return make('tr', {}, ...names.map((name) => make('th', { scope: 'col', textContent: name })))
}

function row(token, wish) {
  const bar = make('span', { className: 'bar' })
  bar.style.width = `${Math.max(1, Math.round((wish.p ?? 0) * 60))}px`
  return make(
    'tr',
    { className: wish.denied ? 'denied' : wish.id === token.id ? 'taken' : '' },
    make('td', { className: 'token', textContent: quoted(wish.text) }),
    make('td', { className: 'p' }, bar, percent(wish.p)),
    verdict(token, wish),
  )
}

const LEAST = 0.0005

function percent(p) {
  if (p === undefined || p < LEAST) return '< 0.1 %'
  return `${(p * 100).toFixed(p < 0.1 ? 1 : 0)} %`
}

function ruleLink(name) {
  const onclick = () => goToRule(name)
  return make('button', { type: 'button', className: 'link', textContent: name, onclick })
}

function verdict(token, wish) {
  if (!wish.denied) {
    const other = token.fate === 'forced' ? 'overruled' : 'allowed'
    return make('td', { textContent: wish.id === token.id ? 'said' : other })
  }
  const rules = (wish.rule ?? '').split(', ').filter((name) => name !== '')
  const names = rules.map(ruleLink)
  return make('td', {}, 'forbidden by ', ...(names.length > 0 ? names : ['a ban']))
}

for (const side of SIDES) {
  byId(side).addEventListener('pointerover', (event) => {
    const index = event.target.dataset?.index
    if (index !== undefined) select(side, Number(index))
  })
  byId(side).addEventListener('keydown', (event) => {
    const now = selected?.parentElement === byId(side) ? Number(selected.dataset.index) : -1
    const last = countOf(side) - 1
    const next = {
      ArrowRight: now + 1,
      ArrowDown: now + 1,
      ArrowLeft: now - 1,
      ArrowUp: now - 1,
      Home: 0,
      End: last,
    }[event.key]
    if (next === undefined) return
    event.preventDefault()
    select(side, Math.max(0, Math.min(last, next)))
    selected?.scrollIntoView({ block: 'nearest' })
  })
}
