/** What every bench does with its figures: a table or one JSON line, and the committed record. */
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'

/** `--record` writes record/<name>.json; `--json` prints one object on the last line. */
export function report(name: string, figures: Readonly<Record<string, unknown>>): void {
  if (process.argv.includes('--record')) {
    const record = {
      date: new Date().toISOString().slice(0, 10),
      cpu: processor(),
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

/** Extensions that int8 and bfloat16 arithmetic runs on: of two processors of a name, one may lack them. */
const EXTENSIONS = JSON.parse(
  readFileSync(join(import.meta.dirname, 'extensions.json'), 'utf8'),
) as readonly string[]

/** As test/vllm/adapt.py calls it too. */
function processor(): string {
  const model = cpus()[0]?.model ?? 'unknown'
  if (process.platform !== 'linux') return model
  const flags =
    /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.split(' ') ?? []
  return `${model}: ${EXTENSIONS.filter((name) => flags.includes(name)).join(', ') || 'no vectors'}`
}
