/** The text of a new pack: small, valid, tested, and commented where its author goes on. */

export type NewPack = {
  readonly name: string
  readonly description: string
  readonly regulation: string
  readonly phrases: readonly string[]
  readonly action: 'ban' | 'stop' | 'redact' | 'log'
  readonly mode: 'monitor' | 'alert' | 'enforce'
}

const quoted = (text: string): string => JSON.stringify(text)

/** YAML of the pack; every text is written as JSON, which YAML reads. */
export function newPack(pack: NewPack): string {
  const [first = 'example phrase'] = pack.phrases
  const phrases = pack.phrases.length > 0 ? pack.phrases : [first]
  const fires = phrases.length > 1 ? (phrases[1] ?? first) : first
  return `# ${pack.description.replaceAll('\n', ' ')}
# Check: checkstream policy check FILE    Test: checkstream policy test FILE
name: ${quoted(pack.name)}
description: ${quoted(pack.description)}
version: "0.1"
${pack.regulation === '' ? '' : `regulation: ${quoted(pack.regulation)}\n`}# monitor notes what would happen; alert tells people too; enforce acts.
mode: ${pack.mode}

rules:
  - name: phrases
    description: What must not be said, whatever its disguise
    trigger:
      type: keywords
      any:
${phrases.map((phrase) => `        - ${quoted(phrase)}`).join('\n')}
      folds: [case, width, marks, confusables, zero_width]
    actions:
      - type: ${pack.action}
${pack.action === 'log' ? '        message: "a phrase of the pack"\n' : ''}      - type: audit
        category: phrases
        severity: high
    tests:
      - { text: ${quoted(`They said ${first} twice.`)}, fires: true }
      - { text: ${quoted(fires.toUpperCase())}, fires: true }
      - { text: "Nothing of the kind.", fires: false }
      - { text: "", fires: false }
`
}
