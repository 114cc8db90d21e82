/** The policy editor: line numbers, mistakes at their place, and Apply while streams run. */
import { byId, make } from './dom.js'

const editor = byId('policy')
const gutter = byId('gutter')
const status = byId('policy-status')
const list = byId('policy-errors')
let shown = { text: '', revision: '', name: '' }

/** Another policy is in force; what the reader is writing is kept. */
export function offerPolicy(policy, isFirst) {
  if (isFirst || editor.value === shown.text) showPolicy(policy)
  else shown = { ...policy, text: shown.text }
}

function showPolicy(policy) {
  const isSame = shown.text === policy.text && editor.value === policy.text
  shown = policy
  byId('policy-revision').textContent = `${policy.name}, revision ${policy.revision.slice(0, 12)}`
  if (isSame) return
  editor.value = policy.text
  numberLines([])
}

function numberLines(mistakes) {
  const wrong = new Set(mistakes.map((mistake) => mistake.line))
  const lines = editor.value.split('\n').map((_, index) => index + 1)
  gutter.replaceChildren(
    ...lines.map((line) => make(wrong.has(line) ? 'b' : 'span', { textContent: `${line}\n` })),
  )
  gutter.scrollTop = editor.scrollTop
}

async function apply() {
  status.textContent = 'Compiling…'
  try {
    const response = await fetch('/playground/api/policy', {
      method: 'PUT',
      headers: { 'content-type': 'application/yaml' },
      body: editor.value,
    })
    const answer = await response.json()
    if (response.ok && answer.policy) {
      showPolicy(answer.policy)
      numberLines([])
      list.replaceChildren()
      status.textContent =
        'In force from the next request on; an answer under way keeps the revision it began with.'
    } else
      showMistakes(answer.errors ?? [{ message: answer.error?.message ?? response.statusText }])
  } catch (error) {
    showMistakes([{ message: `the sidecar did not answer (${error.message})` }])
  }
}

function showMistakes(mistakes) {
  status.textContent = 'Not applied: the last good policy stays in force.'
  numberLines(mistakes)
  list.replaceChildren(
    ...mistakes.map(({ line, column, message }) => {
      const place = line ? `line ${line}, column ${column ?? 1}: ` : ''
      const onclick = () => select(line ?? 1, column ?? 1)
      const button = { type: 'button', className: 'link', textContent: place + message, onclick }
      return make('li', {}, make('button', button))
    }),
  )
  if (mistakes[0]?.line) select(mistakes[0].line, mistakes[0].column ?? 1)
}

function select(line, column, length = 1) {
  const lines = editor.value.split('\n')
  const at = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0) + column - 1
  editor.focus()
  editor.setSelectionRange(at, at + length)
  editor.scrollTop = (line - 4) * (editor.scrollHeight / lines.length)
  gutter.scrollTop = editor.scrollTop
}

/** Shows where a rule is written. */
export function goToRule(name) {
  const lines = editor.value.split('\n')
  const line = lines.findIndex((text) => text.trim() === `- name: ${name}`)
  if (line < 0) return
  select(line + 1, lines[line].indexOf(name) + 1, name.length)
  editor.scrollIntoView({ block: 'nearest' })
}

byId('apply').addEventListener('click', apply)
byId('revert').addEventListener('click', () => {
  editor.value = shown.text
  numberLines([])
  list.replaceChildren()
  status.textContent = ''
})
editor.addEventListener('input', () => numberLines([]))
editor.addEventListener('scroll', () => {
  gutter.scrollTop = editor.scrollTop
})
editor.addEventListener('keydown', (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key !== 'Enter') return
  event.preventDefault()
  event.stopPropagation()
  void apply()
})
