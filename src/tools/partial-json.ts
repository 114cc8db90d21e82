/**
 * JSON text that is cut anywhere, read as far as it goes: open strings end where the text ends, a
 * number or word that may still grow is left out unless `isWhole`.
 */

export type PartialJson = {
  /** Undefined when not even a value began. */
  readonly value: unknown
  /** The text is a whole value and nothing follows. */
  readonly isWhole: boolean
}

export function parsePartialJson(text: string): PartialJson {
  const whole = parseOrUndefined(text)
  if (whole !== undefined) return { value: whole, isWhole: true }
  return { value: parseOrUndefined(closed(text)), isWhole: false }
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Not whole, or not JSON: the caller tells the two apart by `isWhole` and `value`.
    return undefined
  }
}

/** The text with everything closed that is open, and what cannot be closed removed. */
function closed(text: string): string {
  const stack: string[] = []
  let inString = false
  // The longest prefix after which closing the stack gives valid JSON.
  let safe = ''
  let safeStack: readonly string[] = []
  let isKey = false
  let expectsKey = false
  for (let i = 0; i < text.length; i++) {
    const char = text[i] ?? ''
    if (inString) {
      if (char === '\\') i++
      else if (char === '"') {
        inString = false
        if (!isKey) [safe, safeStack] = [text.slice(0, i + 1), [...stack]]
      }
      continue
    }
    if (char === '"') {
      inString = true
      isKey = expectsKey
      expectsKey = false
    } else if (char === '{' || char === '[') {
      stack.push(char === '{' ? '}' : ']')
      expectsKey = char === '{'
      ;[safe, safeStack] = [text.slice(0, i + 1), [...stack]]
    } else if (char === '}' || char === ']') {
      stack.pop()
      expectsKey = false
      ;[safe, safeStack] = [text.slice(0, i + 1), [...stack]]
    } else if (char === ',') {
      ;[safe, safeStack] = [text.slice(0, i), [...stack]]
      expectsKey = stack.at(-1) === '}'
    }
  }
  if (inString && !isKey) return `${withoutCutEscape(text)}"${stack.toReversed().join('')}`
  return safe + safeStack.toReversed().join('')
}

function withoutCutEscape(text: string): string {
  return text.replace(/(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3})?$/, '$1')
}
