/** The decision log as it grows, newest first: one row for a rule at a token, whatever it did there. */
import { byId, make, quoted } from './dom.js'
import { goToRule } from './policy.js'

const MAX_ROWS = 500
const table = byId('decisions')
const empty = byId('decisions-empty')
const rows = new Map()

export function clearDecisions() {
  rows.clear()
  table.replaceChildren()
  empty.hidden = false
}

export function addDecision(event) {
  const key = `${event.at} ${event.rule}`
  const known = rows.get(key)
  if (known !== undefined) {
    known.actions.add(event.action)
    known.phases.add(event.phase)
    known.wanted ??= event.wanted
    fill(known)
    return
  }
  const row = {
    mode: event.mode,
    wanted: event.wanted,
    actions: new Set([event.action]),
    phases: new Set([event.phase]),
    what: make('td', { className: 'what' }),
    where: make('td', { className: 'where' }),
    at: event.at,
    rule: event.rule,
  }
  rows.set(key, row)
  fill(row)
  const rule = { type: 'button', className: 'link', textContent: event.rule }
  const cells = [
    make('td', { className: 'at', textContent: String(event.at + 1) }),
    make(
      'td',
      { className: 'rule' },
      make('button', { ...rule, onclick: () => goToRule(event.rule) }),
    ),
    row.what,
    row.where,
    make('td', { textContent: event.regulation ?? '' }),
  ]
  empty.hidden = true
  table.prepend(make('tr', {}, ...cells))
  while (table.childElementCount > MAX_ROWS) table.lastElementChild.remove()
}

const PUTS = ['force', 'deny', 'rewrite_tool']

/** The rule that put a token there which was neither the first choice nor left over by a mask. */
export function ruleBehind(position) {
  const made = [...rows.values()].filter(
    ({ at, actions }) => at <= position && PUTS.some((action) => actions.has(action)),
  )
  return made.toSorted((a, b) => b.at - a.at)[0]?.rule
}

function fill({ mode, wanted, actions, phases, what, where }) {
  const deed = [...actions].join(', ')
  what.textContent = wanted === undefined ? deed : `denied ${quoted(wanted)}`
  where.textContent = `${[...phases].join(', ')}${mode === 'enforce' ? '' : ` (${mode})`}`
}
