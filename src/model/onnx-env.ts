/**
 * onnxruntime reports to its maker from the moment it is loaded, and leaves files behind, unless the
 * environment forbids it. Imported before it wherever it is loaded; worker threads have an environment
 * of their own that native code does not see, so that the thread that starts them imports it too.
 */
import process from 'node:process'

process.env['ORT_DISABLE_TELEMETRY'] = '1'
