/** The room's door: open models by folder or registry, and the pure parts that others use. */
export { DriftMonitor, type DriftReport } from './drift.ts'
export { openEncoder, type Encoder, type EncoderOptions, type EncoderStats } from './encoder-hub.ts'
export { loadModelFolder, openRegistered, readRegistry, type ModelFolder } from './models-file.ts'
export { BudgetMeter, labelOf, type Registry, type Tier } from './registry.ts'
export { openStreamScorer } from './stream-onnx.ts'
