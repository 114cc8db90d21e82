/**
 * Edits values inside JSON text without touching anything else: big integers, number forms, key
 * order and unknown fields of the rest stay byte for byte. The text must be valid JSON.
 */

export type Path = readonly (string | number)[]

/** `value` is JSON text; undefined removes the member or element. A missing last key is added. */
export type JsonEdit = { readonly path: Path; readonly value: string | undefined }

type Node = { edit?: JsonEdit; readonly children: Map<string | number, Node> }

export function editJson(text: string, edits: readonly JsonEdit[]): string {
  const root: Node = { children: new Map() }
  for (const edit of edits) {
    let node = root
    for (const key of edit.path) {
      let child = node.children.get(key)
      if (child === undefined) node.children.set(key, (child = { children: new Map() }))
      node = child
    }
    node.edit = edit
  }
  const start = skipSpace(text, 0)
  const { value, end } = rewrite(text, start, root)
  return text.slice(0, start) + (value ?? 'null') + text.slice(end)
}

type Rewritten = { readonly value: string | undefined; readonly end: number }

function rewrite(text: string, at: number, node: Node): Rewritten {
  if (node.edit !== undefined) return { value: node.edit.value, end: skipValue(text, at) }
  const open = text[at]
  if (open !== '{' && open !== '[') {
    const end = skipValue(text, at)
    return { value: text.slice(at, end), end }
  }
  return rewriteMembers(text, at, node)
}

/** Members are kept with their own white space; only the commas between them are written anew. */
function rewriteMembers(text: string, at: number, node: Node): Rewritten {
  const isObject = text[at] === '{'
  const close = isObject ? '}' : ']'
  const kept: string[] = []
  const seen = new Set<string | number>()
  let pos = at + 1
  let tail = ''
  for (let index = 0; ; index++) {
    const from = pos
    pos = skipSpace(text, pos)
    if (text[pos] === close || pos >= text.length) {
      tail = text.slice(from, pos)
      break
    }
    let key: string | number = index
    if (isObject) {
      const keyEnd = skipString(text, pos)
      key = JSON.parse(text.slice(pos, keyEnd)) as string
      pos = skipSpace(text, skipSpace(text, keyEnd) + 1)
    }
    const child = node.children.get(key)
    const member = child === undefined ? undefined : rewrite(text, pos, child)
    const valueEnd = member?.end ?? skipValue(text, pos)
    const next = skipSpace(text, valueEnd)
    seen.add(key)
    if (member === undefined) kept.push(text.slice(from, next))
    else if (member.value !== undefined) {
      kept.push(text.slice(from, pos) + member.value + text.slice(valueEnd, next))
    }
    pos = text[next] === ',' ? next + 1 : next
  }
  for (const [key, child] of node.children) {
    const value = child.edit?.value
    if (isObject && !seen.has(key) && value !== undefined) {
      kept.push(`${JSON.stringify(key)}:${value}`)
    }
  }
  return { value: text[at] + kept.join(',') + tail + close, end: pos + 1 }
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false // the caller says what that means
  }
}

/** A key that an object in the text has twice: parsers disagree on which one counts. */
export function duplicateKey(text: string): string | undefined {
  const stack: (Set<string> | undefined)[] = []
  for (let pos = 0; pos < text.length;) {
    const char = text[pos]
    if (char === '{') stack.push(new Set())
    else if (char === '[') stack.push(undefined)
    else if (char === '}' || char === ']') stack.pop()
    if (char !== '"') {
      pos++
      continue
    }
    const end = skipString(text, pos)
    if (text[skipSpace(text, end)] === ':') {
      const key = JSON.parse(text.slice(pos, end)) as string
      const keys = stack.at(-1)
      if (keys?.has(key) === true) return key
      keys?.add(key)
    }
    pos = end
  }
  return undefined
}

export function skipSpace(text: string, at: number): number {
  let pos = at
  for (; pos < text.length; pos++) {
    const code = text.charCodeAt(pos)
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) break
  }
  return pos
}

export function skipString(text: string, at: number): number {
  for (let pos = at + 1; pos < text.length; pos++) {
    const code = text.charCodeAt(pos)
    if (code === 92) pos++
    else if (code === 34) return pos + 1
  }
  return text.length
}

export function skipValue(text: string, at: number): number {
  let depth = 0
  for (let pos = at; pos < text.length;) {
    const char = text[pos]
    if (char === '"') {
      pos = skipString(text, pos)
    } else if (char === '{' || char === '[') {
      depth++
      pos++
      continue
    } else if (char === '}' || char === ']') {
      depth--
      pos++
    } else if (depth > 0) {
      pos++
      continue
    } else {
      while (pos < text.length && !/[\s,\]}]/.test(text[pos] ?? '')) pos++
    }
    if (depth === 0) return pos
  }
  return text.length
}
