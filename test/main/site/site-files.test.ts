import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { digestFolder } from '../../../src/classifiers/models-file.ts'
import { loadConfig } from '../../../src/config/file.ts'
import { readSiteSettings } from '../../../src/main/site/site-files.ts'

type Flag = readonly [string, string]

function read(...flags: readonly Flag[]): ReturnType<typeof readSiteSettings> {
  const set = flags.map(([path, text]) => ({ path: path.split('.'), text, from: '--set' }))
  const effective = loadConfig({ flags: set, env: {} })
  return readSiteSettings(effective, { destinations: [], isLowering: () => false })
}
const warnings = (...flags: readonly Flag[]): readonly string[] => read(...flags).warnings

describe('readSiteSettings', () => {
  it('says that text is judged where embedding_mode has no probe', () => {
    expect(warnings(['classifiers.embedding_mode', 'true'])).toEqual([
      expect.stringMatching(/no probe is fitted .* its text is judged/),
    ])
    expect(warnings()).toEqual([])
  })

  it('reads the calibration of every model that may answer, of any phase and any folder', () => {
    const own = join(import.meta.dirname, '../../../models/stream')
    const { calibration = {} } = read(
      ['classifiers.models', `[{ name: mine, path: '${own}' }]`],
      ['guardrails.ingress.classifiers', 'prompt_injection'],
      ['guardrails.midstream.classifiers', 'toxicity'],
    ).settings
    expect(Object.keys(calibration).toSorted()).toEqual([
      'mine',
      'prompt_injection',
      'toxicity_detector',
    ])
    expect(calibration['mine']).toContainEqual(
      expect.objectContaining({ model: 'stream', label: 'toxicity' }),
    )
  })

  it('keeps what is known of every model where a name has several, each with its digest', () => {
    const own = join(import.meta.dirname, '../../../models/encoder')
    const heads = (models: string) =>
      read(['classifiers.models', models]).settings.calibration?.['risk'] ?? []
    const shipped = heads('[risk]')
    expect(shipped.map(({ model, inStep }) => [model, inStep])).toEqual([
      ['stream', true],
      ['encoder', false],
    ])
    const both = heads(`[risk, { name: risk, path: '${own}' }]`)
    expect(both.slice(0, 2)).toEqual(shipped)
    expect(both.length).toBeGreaterThan(2)
    for (const { model, digest } of both) {
      expect(digest).toBe(digestFolder(join(own, '..', model)).digest)
    }
  })
})
