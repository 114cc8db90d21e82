import { afterAll, describe, expect, it } from 'vitest'
import { createProgramKit } from '../../../src/main/rows/program-kit.ts'
import { CANARY_BANS } from '../../../src/main/canary.ts'
import type { Ban } from '../../../src/model/ban.ts'
import { createVocabulary } from '../../../src/vocabulary/vocabulary.ts'
import { vocabulary as bytes } from '../fake-engine.ts'

const kit = createProgramKit({})
afterAll(() => kit.close())

describe('createProgramKit', () => {
  it('compiles off the main thread, and the program denies what is banned', async () => {
    const image = await kit.compile(CANARY_BANS, bytes)
    const program = kit.load(image)
    expect(program.digest).toBe(image.digest)
    expect(program.isDead(program.next(program.start, 'e'.charCodeAt(0)))).toBe(true)
    expect(program.isDead(program.next(program.start, 'a'.charCodeAt(0)))).toBe(false)
    expect((await kit.compile(CANARY_BANS, bytes)).digest).toBe(image.digest)
  })

  it('says what is wrong with a ban, and goes on', async () => {
    const bad: Ban = { ...(CANARY_BANS[0] as Ban), text: ' ', place: 'banned.json:1:2' }
    await expect(kit.compile([bad], bytes)).rejects.toThrow('banned.json:1:2')
    await expect(kit.compile(CANARY_BANS, bytes)).resolves.toHaveProperty('digest')
  })

  it('puts a vocabulary together from the chunks of an engine', () => {
    expect(createVocabulary).toBeTypeOf('function')
    const engine = { vocabularyDigest: bytes.digest, logitsWidth: bytes.size }
    const take = kit.vocabularies.assemble(engine as never)
    const lengths = [...bytes.kinds].map((kind) => (kind === 0 ? 1 : 0))
    const called = [...bytes.names.values()]
    const made = take({
      firstId: 0,
      kinds: bytes.kinds,
      lengths,
      data: bytes.data,
      nameLengths: called.map((name) => name.length),
      names: Buffer.from(called.join('')),
    })
    expect(made?.digest).toBe(bytes.digest)
    expect(made?.names).toEqual(bytes.names)
  })
})
