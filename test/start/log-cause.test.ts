/** The cause is found in what vLLM 0.32 really writes when it dies, with its processes interleaved. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

type Cause = { readonly line: string; readonly around: readonly string[] }
const path = join(import.meta.dirname, '../../scripts/log-cause.mjs')
const { causeOf } = (await import(path)) as { readonly causeOf: (text: string) => Cause }

const MARK = 'Traceback (most recent call last):'
const told = (process: string, lines: string): string =>
  lines
    .split('\n')
    .map((line) => `(${process} pid=61) ERROR 11-26 17:12:13 [core.py:1510] ${line}`)
    .join('\n')
const POINTERS = `${told('EngineCore', `EngineCore failed to start.\n${MARK}\n  File "core.py", line 1482, in run\nException: WorkerProc initialization failed due to an exception in a background process. See stack trace for root cause.`)}
Process EngineCore:
${MARK}
  File "core.py", line 1514, in run_engine_core
    raise e
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
`

describe('causeOf', () => {
  it('goes back over exceptions that only point at another', () => {
    const text = `INFO: fine\n${told(
      'Worker',
      `WorkerProc failed to start.\n${MARK}\n  File "utils.py", line 267, in <genexpr>\n    weights = (\n              ^\n  File "loader.py", line 8, in read\n    with safe_open(path) as f:\n         ^^^^^^^^^^^^^^^\nSafetensorError: incomplete metadata`,
    )}\n${POINTERS}`
    expect(causeOf(text)).toEqual({
      line: 'SafetensorError: incomplete metadata',
      around: [
        '  File "utils.py", line 267, in <genexpr>',
        '    weights = (',
        '  File "loader.py", line 8, in read',
        '    with safe_open(path) as f:',
      ],
    })
  })

  it('keeps processes apart that write at once', () => {
    const mine = told('Worker', `${MARK}\n  File "a.py", line 1, in a\nValueError: mine`).split(
      '\n',
    )
    const others = told('Other', `${MARK}\n  File "b.py", line 1, in b\nnot an error`).split('\n')
    const text = mine.flatMap((line, n) => [line, others[n] ?? '']).slice(0, 5)
    expect(causeOf(text.join('\n')).line).toBe('ValueError: mine')
  })

  it('shows the lines after an exception that belong to it, and no more than four', () => {
    const lines = Array.from({ length: 9 }, (_, n) => `  ${n}: ${'x'.repeat(400)}`).join('\n')
    const { line, around } = causeOf(
      `${MARK}\n  File "a.py"\nValidationError: 1 error\n${lines}\nend`,
    )
    expect(line).toBe('ValidationError: 1 error')
    expect(around).toHaveLength(5)
    expect(around.every(({ length }) => length <= 300)).toBe(true)
    expect(around[1]).toMatch(/^ {2}0: x+…$/)
  })

  it('shows a pointer when there is nothing else', () => {
    expect(causeOf(POINTERS).line).toMatch(/^Exception: WorkerProc initialization failed/)
  })

  it.each([
    ['usage: …\napi_server.py: error: argument --uds: expected one argument\n', /--uds: expected/],
    ['{"level":60,"msg":"damaged"}\n{"level":30,"msg":"stopped"}\n', /^damaged$/],
    ['{"level":30,"msg":"a"}\n{"level":30,"msg":"b"}\n{"no":1}\n', /^\{"no":1\}$/],
    ['\n\n', /^it wrote nothing$/],
  ])('takes the last message where there is no traceback: %j', (text, expected) => {
    expect(causeOf(text)).toEqual({ line: expect.stringMatching(expected), around: [] })
  })
})
