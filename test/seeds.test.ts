/** The configuration documents of the first users, word for word, where they lie beside the repository. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseDocumentText } from '../src/config/document.ts'
import { toEffective } from '../src/config/layers.ts'

const ROOT = join(import.meta.dirname, '..')
const SEED = join(ROOT, '../shared/seeds/002_13c11a2bab06e820.txt')

/** The block under `**NAME**:`. */
function blockOf(text: string, name: string): string {
  const at = text.indexOf(`**${name}**:\n\`\`\`yaml\n`)
  if (at < 0) throw new Error(`${name} is not there`)
  const from = text.indexOf('\n', text.indexOf('```yaml', at)) + 1
  return text.slice(from, text.indexOf('```', from))
}

describe.skipIf(!existsSync(SEED))('the documents of the first users', () => {
  it.each([
    ['config.yaml', 'proxy'],
    ['sidecar-config.yaml', 'sidecar'],
  ])('%s loads as it was written, and means what our copy means', (name, mode) => {
    const text = blockOf(readFileSync(SEED, 'utf8'), name)
    const load = (one: string) => {
      const file = parseDocumentText(one, name)
      return toEffective({ file, environment: [], flags: [] })
    }
    const loaded = load(text)
    expect(loaded.warnings).toEqual([])
    expect(loaded.mode).toBe(mode)
    const copy = readFileSync(join(ROOT, 'test/data/config', name), 'utf8')
    expect(loaded.config).toEqual(load(copy).config)
  })
})
