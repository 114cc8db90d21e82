/**
 * The map, enforced: which room may import which, and which files may touch the world.
 *
 * A room is a folder of src/. Every room may import itself and `model`; all other doors stand in
 * DOORS with their reason. `guard.ts` joins the rooms of the hot path; `main.ts` and `cli.ts` and
 * the commands in `cli/` join everything; nothing imports them but themselves.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const SRC = resolve(import.meta.dirname, '../src')

const DOORS: Record<string, readonly string[]> = {
  guard: ['session', 'automata', 'vocabulary', 'classifiers', 'pii', 'tools', 'policy', 'decoding'],
  session: ['automata', 'vocabulary'], // a session walks a token program over token bytes
  automata: ['vocabulary'], // a token program is an automaton crossed with a vocabulary
  step: [],
  telemetry: ['session'], // reads the step plane's counters when it is scraped
  programs: ['automata', 'vocabulary'], // compiles and keeps the token programs of every vocabulary
  stream: ['automata', 'pii', 'tools'], // the holdback runs the same automaton over text
  tools: ['automata'], // taint compares folded forms
  // compiling a policy compiles its bans and tool rules; the command shows the program of a vocabulary
  policy: ['automata', 'decoding', 'tools', 'vocabulary', 'yaml'],
  config: ['yaml'], // every YAML file is read within the same bounds
  classifiers: [],
  proxy: ['stream', 'policy', 'tools'],
  // steering masks and forces what policy says of a call while a row spells it
  steering: ['policy', 'programs', 'session', 'tools'],
  // the embedded engine runs token programs as the plugin does, and speaks the same proto file
  engine: ['automata', 'vocabulary', 'step'],
  playground: ['stream', 'feed'], // shows what both planes did with one request
  admin: ['feed'], // streams the events
}
const TOP = ['main', 'cli']
const WORLD =
  /^node:(fs|net|http|https|http2|os|process|timers|child_process|worker_threads|readline|tty|dns|tls|cluster|dgram|perf_hooks)/
const WORLD_PACKAGES = [
  '@grpc/',
  'grpc-health-check',
  'onnxruntime-node',
  'pino',
  'undici',
  'prom-client',
  '@xenova/',
]
const WORLD_FILE =
  /(^|-|\/)(grpc|http|file|files|onnx|env|worker|process|clock|log|prometheus|socket|cli|watch|terminal|hub)\.ts$/

type Import = { readonly file: string; readonly target: string }

function sources(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) return sources(path)
    return entry.name.endsWith('.ts') ? [path] : []
  })
}

function imports(): Import[] {
  return sources(SRC).flatMap((path) => {
    const text = readFileSync(path, 'utf8')
    const found = text.matchAll(/(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s+['"]([^'"]+)['"]/g)
    return [...found].map((m) => ({ file: relative(SRC, path), target: m[1] ?? '' }))
  })
}

const room = (file: string): string => (file.split('/')[0] ?? '').replace(/\.ts$/, '')
const all = imports()

describe('architecture', () => {
  it('lets a room import only itself, model, and the doors in the table', () => {
    const wrong = all.flatMap(({ file, target }) => {
      if (!target.startsWith('.')) return []
      const from = room(file)
      const to = room(relative(SRC, resolve(SRC, dirname(file), target)))
      const open = TOP.includes(from) || from === to || to === 'model'
      return open || DOORS[from]?.includes(to) === true ? [] : [`${file} -> ${to}`]
    })
    expect(wrong).toEqual([])
  })

  it('touches the world only in files that are named after what they touch', () => {
    const wrong = all.flatMap(({ file, target }) => {
      const touches = WORLD.test(target) || WORLD_PACKAGES.some((p) => target.startsWith(p))
      const named = TOP.includes(room(file)) || WORLD_FILE.test(file) || room(file) === 'proxy'
      return touches && !named ? [`${file} -> ${target}`] : []
    })
    expect(wrong).toEqual([])
  })

  // V8 gives every such object a map of its own that holds the getter and all that it closes over until a full
  // collection; one made for each request keeps the requests after it alive through every young one.
  it('writes objects with getters as classes, but for those made once in a process', () => {
    const once = ['vocabulary/vocabulary.ts', 'audit/log.ts', 'feed/feed.ts']
    const wrong = sources(SRC).flatMap((path) => {
      const file = relative(SRC, path)
      const isOnce = once.includes(file) || file.startsWith('policy/schema/')
      const getter = /\n {4,}get \w+\(\)/.exec(readFileSync(path, 'utf8'))
      return getter !== null && !isOnce ? [`${file}:${getter[0].trimStart()}`] : []
    })
    expect(wrong).toEqual([])
  })
})
