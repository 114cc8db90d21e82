/**
 * Which token program every policy runs on every attached vocabulary.
 *
 * A new set of programs is published only when all of it is compiled; until then the old one stays
 * in force. Compiling happens elsewhere (`compile`), so nothing here waits or blocks.
 *
 * Bound: `maxPrograms` compiled programs; past it the one that no set names and that was used least
 * recently is dropped. Rows that still run it keep it alive for themselves.
 */
import { createHash } from 'node:crypto'
import type { Ban } from '../model/ban.ts'
import type { ProgramImage, ProgramSet, ProgramState } from '../model/engine.ts'
import { GuardError } from '../model/errors.ts'

/** What a book needs of a policy. */
export type BannedPolicy = { readonly digest: string; readonly bans: readonly Ban[] }

/** A program ready to be walked here; the same tables as its image. */
export interface LoadedProgram {
  readonly digest: string
  readonly start: ProgramState
  next(state: ProgramState, token: number): ProgramState
  isDead(state: ProgramState): boolean
  report?(state: ProgramState): number
  fromReport?(reported: number): ProgramState | undefined
  /** For explanations; a program may do without. */
  isDenied?(state: ProgramState, token: number): boolean
}

export type BookParts<P extends BannedPolicy, W extends LoadedProgram> = {
  /** Every policy that a request may name now. */
  readonly policies: () => readonly P[]
  /** For rows without an identity. */
  readonly defaultPolicy: () => P
  readonly compile: (bans: readonly Ban[], vocabularyDigest: string) => Promise<ProgramImage>
  readonly load: (image: ProgramImage) => W
  /** Told of programs that could not be compiled; the set that was in force stays. */
  readonly failed: (error: GuardError) => void
  readonly maxPrograms: number
}

type Entry<W> = { readonly image: ProgramImage; readonly walk: W }
type Changed = (set: ProgramSet) => void
type Shelf = {
  readonly listeners: Set<Changed>
  set: ProgramSet | undefined
  /** Grows with every refresh, so that an overtaken one is not published. */
  turn: number
}

export class ProgramBook<P extends BannedPolicy, W extends LoadedProgram> {
  readonly #parts: BookParts<P, W>
  /** By bans and vocabulary, least recently used first. */
  readonly #entries = new Map<string, Entry<W>>()
  readonly #pending = new Map<string, Promise<Entry<W>>>()
  readonly #byDigest = new Map<string, Entry<W>>()
  readonly #shelves = new Map<string, Shelf>()
  readonly #banKeys = new WeakMap<readonly Ban[], string>()
  #revision = 0

  constructor(parts: BookParts<P, W>) {
    this.#parts = parts
  }

  /** Calls `changed` with the programs of a vocabulary now or soon, and at every change. */
  subscribe(vocabularyDigest: string, changed: Changed): () => void {
    const known = this.#shelves.get(vocabularyDigest)
    const shelf: Shelf = known ?? { listeners: new Set(), set: undefined, turn: 0 }
    this.#shelves.set(vocabularyDigest, shelf)
    shelf.listeners.add(changed)
    if (shelf.set !== undefined) changed(shelf.set)
    else if (known === undefined) void this.#fill(vocabularyDigest, shelf)
    return () => {
      shelf.listeners.delete(changed)
      if (shelf.listeners.size === 0 && this.#shelves.get(vocabularyDigest) === shelf) {
        this.#shelves.delete(vocabularyDigest)
      }
    }
  }

  /**
   * The policies changed: compiles what is new and publishes it. Resolves when that is done, with the
   * mistake when something could not be compiled and so nothing new was published.
   */
  async refresh(): Promise<GuardError | undefined> {
    const fills = [...this.#shelves].map(([digest, shelf]) => this.#fill(digest, shelf))
    return (await Promise.all(fills)).find((failure) => failure !== undefined)
  }

  find(digest: string): W | undefined {
    return this.#byDigest.get(digest)?.walk
  }

  /** The program of a policy on a vocabulary; undefined when it bans nothing or is not ready. */
  expected(policy: P, vocabularyDigest: string): W | undefined {
    if (policy.bans.length === 0) return undefined
    return this.#entries.get(this.#key(policy.bans, vocabularyDigest))?.walk
  }

  /** The sets in force, by vocabulary digest. */
  sets(): ReadonlyMap<string, ProgramSet | undefined> {
    return new Map([...this.#shelves].map(([digest, shelf]) => [digest, shelf.set]))
  }

  get size(): number {
    return this.#entries.size
  }

  async #fill(vocabularyDigest: string, shelf: Shelf): Promise<GuardError | undefined> {
    const turn = ++shelf.turn
    const standard = this.#parts.defaultPolicy()
    const policies = new Set([standard, ...this.#parts.policies()])
    const banning = [...policies].filter((policy) => policy.bans.length > 0)
    const entries = await Promise.all(
      banning.map((policy) => this.#compiled(policy.bans, vocabularyDigest)),
    ).catch((error: unknown) => {
      const failure = GuardError.from(error, 'program_invalid')
      this.#parts.failed(failure)
      return failure
    })
    if (entries instanceof GuardError) return entries
    if (turn !== shelf.turn) return undefined
    const images = new Map(entries.map(({ image }) => [image.digest, image]))
    shelf.set = {
      revision: ++this.#revision,
      defaultProgram: this.expected(standard, vocabularyDigest)?.digest ?? '',
      programs: [...images.values()],
    }
    this.#trim()
    for (const changed of shelf.listeners) changed(shelf.set)
    return undefined
  }

  #compiled(bans: readonly Ban[], vocabularyDigest: string): Promise<Entry<W>> {
    const key = this.#key(bans, vocabularyDigest)
    const known = this.#entries.get(key)
    if (known !== undefined) {
      this.#entries.delete(key)
      this.#entries.set(key, known)
      return Promise.resolve(known)
    }
    const running = this.#pending.get(key)
    if (running !== undefined) return running
    const started = this.#compile(key, bans, vocabularyDigest).finally(() =>
      this.#pending.delete(key),
    )
    this.#pending.set(key, started)
    return started
  }

  async #compile(key: string, bans: readonly Ban[], vocabularyDigest: string): Promise<Entry<W>> {
    const image = await this.#parts.compile(bans, vocabularyDigest)
    const twin = this.#byDigest.get(image.digest)
    const entry = twin ?? { image, walk: this.#parts.load(image) }
    this.#entries.set(key, entry)
    this.#byDigest.set(image.digest, entry)
    return entry
  }

  #trim(): void {
    const named = new Set<string>()
    for (const { set } of this.#shelves.values()) {
      for (const program of set?.programs ?? []) named.add(program.digest)
    }
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size <= this.#parts.maxPrograms) return
      if (named.has(entry.image.digest)) continue
      this.#entries.delete(key)
      this.#byDigest.delete(entry.image.digest)
    }
  }

  #key(bans: readonly Ban[], vocabularyDigest: string): string {
    const known = this.#banKeys.get(bans)
    if (known !== undefined) return known + vocabularyDigest
    // The place of a ban is for messages: it changes nothing in the program.
    const told = bans.map((ban) => [ban.id, ban.kind, ban.text, ban.match, ban.folds, ban.pending])
    const key = createHash('sha256').update(JSON.stringify(told)).digest('hex')
    this.#banKeys.set(bans, key)
    return key + vocabularyDigest
  }
}
