import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { PolicyStore } from '../../../src/main/site/policy-store.ts'
import type { SiteSettings } from '../../../src/main/site/site-policies.ts'
import type { GuardEvent } from '../../../src/model/event.ts'
import { readPolicyFiles } from '../../../src/policy/files/file.ts'

const settings: SiteSettings = {
  bans: [],
  isMasking: false,
  onFailure: 'resident',
  standard: '',
  adaptive: undefined,
  classifiers: ['risk'],
  answered: [],
  calibration: {},
  destinations: [],
  isLowering: () => false,
}
const ended = (until: string): string => `name: p
rules:
  - name: r
    trigger: { type: keywords, any: [x] }
    actions: [{ type: log }]
    exceptions: [{ reason: pilot, until: ${until} }]
`

describe('PolicyStore', () => {
  it('tells what is doubtful in the policies in force, when it opens and when they change', async () => {
    const path = mkdtempSync(join(tmpdir(), 'policies-'))
    const write = (text: string): void => writeFileSync(join(path, 'p.yaml'), text)
    const seen: GuardEvent[] = []
    write(ended('2020-01-01'))
    const readFiles = () => readPolicyFiles(path)
    const observe = (event: GuardEvent): void => void seen.push(event)
    const files = readFiles()
    const store = await PolicyStore.open({ path, files, settings, observe, readFiles })
    expect(store.warnings).toEqual([
      expect.stringMatching(/p\.yaml:6:\d+ warning: .* ended on 2020-01-01/),
    ])
    store.watch(60_000, false)
    write(ended('2099-01-01'))
    await store.reload()
    expect(store.warnings).toEqual([])
    write(ended('2021-01-01'))
    await store.reload()
    expect(seen.map((event) => event.kind === 'policy' && event.warnings?.length)).toEqual([0, 1])
    store.close()
  })
})
