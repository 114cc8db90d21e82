/** monitor < alert < enforce: a ceiling lowers a mode and never raises it. */
import { MODES } from '../../model/finding.ts'
import type { Mode } from '../../model/finding.ts'

export function lower(mode: Mode, ceiling: Mode | undefined): Mode {
  if (ceiling === undefined) return mode
  return MODES[Math.min(MODES.indexOf(mode), MODES.indexOf(ceiling))] ?? mode
}
