/** Detectors of e-mail addresses and IP addresses. */
import type { Hit, Piece } from './finding.ts'

const LOCAL = /[\p{L}\p{N}._%+'-]/u
// RFC 5321 §4.5.3.1: 64 octets before the @, 255 after it.
const LOCAL_MAX = 64
const DOMAIN = /^(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.){1,8}\p{L}{2,24}/u

const SHARED = /^(?:git|hg|svn)$/

export function findEmails({ text }: Piece): Hit[] {
  const hits: Hit[] = []
  let from = 0
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    let start = at
    while (start > from && at - start < LOCAL_MAX && LOCAL.test(text[start - 1] ?? '')) start--
    while (start < at && /[.'-]/.test(text[start] ?? '')) start++
    const domain = DOMAIN.exec(text.slice(at + 1, at + 256))?.[0]
    if (start === at || domain === undefined || text[at - 1] === '.') continue
    from = at + 1 + domain.length
    // `git@host` and its like are logins that everybody shares.
    const shared = SHARED.test(text.slice(start, at))
    hits.push({ type: 'email', start, end: from, confidence: shared ? 0.4 : 0.97 })
  }
  return hits
}

const IPV4 =
  /(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d]|\.\d)/g
const IPV6 = /(?<![0-9A-Za-z:.])[0-9A-Fa-f:]{2,39}(?:\.\d{1,3}){0,3}(?![0-9A-Za-z:])/g

/** RFC 4291 §2.2: eight groups, or fewer with exactly one "::". */
function isIpv6(text: string): boolean {
  const halves = text.split('::')
  if (halves.length > 2 || !text.includes(':')) return false
  // `Bad::Cafe` is a name in a program; an address without a digit is rarer than that.
  if (!/\d/.test(text)) return false
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')))
  if (groups.some((g) => !/^[0-9A-Fa-f]{1,4}$/.test(g))) return false
  return halves.length === 2 ? groups.length < 8 && groups.length > 1 : groups.length === 8
}

/** Loopback, unspecified, netmasks: nobody's address. */
const NOBODY = /^(?:127\.|0\.|255\.)|^::1?$/
const VERSION = /(?:\bv|version|release|build)\s*[:=]?\s*$/i

export function findIps({ text, before }: Piece): Hit[] {
  const hits: Hit[] = []
  for (const match of text.matchAll(IPV4)) {
    const near = (before + text.slice(0, match.index)).slice(-20)
    const confidence = VERSION.test(near) || NOBODY.test(match[0]) ? 0.3 : 0.9
    hits.push({ type: 'ip', start: match.index, end: match.index + match[0].length, confidence })
  }
  for (const match of text.matchAll(IPV6)) {
    if (!isIpv6(match[0])) continue
    hits.push({
      type: 'ip',
      start: match.index,
      end: match.index + match[0].length,
      confidence: NOBODY.test(match[0]) ? 0.3 : 0.9,
    })
  }
  return hits
}
