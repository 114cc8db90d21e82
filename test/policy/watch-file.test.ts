import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { loadPolicies, readPolicyFiles } from '../../src/policy/file.ts'
import { watchPolicies } from '../../src/policy/watch-file.ts'
import type { PolicyChange, PolicyWatch } from '../../src/policy/watch-file.ts'

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

function start(text: string) {
  const map = configMap(text)
  folders.push(map.path)
  const changes: PolicyChange[] = []
  const waiting: (() => void)[] = []
  const initial = readPolicyFiles(map.path)
  const watch = watchPolicies(
    map.path,
    (change) => {
      changes.push(change)
      for (const wake of waiting.splice(0)) wake()
    },
    { initial, debounceMs: 20, intervalMs: 100 },
  )
  open.push(watch)
  const next = (): Promise<void> => new Promise((wake) => waiting.push(wake))
  return { ...map, changes, watch, next }
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

  it('reads again when it is told to, though nothing changed', async () => {
    const { watch, changes } = start(body('alpha'))
    const change = await watch.reload()
    expect(change?.kind).toBe('loaded')
    expect(changes).toHaveLength(1)
  })
})
