/**
 * The hosts that a text of a call speaks of. One reading for every condition and rule on domains: which
 * of several a mail program or a client takes is anybody's guess, so each of them counts.
 */
import { asciiHost, parseUrl } from './url.ts'

/**
 * After every `@`, of everything with `://`, and of the text itself where it is a URL or a bare name.
 * In ASCII (punycode), lower case, without port; '' for one that cannot be read. At least one.
 */
export function hostsIn(text: string): readonly string[] {
  const plain = text.normalize('NFKC')
  const written = [...plain.matchAll(AUTHORITY)].map(([, found = '']) => found)
  const whole = parseUrl(plain.trim())?.hostname ?? ''
  const all = whole === '' ? written : [...written, whole]
  const hosts = all.length > 0 ? all : [plain.trim()]
  return [...new Set(hosts.map((host) => asciiHost(host.replace(/:\d*$/, '')) ?? ''))]
}

/** Up to what ends an address or the authority of a URL, in prose as well. */
const AUTHORITY = /(?:@|:\/\/)([^@/?#<>\s,;"'(){}|]*)/g
