/** Asks a Python what it has of the plugin, without importing it: that would load all of vLLM. */
import { execFile } from 'node:child_process'
import type { PluginFacts } from './diagnose.ts'

// The protocol's version is a line of the plugin's wire.py: MAJOR, MINOR = 1, 1
const CODE = `
import importlib.metadata as metadata, importlib.util as util, json, os, re
def has(name):
    try: return util.find_spec(name) is not None
    except ImportError: return False
told = {"missing": [n for n in ("vllm", "google.protobuf", "h2", "numpy") if not has(n)]}
spec = util.find_spec("checkstream_vllm")
if spec is not None:
    try: told["version"] = metadata.version("checkstream-vllm")
    except metadata.PackageNotFoundError: told["version"] = "of an unknown version"
    try:
        path = os.path.join(list(spec.submodule_search_locations)[0], "wire.py")
        found = re.search(r"^MAJOR, MINOR = (\\d+),", open(path).read(), re.M)
        told["protocolMajor"] = int(found.group(1)) if found else None
    except OSError: pass
print(json.dumps(told))
`
const PYTHON_MS = 30_000

/** Rejects when it cannot be run. */
export function askPython(path: string, leastMs: number): Promise<PluginFacts> {
  const timeout = Math.max(leastMs, PYTHON_MS)
  return new Promise((resolve, reject) => {
    execFile(path, ['-c', CODE], { timeout, encoding: 'utf8' }, (error, stdout, stderr) => {
      if (error === null) return resolve(JSON.parse(stdout) as PluginFacts)
      const last = stderr.trim().split('\n').at(-1) ?? ''
      return reject(new Error(last === '' ? error.message : last))
    })
  })
}
