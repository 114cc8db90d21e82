/** What every bench does with its figures: a table or one JSON line, and the committed record. */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'

/** `--record` writes record/<name>.json; `--json` prints one object on the last line. */
export function report(name: string, figures: Readonly<Record<string, unknown>>): void {
  if (process.argv.includes('--record')) {
    const record = {
      date: new Date().toISOString().slice(0, 10),
      cpu: cpus()[0]?.model ?? 'unknown',
      node: process.version,
      ...figures,
    }
    const path = join(import.meta.dirname, `record/${name}.json`)
    writeFileSync(path, `${JSON.stringify(record, null, 2)}\n`)
  }
  if (process.argv.includes('--json')) console.log(JSON.stringify(figures))
  else {
    console.table(
      Object.entries(figures).map(([key, value]) => ({
        key,
        value: typeof value === 'object' ? JSON.stringify(value) : value,
      })),
    )
  }
}
