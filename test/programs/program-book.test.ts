import { describe, expect, it } from 'vitest'
import type { ProgramImage, ProgramSet } from '../../src/model/engine.ts'
import { GuardError } from '../../src/model/errors.ts'
import { ProgramBook } from '../../src/programs/program-book.ts'
import type { LoadedProgram } from '../../src/programs/program-book.ts'
import { toBans } from '../step/naive-plane.ts'

const policy = (name: string, bans: readonly string[]) => ({ digest: name, bans: toBans(bans) })
type Policy = ReturnType<typeof policy>

function stage(first: readonly Policy[], maxPrograms = 8) {
  let policies = first
  const compiled: string[] = []
  const failures: GuardError[] = []
  const gates: (() => void)[] = []
  let isGated = false
  const book = new ProgramBook<Policy, LoadedProgram>({
    policies: () => policies,
    defaultPolicy: () => policies[0] ?? policy('none', []),
    compile: async (bans, vocabulary) => {
      const digest = `${bans.map((ban) => ban.text)}@${vocabulary}`
      compiled.push(digest)
      if (isGated) await new Promise<void>((resolve) => gates.push(resolve))
      if (digest.includes('explode')) throw new GuardError('policy_invalid', 'too many states')
      return { digest, blob: new Uint8Array(4) }
    },
    load: (image: ProgramImage) => ({
      digest: image.digest,
      start: 0,
      next: () => 0,
      isDead: () => false,
    }),
    failed: (error) => failures.push(error),
    maxPrograms,
  })
  return {
    book,
    compiled,
    failures,
    use: (next: readonly Policy[]) => {
      policies = next
    },
    gate: () => {
      isGated = true
    },
    open: () => {
      isGated = false
      for (const gate of gates.splice(0)) gate()
    },
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))
const names = (set: ProgramSet | undefined) => set?.programs.map((program) => program.digest)

describe('ProgramBook', () => {
  it('publishes a set when all of it is compiled, and tells later subscribers at once', async () => {
    const a = policy('a', ['x'])
    const { book } = stage([a, policy('b', ['y'])])
    const sets: ProgramSet[] = []
    book.subscribe('v', (set) => sets.push(set))
    expect(sets).toEqual([])
    await settle()
    expect(sets).toMatchObject([{ revision: 1, defaultProgram: 'x@v' }])
    expect(names(sets[0])).toEqual(['x@v', 'y@v'])
    const again: ProgramSet[] = []
    book.subscribe('v', (set) => again.push(set))
    expect(again).toEqual(sets)
    expect(book.expected(a, 'v')?.digest).toBe('x@v')
    expect(book.expected(a, 'w')).toBeUndefined()
    expect(book.find('y@v')?.digest).toBe('y@v')
  })

  it('says so when no policy bans anything', async () => {
    const { book } = stage([policy('a', [])])
    const sets: ProgramSet[] = []
    book.subscribe('v', (set) => sets.push(set))
    await settle()
    expect(sets).toEqual([{ revision: 1, defaultProgram: '', programs: [] }])
  })

  it('compiles a list of bans once for a vocabulary, whoever has it', async () => {
    const { book, compiled } = stage([policy('a', ['x']), policy('b', ['x'])])
    book.subscribe('v', () => undefined)
    book.subscribe('w', () => undefined)
    await settle()
    await book.refresh()
    expect(compiled).toEqual(['x@v', 'x@w'])
  })

  it('keeps the set in force when the next one cannot be compiled, and reports it', async () => {
    const { book, use, failures } = stage([policy('a', ['x'])])
    const sets: ProgramSet[] = []
    book.subscribe('v', (set) => sets.push(set))
    await settle()
    use([policy('a', ['explode'])])
    await book.refresh()
    expect(failures.map((error) => error.message)).toEqual(['too many states'])
    expect(sets).toHaveLength(1)
    use([policy('a', ['z'])])
    await book.refresh()
    expect(names(sets[1])).toEqual(['z@v'])
  })

  it('publishes only the newest of two changes that overtake each other', async () => {
    const { book, use, gate, open } = stage([policy('a', ['x'])])
    const sets: ProgramSet[] = []
    book.subscribe('v', (set) => sets.push(set))
    await settle()
    gate()
    use([policy('a', ['slow'])])
    const first = book.refresh()
    use([policy('a', ['newest'])])
    const second = book.refresh()
    open()
    await Promise.all([first, second])
    expect(sets.map(names)).toEqual([['x@v'], ['newest@v']])
  })

  it('drops what no set names when it holds too many, and never what one names', async () => {
    const { book, use } = stage([policy('a', ['0'])], 3)
    book.subscribe('v', () => undefined)
    await settle()
    for (let i = 1; i < 10; i++) {
      use([policy('a', [String(i)]), policy('b', ['stays'])])
      await book.refresh()
    }
    expect(book.size).toBe(3)
    expect(book.find('9@v')?.digest).toBe('9@v')
    expect(book.find('stays@v')?.digest).toBe('stays@v')
    expect(book.find('0@v')).toBeUndefined()
  })

  it('forgets a vocabulary that nobody uses any more', async () => {
    const { book } = stage([policy('a', ['x'])])
    const leave = book.subscribe('v', () => undefined)
    await settle()
    leave()
    expect(book.sets().size).toBe(0)
  })
})
