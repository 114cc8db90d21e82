/**
 * What the guard costs a real vLLM: the same load with and without it, in turns, at 1, 8 and 64
 * requests at once, then with every row awaited at every step.
 *
 * Run: npm run bench:vllm [-- --json] [-- --record]. Needs `npm run build` and vLLM
 * (CHECKSTREAM_VLLM_VENV or .venv-vllm). Held fixed: 100 tokens an answer, one torch thread, the
 * model of CHECKSTREAM_TEST_MODEL or models/demo-lm. Both servers, the clients and the sidecar share
 * the machine's cores; the server that is not asked is idle.
 */
import { spawn } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { report } from './report.ts'
import { findPython, repository, startSidecarProcess } from './sidecar-process.ts'

const BANS = ['guaranteed returns', 'cannot lose', 'wire the money']

const model = process.env['CHECKSTREAM_TEST_MODEL'] ?? join(repository, 'models/demo-lm')
let sidecar = await startSidecarProcess(BANS)
const { folder } = sidecar
const paths = [join(repository, 'plugin'), import.meta.dirname]
const child = spawn(findPython(), [join(import.meta.dirname, 'vllm_load.py'), model, folder], {
  cwd: folder,
  env: { ...process.env, PYTHONPATH: paths.join(delimiter) },
  stdio: ['pipe', 'pipe', 'inherit'],
})
let result: Record<string, number> | undefined
for await (const line of createInterface({ input: child.stdout })) {
  if (line === 'sync') {
    await sidecar.stop()
    sidecar = await startSidecarProcess(BANS, true, folder)
    child.stdin.write('go\n')
  } else if (line.startsWith('{')) result = JSON.parse(line) as Record<string, number>
}
await sidecar.stop()
if (result === undefined) {
  console.error('the load ended without a result')
  process.exit(1)
}
report('vllm', result)
