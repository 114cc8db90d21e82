/**
 * File paths under allowed folders, compared after everything that hides a way out is undone:
 * percent encoding, back slashes, `.` and `..`, doubled slashes. Links are not followed here.
 */
import { percentDecode } from './folded.ts'

/** Why the path is refused; undefined when it lies in one of the folders. */
export function refusePath(text: string, under: readonly string[]): string | undefined {
  const path = normalPath(text)
  if (path === undefined) return 'is not an absolute path'
  const isInside = under.some((folder) => {
    const root = normalPath(folder) ?? '/'
    return path === root || path.startsWith(root === '/' ? '/' : `${root}/`)
  })
  return isInside ? undefined : `leads to ${path}, outside of ${under.join(', ')}`
}

/** An absolute path without detours; undefined for relative ones and those with control characters. */
export function normalPath(text: string): string | undefined {
  const plain = percentDecode(text.normalize('NFKC')).replaceAll('\\', '/')
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f\uFFFD]/.test(plain)) return undefined
  if (!plain.startsWith('/') || plain.startsWith('//')) return undefined
  const parts: string[] = []
  for (const part of plain.split('/')) {
    if (part === '' || part === '.') continue
    // Some systems drop trailing dots and spaces: `.. ` is `..` there.
    if (/^\.\.[. ]*$/.test(part)) parts.pop()
    else parts.push(part)
  }
  return `/${parts.join('/')}`
}
