import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { loadPolicies, readPolicyFiles } from '../../src/policy/files/file.ts'
import { watchPolicies } from '../../src/policy/files/watch-file.ts'
import type { PolicyChange, PolicyWatch, WatchOptions } from '../../src/policy/files/watch-file.ts'

const body = (phrase: string): string => `name: p
rules:
  - name: r
    trigger: {type: keywords, any: [${phrase}]}
    actions: [{type: stop}]
`
const broken = 'name: p\nrules: [{name: r, actions: [{type: stpo}]}]\n'

/** A folder as the kubelet makes it: files → ..data → ..version. */
function configMap(text: string): { path: string; swap: (text: string) => void } {
  const path = mkdtempSync(join(tmpdir(), 'checkstream-policies-'))
  let version = 0
  const swap = (next: string): void => {
    const folder = `..2026_${version++}`
    mkdirSync(join(path, folder))
    writeFileSync(join(path, folder, 'p.yaml'), next)
    symlinkSync(folder, join(path, '..data_tmp'))
    renameSync(join(path, '..data_tmp'), join(path, '..data'))
  }
  swap(text)
  symlinkSync(join('..data', 'p.yaml'), join(path, 'p.yaml'))
  return { path, swap }
}

const open: PolicyWatch[] = []
const folders: string[] = []
afterEach(() => {
  for (const watch of open.splice(0)) watch.close()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function follow(path: string, options: Partial<WatchOptions> = {}) {
  const changes: PolicyChange[] = []
  const waiting: (() => void)[] = []
  const watch = watchPolicies(
    path,
    (change) => {
      changes.push(change)
      for (const wake of waiting.splice(0)) wake()
    },
    { debounceMs: 20, intervalMs: 100, ...options },
  )
  open.push(watch)
  const next = async (): Promise<void> => {
    await new Promise<void>((wake) => waiting.push(wake))
    await setImmediate() // what is counted after it is counted
  }
  return { changes, watch, next }
}

function start(text: string) {
  const map = configMap(text)
  folders.push(map.path)
  return { ...map, ...follow(map.path, { initial: readPolicyFiles(map.path) }) }
}

function emptyFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'checkstream-policies-'))
  folders.push(path)
  return path
}

describe('watchPolicies', () => {
  it('loads a ConfigMap once although its folder holds the versions too', () => {
    const { path } = start(body('alpha'))
    const library = loadPolicies(path)
    expect([...library.policies.keys()]).toEqual(['p'])
    expect(library.combined.name).toBe('p')
  })

  it('sees a symlink swap, refuses a broken set, and goes on with the next good one', async () => {
    const { swap, changes, watch, next } = start(body('alpha'))
    let heard = next()
    swap(body('beta'))
    await heard
    expect(changes[0]).toMatchObject({ kind: 'loaded' })
    heard = next()
    swap(broken)
    await heard
    expect(changes[1]).toMatchObject({ kind: 'refused' })
    expect(watch.error?.message).toMatch(/p\.yaml:2:\d+ error: .*did you mean stop\?/)
    heard = next()
    swap(body('gamma'))
    await heard
    const last = changes[2]
    expect(last?.kind === 'loaded' && last.library.combined.texts[0]?.text).toBe('gamma')
    expect(watch.error).toBeUndefined()
    expect([watch.reloads, watch.refusals]).toEqual([2, 1])
  })

  it('sees the first policy of a folder that was empty', async () => {
    const path = emptyFolder()
    const { changes, next } = follow(path, { initial: [] })
    const heard = next()
    writeFileSync(join(path, 'p.yaml'), body('alpha'))
    await heard
    expect(changes[0]).toMatchObject({ kind: 'loaded' })
  })

  it('sees a folder that is made only later, and one that is made again', async () => {
    const path = join(emptyFolder(), 'policies')
    const readFiles = () => (existsSync(path) ? readPolicyFiles(path) : [])
    const { changes, next } = follow(path, { initial: [], readFiles })
    for (const phrase of ['alpha', 'beta']) {
      const heard = next()
      rmSync(path, { recursive: true, force: true })
      mkdirSync(path)
      writeFileSync(join(path, 'p.yaml'), body(phrase))
      await heard
    }
    const last = changes.at(-1)
    expect(last?.kind === 'loaded' && last.library.combined.texts[0]?.text).toBe('beta')
  })

  it('keeps the last good set when every policy is gone, and tells it once', async () => {
    const { path, changes, watch, next } = start(body('alpha'))
    const heard = next()
    rmSync(join(path, 'p.yaml'))
    await heard
    await watch.reload()
    expect(changes.map((c) => c.kind)).toEqual(['refused', 'refused'])
    expect(watch.error?.message).toMatch(/there are no policies any more/)
    expect(watch.reloads).toBe(0)
  })

  it('refuses a set that somebody who is told of it refuses', async () => {
    const map = configMap(body('alpha'))
    folders.push(map.path)
    const heard: string[] = []
    const refuse = (change: PolicyChange): void => {
      heard.push(change.kind)
      if (change.kind === 'loaded') throw new Error('no engine holds it')
    }
    const watch = watchPolicies(map.path, refuse, { isFollowing: false })
    open.push(watch)
    expect(await watch.reload()).toMatchObject({ kind: 'refused' })
    expect(heard).toEqual(['loaded', 'refused'])
    expect(watch.error?.message).toBe('no engine holds it')
  })

  it('reads again when it is told to, though nothing changed', async () => {
    const { watch, changes } = start(body('alpha'))
    const change = await watch.reload()
    expect(change?.kind).toBe('loaded')
    expect(changes).toHaveLength(1)
  })
})
