/**
 * Addresses that a tool may be sent to: never a private, local or special one, however it is spelled.
 * The WHATWG parser has undone decimal, octal and hexadecimal IPv4 before the ranges are looked at.
 *
 * Names are not resolved here: a public name that points to a private address (DNS rebinding) has to
 * be stopped where the connection is made.
 */

/** Why the address is refused; undefined when it is allowed. */
export function refuseUrl(
  text: string,
  schemes: readonly string[],
  hosts: readonly string[] | undefined,
): string | undefined {
  // Control characters and back slashes are read differently by different clients.
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u0020\u007f\\]/.test(text)) return 'has white space, control characters or \\'
  const url = parseUrl(text)
  if (url === undefined) return 'is not an absolute URL'
  const scheme = url.protocol.slice(0, -1)
  if (!schemes.includes(scheme)) return `has the scheme ${scheme}, expected ${schemes.join(' or ')}`
  if (url.username !== '' || url.password !== '') return 'carries credentials'
  const host = url.hostname.replace(/\.$/, '')
  if (host === '') return 'has no host'
  const special = refuseHost(host)
  if (special !== undefined) return special
  if (hosts !== undefined && !isUnder(host, hosts))
    return `goes to ${host}, which is not in the list`
  return undefined
}

export function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}

/** Exact names, or every name under `*.example.com`. Compared in ASCII (punycode) form. */
export function isUnder(host: string, list: readonly string[]): boolean {
  const name = asciiHost(host)
  if (name === undefined) return false
  return list.some((entry) => {
    if (!entry.startsWith('*.')) return asciiHost(entry) === name
    const parent = asciiHost(entry.slice(2))
    return parent !== undefined && name.endsWith(`.${parent}`)
  })
}

/** A host name as it is looked up; undefined when it is none. */
export function asciiHost(host: string): string | undefined {
  if (!/^[^\s/:@?#\\%]+$/u.test(host)) return undefined
  return parseUrl(`http://${host}`)?.hostname.replace(/\.$/, '')
}

function refuseHost(host: string): string | undefined {
  if (/(^|\.)(localhost|local|localdomain|internal|intranet|home\.arpa)$/.test(host)) {
    return `goes to the local name ${host}`
  }
  if (host.startsWith('[')) {
    return isSpecialV6(host.slice(1, -1)) ? `goes to the special address ${host}` : undefined
  }
  const v4 = toV4(host)
  if (v4 !== undefined) return isSpecialV4(v4) ? `goes to the special address ${host}` : undefined
  return host.includes('.') ? undefined : `goes to ${host}, a name without a domain`
}

function toV4(host: string): number | undefined {
  const parts = host.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part))) return undefined
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0)
}

/** IANA IPv4 special-purpose address registry: everything that is not globally reachable. */
const SPECIAL_V4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
]

function isSpecialV4(address: number): boolean {
  return SPECIAL_V4.some(([base, bits]) => {
    const size = 2 ** (32 - bits)
    return Math.floor(address / size) === Math.floor((toV4(base) ?? 0) / size)
  })
}

/** Only 2000::/3 is global, without the ranges in it that embed IPv4 or are reserved (RFC 6890). */
function isSpecialV6(text: string): boolean {
  const words = expandV6(text)
  const [a = 0, b = 0, c = 0] = words
  const isNat64 = a === 0x64 && b === 0xff9b
  const embedded = ((words[6] ?? 0) * 65536 + (words[7] ?? 0)) >>> 0
  if (isNat64) return isSpecialV4(embedded)
  if (a < 0x2000 || a > 0x3fff) return true
  if (a === 0x2002) return isSpecialV4(b * 65536 + c)
  return a === 0x2001 && (b < 0x200 || b === 0xdb8)
}

function hexWords(part: string): number[] {
  return part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16))
}

function expandV6(text: string): number[] {
  const [head = '', tail] = text.split('::')
  const front = hexWords(head)
  if (tail === undefined) return front
  const back = hexWords(tail)
  return [...front, ...Array<number>(8 - front.length - back.length).fill(0), ...back]
}
