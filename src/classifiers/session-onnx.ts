/** Opens an ONNX file for one core; a file that cannot be run is refused by name. */
import '../model/onnx-env.ts'
import { readFile } from 'node:fs/promises'
import { InferenceSession } from 'onnxruntime-node'
import { GuardError } from '../model/errors.ts'

/** One core, no spinning: the engine's own threads need the rest. */
export async function openSession(path: string): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(await readFile(path), {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      logSeverityLevel: 3,
    })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new GuardError('model_invalid', `${path}: not a model that can be run: ${why}`, {
      cause: error,
    })
  }
}
