/** What the parts of a policy diff say, and in which words. */

/**
 * - `stricter`: it fires on more, or does more when it fires;
 * - `looser`: on less, or does less;
 * - `unknown`: it fires on or does something else, and the two cannot be ordered;
 * - `neither`: what is let through stays as it was (a message, a tag).
 */
export type Direction = 'stricter' | 'looser' | 'unknown' | 'neither'

export const CHANGES = [
  'name',
  'version',
  'description',
  'policy mode',
  'order',
  'rule added',
  'rule removed',
  'mode',
  'priority',
  'phase',
  'continue',
  'on_failure',
  'wait',
  'release',
  'regulation',
  'tags',
  'enabled_when',
  'exception added',
  'exception removed',
  'exception changed',
  'condition added',
  'condition removed',
  'condition changed',
  'text added',
  'text removed',
  'threshold',
  'action added',
  'action removed',
  'action changed',
  'ban added',
  'ban removed',
  'tools added',
  'tools removed',
  'tools changed',
] as const

export type ChangeKind = (typeof CHANGES)[number]

export type Change = {
  readonly kind: ChangeKind
  /** Empty: of the policy itself. */
  readonly rule: string
  readonly message: string
  readonly direction: Direction
  /** The rule may fire, or act, where it did not before. */
  readonly canNewlyFire: boolean
}

/** Whether more texts, or fewer, now satisfy a condition. */
export type Reach = 'more' | 'fewer' | 'unknown' | 'same'

export type Tell = (kind: ChangeKind, message: string, reach: Reach) => void

const DIRECTION: Readonly<Record<Reach, Direction>> = {
  more: 'stricter',
  fewer: 'looser',
  unknown: 'unknown',
  same: 'neither',
}

export const change = (kind: ChangeKind, rule: string, message: string, reach: Reach): Change => ({
  kind,
  rule,
  message,
  direction: DIRECTION[reach],
  canNewlyFire: reach === 'more' || reach === 'unknown',
})

export const opposite = (reach: Reach): Reach =>
  reach === 'more' ? 'fewer' : reach === 'fewer' ? 'more' : reach

/** What a condition gains when its exceptions, or what is under a `not`, gain. */
export const inverted =
  (tell: Tell): Tell =>
  (kind, message, reach) =>
    tell(kind, message, opposite(reach))

/** Rising numbers reach `rising`. */
export function reachOf(a: number, b: number, rising: Reach): Reach {
  if (a === b) return 'same'
  return b > a ? rising : opposite(rising)
}

/** Members that came reach `growing`; members that went, the opposite; both at once, who knows. */
export function reachOfSets(
  a: ReadonlySet<unknown>,
  b: ReadonlySet<unknown>,
  growing: Reach,
): Reach {
  const gained = [...b].some((one) => !a.has(one))
  const lost = [...a].some((one) => !b.has(one))
  if (gained && lost) return 'unknown'
  if (gained) return growing
  return lost ? opposite(growing) : 'same'
}

/** Members that came and went: `+a -b`; of many the first few and a count. */
export function showSets(a: ReadonlySet<unknown>, b: ReadonlySet<unknown>): string {
  const came = [...b].filter((one) => !a.has(one)).map((one) => `+${show(one)}`)
  const went = [...a].filter((one) => !b.has(one)).map((one) => `-${show(one)}`)
  return showFirst([...came, ...went], ' ')
}

export const showMembers = (members: ReadonlySet<unknown>): string =>
  showFirst([...members].map(show), ', ')

function showFirst(all: readonly string[], between: string): string {
  const rest = all.length - SHOWN
  const first = all.slice(0, SHOWN).join(between)
  return rest > 0 ? `${first} and ${rest} more` : first
}

const SHOWN = 20

export const show = (value: unknown): string =>
  value === undefined
    ? 'none'
    : typeof value === 'string' || typeof value === 'number'
      ? String(value)
      : stable(value)

export const arrow = (a: unknown, b: unknown): string => `${show(a)} → ${show(b)}`

/** JSON with the keys of every map in order, so that equal values are equal texts. */
export function stable(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) =>
    typeof one === 'object' && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  )
}
