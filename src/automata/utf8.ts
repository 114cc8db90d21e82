/**
 * UTF-8 across token borders: decoding from the middle of a character.
 *
 * A token may end inside a character; what it leaves is a prefix of one to three bytes. Broken
 * bytes read as U+FFFD, one for each maximal prefix (WHATWG Encoding §4.1.1); for bans one is as
 * good as many.
 */
import { REPLACEMENT } from './unicode.ts'

/** A prefix as a number: its bytes, big-endian, after a leading 1. 0 = no prefix. */
export type Prefix = number

export function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80
}

/** Bytes that are still missing. */
export function missing(prefix: Prefix): number {
  const { lead, length } = unpack(prefix)
  return (lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2) - length
}

function unpack(prefix: Prefix): { readonly lead: number; readonly length: number } {
  const length = prefix > 0xffffff ? 3 : prefix > 0xffff ? 2 : 1
  return { lead: (prefix >>> ((length - 1) * 8)) & 0xff, length }
}

/** May `byte` follow the prefix? Excludes overlong forms, surrogates and values past U+10FFFF. */
export function accepts(prefix: Prefix, byte: number): boolean {
  if (!isContinuation(byte)) return false
  switch (prefix) {
    case 0x1e0:
      return byte >= 0xa0
    case 0x1ed:
      return byte <= 0x9f
    case 0x1f0:
      return byte >= 0x90
    case 0x1f4:
      return byte <= 0x8f
    default:
      return true
  }
}

function codePoint(prefix: Prefix, last: number): number {
  const { lead, length } = unpack(prefix)
  let c = lead & (length === 1 ? 0x1f : length === 2 ? 0x0f : 0x07)
  for (let i = length - 2; i >= 0; i--) c = (c << 6) | ((prefix >>> (i * 8)) & 0x3f)
  return (c << 6) | (last & 0x3f)
}

/**
 * Decodes bytes that follow `prefix`, calling `emit` per code point; gives the prefix that is left.
 */
export function decode(bytes: Uint8Array, prefix: Prefix, emit: (c: number) => void): Prefix {
  let open = prefix
  for (const byte of bytes) {
    if (open !== 0) {
      if (accepts(open, byte)) {
        if (missing(open) > 1) open = (open << 8) | byte
        else {
          emit(codePoint(open, byte))
          open = 0
        }
        continue
      }
      emit(REPLACEMENT)
      open = 0
    }
    if (byte < 0x80) emit(byte)
    else if (byte >= 0xc2 && byte <= 0xf4) open = 0x100 | byte
    else emit(REPLACEMENT)
  }
  return open
}
