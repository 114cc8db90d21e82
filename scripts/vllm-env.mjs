// Where a real vLLM is: a virtual environment of the project, or one that the user names.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Refusal, ROOT } from './setup.mjs'

/** VLLM_VENV names another environment (a folder with bin/python). */
export function vllmFolder() {
  return process.env.VLLM_VENV ?? join(ROOT, '.venv-vllm')
}

export function vllmPython() {
  const python = join(vllmFolder(), 'bin', 'python')
  if (existsSync(python)) {
    const { status } = spawnSync(python, ['-c', 'import google.protobuf, h2, numpy'])
    if (status === 0) return python
    throw new Refusal(
      `${vllmFolder()} has not all that the plugin needs: ${python} -m pip install ./plugin`,
    )
  }
  throw new Refusal(
    `no vLLM in ${vllmFolder()}: npm run test:vllm installs one there, or set VLLM_VENV to the folder of yours`,
  )
}
