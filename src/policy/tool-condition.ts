/** Conditions on a tool call: its name and one value of its arguments. Pure; values are untrusted. */
import { hostsIn } from '../tools/hosts.ts'
import { refusePath } from '../tools/paths.ts'
import { isUnder } from '../tools/url.ts'
import { valuesAt } from '../tools/values.ts'
import type { ToolTrigger } from './schema/schema-triggers.ts'

/** A listed domain is itself and every name under it; what cannot be read is in no list. */
const isWithin = (host: string, listed: readonly string[]): boolean =>
  isUnder(
    host,
    listed.flatMap((domain) => [domain, `*.${domain}`]),
  )

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
    return found.some(({ value }) => tests.every((test) => test(value)))
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
    const listed = trigger.domain_in
    tests.push((v) => hostsIn(String(v)).some((host) => isWithin(host, listed)))
  }
  if (trigger.domain_not_in !== undefined) {
    const listed = trigger.domain_not_in
    tests.push((v) => hostsIn(String(v)).some((host) => !isWithin(host, listed)))
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
