/** Conditions on a tool call: its name and one value of its arguments. Pure; values are untrusted. */
import { refusePath } from '../tools/paths.ts'
import type { ToolTrigger } from './schema-triggers.ts'

/** The value at a dotted path; `*` is every element of a list. Several values when it meets lists. */
export function valuesAt(root: unknown, path: string): readonly unknown[] {
  let at: unknown[] = [root]
  for (const key of path.split('.')) {
    at = at.flatMap((value) => {
      if (Array.isArray(value)) {
        if (key === '*') return value
        return value.flatMap((v) => own(v, key))
      }
      return own(value, key)
    })
  }
  return at.flatMap((value) => (Array.isArray(value) ? (value as unknown[]) : [value]))
}

function own(value: unknown, key: string): unknown[] {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return []
  return [(value as Record<string, unknown>)[key]]
}

/**
 * Host names that a value speaks of: after every @, and of every URL. Text that has no such thing but
 * is asked for a domain gives one empty name, which is in no list: unknown is outside.
 */
export function domainsOf(value: unknown): readonly string[] {
  const text = String(value).normalize('NFKC').toLowerCase()
  const found = [...text.matchAll(/(?:@|:\/\/)\[?([\p{L}\p{N}.\-_:]*)/gu)].map((m) =>
    (m[1] ?? '').replace(/:\d*$/, '').replace(/\.+$/, ''),
  )
  return found.length > 0 ? found : ['']
}

const isWithin = (domain: string, allowed: readonly string[]): boolean =>
  allowed.some((a) => domain === a || domain.endsWith(`.${a}`))

export function compileToolTest(trigger: ToolTrigger): (name: string, values: unknown) => boolean {
  const names = trigger.name === undefined ? undefined : new Set([trigger.name].flat())
  const not = trigger.not_name === undefined ? undefined : new Set(trigger.not_name)
  const tests = valueTests(trigger)
  const { argument } = trigger
  return (name, values) => {
    if (names?.has(name) === false || not?.has(name) === true) return false
    if (argument === undefined) return tests.length === 0
    const found = values === undefined ? [] : valuesAt(values, argument)
    if (tests.length === 0) return found.length > 0
    return found.some((value) => tests.every((test) => test(value)))
  }
}

function valueTests(trigger: ToolTrigger): ((value: unknown) => boolean)[] {
  const tests: ((value: unknown) => boolean)[] = []
  const { min, max } = trigger
  if (trigger.in !== undefined) {
    const known = new Set(trigger.in.map(String))
    tests.push((v) => known.has(String(v)))
  }
  if (trigger.not_in !== undefined) {
    const known = new Set(trigger.not_in.map(String))
    tests.push((v) => !known.has(String(v)))
  }
  if (trigger.domain_in !== undefined) {
    const listed = trigger.domain_in.map((d) => d.toLowerCase())
    tests.push((v) => domainsOf(v).some((d) => isWithin(d, listed)))
  }
  if (trigger.domain_not_in !== undefined) {
    const listed = trigger.domain_not_in.map((d) => d.toLowerCase())
    tests.push((v) => domainsOf(v).some((d) => !isWithin(d, listed)))
  }
  if (trigger.prefix_not_in !== undefined) {
    const listed = trigger.prefix_not_in
    tests.push((v) => refusePath(String(v), listed) !== undefined)
  }
  if (min !== undefined || max !== undefined) {
    const isWithinLimits = (n: number): boolean => n >= (min ?? -Infinity) && n <= (max ?? Infinity)
    tests.push((v) => !isWithinLimits(Number(v)))
  }
  return tests
}
