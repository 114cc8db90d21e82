import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../../src/config/file.ts'
import { readSiteSettings } from '../../../src/main/site/site-files.ts'

function warnings(...flags: readonly (readonly [string, string])[]): readonly string[] {
  const set = flags.map(([path, text]) => ({ path: path.split('.'), text, from: '--set' }))
  const effective = loadConfig({ flags: set, env: {} })
  return readSiteSettings(effective, { destinations: [], isLowering: () => false }).warnings
}

describe('readSiteSettings', () => {
  it('says that text is judged where embedding_mode has no probe', () => {
    expect(warnings(['classifiers.embedding_mode', 'true'])).toEqual([
      expect.stringMatching(/no probe is fitted .* its text is judged/),
    ])
    expect(warnings()).toEqual([])
  })
})
