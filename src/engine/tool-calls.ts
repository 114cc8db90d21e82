/**
 * Recognises `<tool_call>{"name": …, "arguments": {…}}</tool_call>` in a growing text, as vLLM's
 * hermes parser: the name goes out when it is complete, then the arguments as they grow.
 */

export type ToolDelta =
  | { readonly kind: 'content'; readonly text: string }
  | { readonly kind: 'name'; readonly index: number; readonly name: string }
  | { readonly kind: 'arguments'; readonly index: number; readonly text: string }

const OPEN = '<tool_call>'
const CLOSE = '</tool_call>'
const NAME = /^\s*\{\s*"name"\s*:\s*"((?:[^"\\]|\\.)*)"/
const ARGUMENTS = /^\s*,\s*"arguments"\s*:\s*/

type State =
  | { readonly at: 'content' }
  | { readonly at: 'name' }
  | { readonly at: 'arguments' }
  | { readonly at: 'value'; depth: number; inString: boolean; escaped: boolean }
  | { readonly at: 'close' }

/** Cut-anywhere safe. Holds at most one tool call that has no name yet. */
export class ToolCallParser {
  #state: State = { at: 'content' }
  #held = ''
  #index = -1

  /** True once a call has been recognised. */
  get called(): boolean {
    return this.#index >= 0
  }

  push(text: string): ToolDelta[] {
    this.#held += text
    const out: ToolDelta[] = []
    while (this.#advance(out));
    return out
  }

  /** At the end: what was kept back and is no call is content. */
  flush(): ToolDelta[] {
    const rest = this.#state.at === 'name' ? OPEN + this.#held : this.#held
    this.#held = ''
    const isText = this.#state.at === 'content' || this.#state.at === 'name'
    return isText && rest !== '' ? [{ kind: 'content', text: rest }] : []
  }

  /** One move; false when more text is needed. */
  #advance(out: ToolDelta[]): boolean {
    switch (this.#state.at) {
      case 'content':
        return this.#content(out)
      case 'name':
        return this.#name(out)
      case 'arguments':
        return this.#arguments()
      case 'value':
        return this.#value(this.#state, out)
      case 'close':
        return this.#close()
    }
  }

  #content(out: ToolDelta[]): boolean {
    const at = this.#held.indexOf(OPEN)
    const end = at >= 0 ? at : this.#held.length - overlap(this.#held, OPEN)
    const text = this.#held.slice(0, end)
    if (text !== '') out.push({ kind: 'content', text })
    this.#held = this.#held.slice(at >= 0 ? at + OPEN.length : end)
    if (at >= 0) this.#state = { at: 'name' }
    return at >= 0
  }

  #name(out: ToolDelta[]): boolean {
    const match = NAME.exec(this.#held)
    if (match === null) return false
    this.#held = this.#held.slice(match[0].length)
    this.#index++
    out.push({ kind: 'name', index: this.#index, name: match[1] ?? '' })
    this.#state = { at: 'arguments' }
    return true
  }

  #arguments(): boolean {
    const match = ARGUMENTS.exec(this.#held)
    if (match !== null && this.#held.length > match[0].length) {
      this.#held = this.#held.slice(match[0].length)
      this.#state = { at: 'value', depth: 0, inString: false, escaped: false }
      return true
    }
    if (!this.#held.includes(CLOSE)) return false
    this.#state = { at: 'close' }
    return true
  }

  #value(state: Extract<State, { at: 'value' }>, out: ToolDelta[]): boolean {
    let end = 0
    let over = false
    while (end < this.#held.length && !over) {
      over = step(state, this.#held.charAt(end))
      end++
    }
    if (end > 0) {
      out.push({ kind: 'arguments', index: this.#index, text: this.#held.slice(0, end) })
      this.#held = this.#held.slice(end)
    }
    if (over) this.#state = { at: 'close' }
    return over
  }

  #close(): boolean {
    const at = this.#held.indexOf(CLOSE)
    if (at < 0) return false
    this.#held = this.#held.slice(at + CLOSE.length)
    this.#state = { at: 'content' }
    return true
  }
}

/** Reads one character of JSON; true when the object that it opened with is complete. */
function step(
  state: { depth: number; inString: boolean; escaped: boolean },
  char: string,
): boolean {
  if (state.escaped) state.escaped = false
  else if (state.inString) {
    if (char === '\\') state.escaped = true
    else if (char === '"') state.inString = false
  } else if (char === '"') state.inString = true
  else if (char === '{' || char === '[') state.depth++
  else if (char === '}' || char === ']') return --state.depth <= 0
  return false
}

/** How many characters at the end of `text` may be the beginning of `mark`. */
function overlap(text: string, mark: string): number {
  for (let n = Math.min(text.length, mark.length - 1); n > 0; n--) {
    if (text.endsWith(mark.slice(0, n))) return n
  }
  return 0
}
