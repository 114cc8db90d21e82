import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEncoder, type Encoder } from '../../src/classifiers/encoder-hub.ts'
import { loadModelFolder, openRegistered, readRegistry } from '../../src/classifiers/models-file.ts'
import { servable } from '../../src/classifiers/registry.ts'

const MODELS = resolve(import.meta.dirname, '../../models')
const PATIENT = { priority: 'prompt', deadlineMs: 60_000 } as const

type Case = {
  readonly text: string
  readonly found: readonly (readonly [string, number, number, number])[]
}

const cases = readFileSync(join(import.meta.dirname, '../data/classifiers/names.jsonl'), 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as Case)

describe('the tagger of names and addresses', () => {
  let tagger: Encoder
  beforeAll(async () => {
    const entry = servable(readRegistry(MODELS), 'names')
    tagger = await openEncoder(openRegistered(MODELS, entry), { name: 'pii_detector' })
  })
  afterAll(() => tagger.close())

  it.each(cases)('finds what the training side finds in $text', async ({ text, found }) => {
    const result = await tagger.classify(text, PATIENT)
    if (result.kind !== 'verdicts') throw new Error(result.kind)
    const got = result.verdicts.map((v) => [v.label, ...v.span])
    expect(got).toEqual(found.map(([label, start, end]) => [label, start, end]))
    for (const [i, verdict] of result.verdicts.entries()) {
      expect(verdict.probability).toBeCloseTo(found[i]?.[3] ?? 0, 2)
    }
  })

  it('finds a name and an address, and gives their places', async () => {
    const text = 'My name is Maria Fernandez and I live at 12 Baker Street, London NW1 6XE.'
    const result = await tagger.classify(text, PATIENT)
    if (result.kind !== 'verdicts') throw new Error(result.kind)
    const parts = result.verdicts.map((v) => [v.label, text.slice(...v.span)])
    expect(parts).toContainEqual(['name', 'Maria Fernandez'])
    expect(parts.find(([label]) => label === 'address')?.[1]).toContain('12 Baker Street')
  })

  it('fails a text that is longer than it may judge', async () => {
    expect((await tagger.classify('word '.repeat(9000), PATIENT)).kind).toBe('failed')
  })
})

describe('a folder of a tagger', () => {
  it.each<[string, RegExp, (folder: string) => void]>([
    ['a truncated model', /not a model that can be run/, (f) => cut(join(f, 'model.onnx'))],
    ['a label too many', /expected logits for 6 labels/, (f) => relabel(f, 'sixth')],
    ['another kind of model', /no input named features/, (f) => copyModel(f)],
  ])('is refused with %s', async (_name, message, change) => {
    const folder = mkdtempSync(join(tmpdir(), 'checkstream-names-'))
    cpSync(join(MODELS, 'names'), folder, { recursive: true })
    change(folder)
    await expect(openEncoder(loadModelFolder(folder), { name: 'x' })).rejects.toThrow(message)
  })

  it('is refused when a file is not the registered one', () => {
    const entry = servable(readRegistry(MODELS), 'names')
    const files = { ...entry.files, 'model.onnx': '0'.repeat(64) }
    expect(() => openRegistered(MODELS, { ...entry, files })).toThrow(/digest mismatch/)
  })

  it('is refused when it is not there', () => {
    expect(() => loadModelFolder(join(MODELS, 'gone'))).toThrow(/expected a readable file/)
  })
})

function cut(path: string): void {
  writeFileSync(path, readFileSync(path).subarray(0, 900))
}

function relabel(folder: string, label: string): void {
  const path = join(folder, 'config.json')
  const config = JSON.parse(readFileSync(path, 'utf8')) as { labels: string[] }
  config.labels.push(label)
  writeFileSync(path, JSON.stringify(config))
}

function copyModel(folder: string): void {
  cpSync(
    join(import.meta.dirname, '../data/classifiers/tiny-token/model.onnx'),
    join(folder, 'model.onnx'),
  )
}
