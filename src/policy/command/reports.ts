/** Problems and test results in the formats of other tools: SARIF 2.1.0 for code scanning, JUnit XML. */
import type { Problem } from '../read/problem.ts'
import type { TestResult } from './run-tests.ts'

const LEVEL = { error: 'error', warning: 'warning' } as const

export function toSarif(problems: readonly Problem[], version: string): string {
  const codes = [...new Set(problems.map((p) => p.code))]
  const sarif = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: { name: 'checkstream policy', version, rules: codes.map((id) => ({ id })) },
        },
        results: problems.map((p) => ({
          ruleId: p.code,
          level: LEVEL[p.severity],
          message: { text: p.message },
          locations: [
            {
              physicalLocation: {
                artifactLocation: { uri: p.file },
                region: { startLine: p.line, startColumn: p.column },
              },
            },
          ],
        })),
      },
    ],
  }
  return JSON.stringify(sarif, undefined, 2)
}

export type JunitCase = {
  readonly suite: string
  readonly name: string
  readonly file: string
  readonly line: number
  /** Empty when it passed. */
  readonly message: string
}

export function toJunit(cases: readonly JunitCase[]): string {
  const names = [...new Set(cases.map((c) => c.suite))]
  const body = names.map((suite) => {
    const list = cases.filter((c) => c.suite === suite)
    const failures = list.filter((c) => c.message !== '').length
    const head = `  <testsuite name="${xml(suite)}" tests="${list.length}" failures="${failures}">`
    return [head, ...list.map(junitCase), '  </testsuite>'].join('\n')
  })
  return [`<?xml version="1.0" encoding="UTF-8"?>`, '<testsuites>', ...body, '</testsuites>'].join(
    '\n',
  )
}

function junitCase({ suite, name, file, line, message }: JunitCase): string {
  const head = `    <testcase classname="${xml(suite)}" name="${xml(name)}" file="${xml(file)}" line="${line}"`
  if (message === '') return `${head}/>`
  return `${head}><failure message="${xml(message)}"/></testcase>`
}

export const testCases = (results: readonly TestResult[]): JunitCase[] =>
  results.map(({ policy, rule, name, file, line, message }) => ({
    suite: policy,
    name: rule === undefined ? name : `${rule}: ${name}`,
    file,
    line,
    message,
  }))

export const problemCases = (problems: readonly Problem[]): JunitCase[] =>
  problems.map(({ code, file, line, message, severity }) => ({
    suite: file,
    name: `${code} at line ${line}`,
    file,
    line,
    message: severity === 'error' ? message : '',
  }))

/** Text as XML allows it: markup escaped, control characters gone. */
function xml(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\n', '&#10;')
}
