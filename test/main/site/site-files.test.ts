import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
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
})
