/** Where the licensed development data lies; undefined when this machine has none. */
import { existsSync } from 'node:fs'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'

export function dataFolder(): string | undefined {
  const set = process.env['CHECKSTREAM_DATA']
  const candidates = [set, ...['../shared', '../../shared'].map((up) => join(up, 'data'))]
  return candidates
    .filter((path) => path !== undefined)
    .map((path) => resolve(import.meta.dirname, '../..', path))
    .find((path) => existsSync(path))
}

export function readData(folder: string, name: string): string {
  const raw = readFileSync(join(folder, name))
  return (name.endsWith('.gz') ? gunzipSync(raw) : raw).toString('utf8')
}
