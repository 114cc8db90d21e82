/**
 * The page's files. Names are read once, when the playground is opened: a path that a client sends is
 * only ever looked up among them, never joined. Answers carry a Content Security Policy that allows
 * nothing from outside and no inline script.
 */
import { createReadStream, readdirSync, statSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { extname, join } from 'node:path'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
}

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

const VENDOR = ['uPlot.esm.js', 'uPlot.min.css']

/** Sends a file of the page by its name in the address; false when there is none of that name. */
export type PageFiles = (name: string, isHead: boolean, response: ServerResponse) => boolean

export function openPageFiles(pageDir: string, vendorDir: string): PageFiles {
  const page = readdirSync(pageDir).filter((name) => TYPES[extname(name)] !== undefined)
  const files = new Map([
    ...page.map((name) => [name, join(pageDir, name)] as const),
    ...VENDOR.map((name) => [`vendor/${name}`, join(vendorDir, name)] as const),
  ])
  return (name, isHead, response) => {
    const file = files.get(name === '' ? 'index.html' : name)
    const size = file && statSync(file, { throwIfNoEntry: false })?.size
    if (file === undefined || size === undefined) return false
    response.writeHead(200, {
      'content-type': TYPES[extname(file)],
      'content-length': size,
      'content-security-policy': CSP,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-cache',
    })
    if (isHead) response.end()
    else createReadStream(file).pipe(response)
    return true
  }
}
