/**
 * Vocabularies on disk, by digest, so that an engine sends its own only once.
 *
 * Written to a temporary file and renamed, so a reader never sees half a file. A damaged file is a
 * miss and is removed. Past `maxBytes` the files that were used longest ago are removed.
 */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs'
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { GuardError } from '../model/errors.ts'
import { createVocabularyAssembler, listNames, type Vocabulary } from './vocabulary.ts'

export interface VocabularyCache {
  /** The vocabulary, or undefined when it is not there or its file is damaged. */
  get(digest: string): Vocabulary | undefined
  /** Keeps a vocabulary; one larger than the whole cache is not kept. Throws `config_invalid` when the folder cannot be written. */
  put(vocabulary: Vocabulary): void
}

/** Magic, size, kinds, lengths, bytes; since version 2 then a length for each name, and the names. */
const MAGIC = 'CSVOCAB2'
const NAMELESS = 'CSVOCAB1'
const HEADER = MAGIC.length + 8
const NAME = /^[0-9a-f]{64}\.vocabulary$/

export function createVocabularyCache(
  dir: string,
  options: { readonly maxBytes: number },
): VocabularyCache {
  const pathOf = (digest: string): string => join(dir, `${digest}.vocabulary`)
  return {
    get(digest) {
      if (!/^[0-9a-f]{64}$/.test(digest)) return undefined
      const path = pathOf(digest)
      let bytes: Uint8Array
      try {
        bytes = readFileSync(path)
      } catch {
        return undefined
      }
      try {
        const vocabulary = decode(bytes, digest)
        const now = new Date()
        utimesSync(path, now, now)
        return vocabulary
      } catch {
        // Damaged: as good as absent, and in the way of a good one.
        rmSync(path, { force: true })
        return undefined
      }
    },
    put(vocabulary) {
      const bytes = encode(vocabulary)
      if (bytes.length > options.maxBytes) return
      try {
        mkdirSync(dir, { recursive: true })
        makeRoom(dir, options.maxBytes - bytes.length)
        write(pathOf(vocabulary.digest), bytes)
      } catch (cause) {
        const message = `vocabulary cache: expected a writable folder, got ${dir}`
        throw new GuardError('config_invalid', message, { cause })
      }
    },
  }
}

function encode(v: Vocabulary): Uint8Array {
  const names = listNames(v)
  const head = Buffer.alloc(HEADER)
  head.write(MAGIC, 0, 'latin1')
  head.writeUInt32LE(v.size, MAGIC.length)
  head.writeUInt32LE(names.length, MAGIC.length + 4)
  const lengths = numbers(v.size, (id) => v.offsets[id + 1]! - v.offsets[id]!)
  const nameLengths = numbers(names.length, (i) => names[i]!.length)
  return Buffer.concat([head, v.kinds, lengths, nameLengths, v.data, ...names])
}

function numbers(count: number, of: (index: number) => number): Uint8Array {
  const out = Buffer.alloc(count * 4)
  for (let i = 0; i < count; i++) out.writeUInt32LE(of(i), i * 4)
  return out
}

function decode(bytes: Uint8Array, digest: string): Vocabulary {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const magic = file.toString('latin1', 0, MAGIC.length)
  if (magic !== MAGIC && magic !== NAMELESS) throw new Error('not a vocabulary file')
  let at = MAGIC.length
  const take = (length: number): Buffer => {
    if (length > file.length - at) throw new Error('vocabulary file is cut short')
    at += length
    return file.subarray(at - length, at)
  }
  const readNumbers = (count: number): Uint32Array => {
    const part = take(count * 4)
    return Uint32Array.from({ length: count }, (_, i) => part.readUInt32LE(i * 4))
  }
  const size = take(4).readUInt32LE()
  const nameCount = magic === MAGIC ? take(4).readUInt32LE() : 0
  const kinds = new Uint8Array(take(size))
  const lengths = readNumbers(size)
  const nameLengths = readNumbers(nameCount)
  const data = new Uint8Array(take(lengths.reduce((sum, length) => sum + length, 0)))
  const assembler = createVocabularyAssembler(digest, size)
  assembler.add({ firstId: 0, kinds, lengths, data, nameLengths, names: file.subarray(at) })
  return assembler.done()
}

function write(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`
  const fd = openSync(temporary, 'w', 0o600)
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, path)
}

function makeRoom(dir: string, room: number): void {
  const files = readdirSync(dir)
    .filter((name) => NAME.test(name))
    .map((name) => ({ path: join(dir, name), stat: statSync(join(dir, name)) }))
    .sort((a, b) => a.stat.mtimeMs - b.stat.mtimeMs)
  let used = files.reduce((sum, file) => sum + file.stat.size, 0)
  for (const { path, stat } of files) {
    if (used <= room) break
    rmSync(path, { force: true })
    used -= stat.size
  }
}
