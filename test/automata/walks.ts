/**
 * Walks of token programs by the sidecar's own executor, for whoever checks another one against it.
 *
 * Reads JSON from standard input: [{ blob: base64, walks: [[step, …], …] }, …]. A step is a token,
 * or -1 - n: back to where the walk was after n of the steps before. Writes, for each walk, the
 * state after each step, and what is denied in every tenth.
 */
import { readFileSync } from 'node:fs'
import { parseTokenProgram, type TokenProgram } from '../../src/automata/program.ts'
import type { ProgramState } from '../../src/model/engine.ts'

type Given = { readonly blob: string; readonly walks: readonly (readonly number[])[] }
type Walked = { readonly states: readonly ProgramState[]; readonly denied: readonly number[][] }

function walk(program: TokenProgram, steps: readonly number[]): Walked {
  const states: ProgramState[] = [program.start]
  const denied: number[][] = []
  steps.forEach((step, i) => {
    const before = states[step < 0 ? -1 - step : i] ?? program.start
    const state = step < 0 ? before : program.next(before, step)
    states.push(state)
    if (i % 10 === 0) denied.push([...program.deniedTokens(state)])
  })
  return { states: states.slice(1), denied }
}

const given = JSON.parse(readFileSync(0, 'utf8')) as readonly Given[]
const walked = given.map(({ blob, walks }) => {
  const program = parseTokenProgram(new Uint8Array(Buffer.from(blob, 'base64')))
  return walks.map((steps) => walk(program, steps))
})
process.stdout.write(JSON.stringify(walked))
