/** Tests of single values of a call. Each gives the reason of refusal, or undefined. */
import { hostsIn } from './hosts.ts'
import { refusePath } from './paths.ts'
import type { Taint } from './taint.ts'
import type { ValueTest } from './tool-policy.ts'
import { isUnder, refuseUrl } from './url.ts'

export type Place = { readonly path: readonly (string | number)[]; readonly value: unknown }

/**
 * Values at a dotted path, for rules, conditions and rewrites alike. `*` is every member or element, a
 * number is one element of a list, and any other name on a list is that member of each element: a list
 * of what was expected to be one is looked at whole. A path that leads nowhere gives nothing.
 */
export function valuesAt(root: unknown, path: string): readonly Place[] {
  let places: readonly Place[] = [{ path: [], value: root }]
  for (const key of path.split('.')) places = places.flatMap((place) => childrenOf(place, key))
  // A rule about a member holds for every element when the member is a list.
  return places.flatMap((place) => (Array.isArray(place.value) ? childrenOf(place, '*') : [place]))
}

function childrenOf(place: Place, key: string): readonly Place[] {
  const { path, value } = place
  if (typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) {
    const elements = value.map((item: unknown, i): Place => ({ path: [...path, i], value: item }))
    if (key === '*') return elements
    if (/^\d+$/.test(key)) return elements.filter((_, i) => String(i) === key)
    return elements.flatMap((element) => childrenOf(element, key))
  }
  return Object.entries(value)
    .filter(([name]) => key === '*' || name === key)
    .map(([name, child]) => ({ path: [...path, name], value: child }))
}

export function refuseValue(test: ValueTest, value: unknown, taint: Taint): string | undefined {
  switch (test.kind) {
    case 'one_of':
      return test.values.some((one) => one === value) ? undefined : 'is not in the list'
    case 'number':
      return refuseNumber(test, value)
    case 'origin':
      return refuseOrigin(test, value, taint)
    case 'any': {
      const reasons = test.of.map((one) => refuseValue(one, value, taint))
      return reasons.includes(undefined) ? undefined : reasons.join(' and ')
    }
    case 'all':
      return firstRefusal(test.of, value, taint)
    default:
      return typeof value === 'string' ? refuseText(test, value) : 'is not a text'
  }
}

function firstRefusal(
  tests: readonly ValueTest[],
  value: unknown,
  taint: Taint,
): string | undefined {
  for (const test of tests) {
    const reason = refuseValue(test, value, taint)
    if (reason !== undefined) return reason
  }
  return undefined
}

type TextTest = Exclude<ValueTest, { kind: 'one_of' | 'number' | 'origin' | 'any' | 'all' }>

function refuseText(test: TextTest, value: string): string | undefined {
  switch (test.kind) {
    case 'domain':
      return refuseDomain(value, test.domains)
    case 'path':
      return refusePath(value, test.under)
    case 'url':
      return refuseUrl(value, test.schemes ?? ['https'], test.hosts)
    case 'length':
      return value.length <= test.max ? undefined : `is longer than ${test.max} characters`
    case 'pattern':
      return new RegExp(`^(?:${test.pattern})$`, 'u').test(value)
        ? undefined
        : 'does not match the pattern'
  }
}

function refuseNumber(
  test: Extract<ValueTest, { kind: 'number' }>,
  value: unknown,
): string | undefined {
  // Numbers that are written as text count as numbers: tools convert them.
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof number !== 'number' || !Number.isFinite(number)) return 'is not a number'
  if (test.integer === true && !Number.isInteger(number)) return 'is not a whole number'
  if (test.min !== undefined && number < test.min) return `is less than ${test.min}`
  if (test.max !== undefined && number > test.max) return `is more than ${test.max}`
  return undefined
}

/** Every host in the value (`a@x.com, b@y.com`, `Name <a@x.com>`, a URL, a host) is under the list. */
function refuseDomain(value: string, domains: readonly string[]): string | undefined {
  for (const host of hostsIn(value)) {
    if (host === '') return 'has an address that cannot be read'
    if (!isUnder(host, domains)) return `has the domain ${host}, which is not in the list`
  }
  return undefined
}

function refuseOrigin(
  test: Extract<ValueTest, { kind: 'origin' }>,
  value: unknown,
  taint: Taint,
): string | undefined {
  if (value === null || typeof value === 'boolean') return undefined
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  if (text.trim() === '') return undefined
  const found = test.parts === true ? taint.partOf(text) : taint.originOf(text)
  if (test.allow.includes(found.origin)) return undefined
  return found.source === undefined
    ? `has the origin ${found.origin}`
    : `comes from ${found.origin} content (${found.source})`
}
