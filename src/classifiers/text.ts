/**
 * Text as the encoder reads it: emoji become words, because its vocabulary knows none of them.
 * The training side is training/text.py.
 */

export type EmojiNames = Readonly<Record<string, string>>

/** A function that names the emoji of a word; words without any pass unchanged. */
export function emojiNamer(names: EmojiNames): (word: string) => string {
  const known = new Map(Object.entries(names))
  return (word) => {
    // Below this code point there is nothing to name: the usual case costs one comparison a unit.
    let plain = true
    for (let i = 0; i < word.length && plain; i++) plain = word.charCodeAt(i) < 0x200d
    if (plain) return word
    let out = ''
    for (const c of word) {
      const name = known.get(c)
      out += name === undefined ? c : name === '' ? '' : ` ${name} `
    }
    return out.trim()
  }
}
