/**
 * `checkstream doctor`: one line a check, exit code 0 when nothing failed. Run it where the sidecar
 * runs; it reads the same configuration and asks the running sidecar for the rest.
 */
import process from 'node:process'
import { diagnose, toLines } from './diagnose.ts'
import type { DoctorCheck } from './diagnose.ts'
import { gatherFacts } from './facts-http.ts'
import type { DoctorSettings } from './facts-http.ts'

/** The checks, in the order in which a person would make them. */
export async function runDoctor(settings: DoctorSettings): Promise<readonly DoctorCheck[]> {
  return diagnose(await gatherFacts(settings))
}

/** Prints the checks; gives the exit code. */
export function printDoctor(checks: readonly DoctorCheck[], asJson: boolean): number {
  const isFine = checks.every(({ verdict }) => verdict !== 'fail')
  const text = asJson ? JSON.stringify({ ok: isFine, checks }) : toLines(checks).join('\n')
  process.stdout.write(`${text}\n`)
  return isFine ? 0 : 1
}
