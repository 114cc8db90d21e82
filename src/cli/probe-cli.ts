/**
 * `checkstream probe fit`: fits a probe on a model's own hidden states. vLLM has them, so the work is
 * done by the plugin in a Python that has vLLM; this checks what was given and passes its answer on.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { GuardError } from '../model/errors.ts'
import { readFlags } from './flags.ts'

const HELP = `checkstream probe fit --model FOLDER --texts FILE.jsonl --out FILE [--label NAME] [--python PATH]
  --model   the model as vLLM serves it
  --texts   {"text": …, "label": 0 or 1} a line, at least 40 of each label
  --out     the probe, for classifiers.probe
  --label   what label 1 means (unsafe)
  --python  a Python that has vLLM and the plugin (python3)`

export async function runProbe(argv: readonly string[]): Promise<number> {
  const [verb, ...rest] = argv
  const { values } = readFlags(rest, {
    model: { type: 'string' },
    texts: { type: 'string' },
    out: { type: 'string' },
    label: { type: 'string' },
    python: { type: 'string' },
  })
  if (verb === undefined || verb === '--help' || values['help'] === true) {
    console.log(HELP)
    return 0
  }
  if (verb !== 'fit') throw new GuardError('config_invalid', `probe: expected fit, got ${verb}`)
  const [model, texts, out] = ['model', 'texts', 'out'].map((name) => required(values, name))
  for (const path of [model, texts]) {
    if (!existsSync(String(path))) throw new GuardError('config_invalid', `probe fit: no ${path}`)
  }
  const label = typeof values['label'] === 'string' ? values['label'] : 'unsafe'
  const python = typeof values['python'] === 'string' ? values['python'] : 'python3'
  const args = [
    '-m',
    'checkstream_vllm.probe_fit',
    String(model),
    String(texts),
    String(out),
    label,
  ]
  return await new Promise<number>((resolve, reject) => {
    const child = spawn(python, args, { stdio: ['ignore', 'inherit', 'inherit'] })
    child.on('error', (error) =>
      reject(new GuardError('config_invalid', `probe fit: ${python}: ${error.message}`)),
    )
    child.on('close', (code) => resolve(code ?? 1))
  })
}

function required(values: Readonly<Record<string, unknown>>, name: string): string {
  const value = values[name]
  if (typeof value === 'string' && value !== '') return value
  throw new GuardError('config_invalid', `probe fit: --${name} is missing; see --help`)
}
