/**
 * The playground's left side: a policy whose program bans only a run of private-use characters that
 * no text has. A request without a program would fall under the engine's default one.
 */
import type { Ban } from '../../model/ban.ts'

export const UNGUARDED_POLICY = 'checkstream.unguarded'
export const UNGUARDED_BANS: readonly Ban[] = [
  {
    id: UNGUARDED_POLICY,
    kind: 'phrase',
    text: '\u{F8FC}\u{F8FD}\u{F8FE}\u{F8FF}',
    match: 'substring',
    folds: [],
    pending: 'allow',
  },
]
