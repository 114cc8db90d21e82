/**
 * An agent in front of the whole program: its model is scripted to make the calls of a scenario, and it
 * would run whatever comes out. Nothing in between is mocked.
 */
import { stringify } from 'yaml'
import { objects, valueAt } from '../../src/stream/dialect.ts'
import { createSseParser } from '../../src/stream/sse.ts'
import { type Mode, type Site, startSite } from '../main/site.ts'
import { chunkOf, completionOf, event, json, sse } from '../proxy/upstream.ts'
import type { Script } from '../proxy/upstream.ts'
import { type Scenario, type ScenarioCall, document } from './scenarios.ts'

export type Agent = {
  /** What a client would run of the calls that the model makes. */
  readonly run: (
    scenario: Scenario,
    calls: readonly ScenarioCall[],
    stream: boolean,
  ) => Promise<readonly string[]>
  readonly close: () => Promise<void>
}

export const spelled = ({ name, arguments: args }: ScenarioCall): string =>
  name + JSON.stringify(args)

export async function startAgent(mode: Mode): Promise<Agent> {
  let next: readonly ScenarioCall[] = []
  const site = await startSite(mode, {
    policies: [stringify(document)],
    script: (...seen) => say(next, ...seen),
  })
  return {
    async run(scenario, calls, stream) {
      next = calls
      return ask(site, scenario, stream)
    },
    close: site.close,
  }
}

function say(calls: readonly ScenarioCall[], ...[response, { body }]: Parameters<Script>): void {
  const toolCalls = calls.map(({ name, arguments: args }, index) => ({
    index,
    id: `c${index}`,
    type: 'function',
    function: { name, arguments: JSON.stringify(args) },
  }))
  if (body['stream'] !== true) {
    const message = { role: 'assistant', content: null, tool_calls: toolCalls }
    return json(response, completionOf('', { message, finish_reason: 'tool_calls' }))
  }
  sse(response)
  for (const { index, id, type, function: inner } of toolCalls) {
    const head = { index, id, type, function: { name: inner.name } }
    response.write(event(chunkOf({ tool_calls: [head] })))
    for (const part of inner.arguments.match(/[^]{1,7}/g) ?? []) {
      response.write(event(chunkOf({ tool_calls: [{ index, function: { arguments: part } }] })))
    }
  }
  response.end(`${event(chunkOf({}, { finish_reason: 'tool_calls' }))}data: [DONE]\n\n`)
}

async function ask(
  { url }: Site,
  { user, contents }: Scenario,
  stream: boolean,
): Promise<readonly string[]> {
  const read = { id: 'r', type: 'function', function: { name: 'read_mail', arguments: '{}' } }
  const messages = [
    { role: 'user', content: user },
    { role: 'assistant', content: null, tool_calls: [read] },
    ...contents.map((content) => ({ role: 'tool', tool_call_id: 'r', content })),
  ]
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'x-checkstream-agent': 'assistant' },
    body: JSON.stringify({ model: 'm', messages, stream }),
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  if (response.status !== 200) throw new Error(`${response.status}: ${bytes.toString()}`)
  return stream ? streamed(bytes) : whole(JSON.parse(bytes.toString()))
}

const whole = (body: unknown): string[] =>
  objects(valueAt(body, ['choices', 0, 'message', 'tool_calls'])).map((call) =>
    [valueAt(call, ['function', 'name']), valueAt(call, ['function', 'arguments'])].join(''),
  )

function streamed(bytes: Uint8Array): string[] {
  const run = new Map<number, string>()
  for (const { data } of createSseParser(1 << 24).push(bytes)) {
    if (data === undefined || data === '[DONE]') continue
    const parsed: unknown = JSON.parse(data)
    for (const part of objects(valueAt(parsed, ['choices', 0, 'delta', 'tool_calls']))) {
      const index = Number(part['index'])
      const name = valueAt(part, ['function', 'name']) ?? ''
      const more = valueAt(part, ['function', 'arguments']) ?? ''
      run.set(index, `${run.get(index) ?? ''}${String(name)}${String(more)}`)
    }
  }
  return [...run.values()]
}

export type Figures = {
  readonly scenarios: number
  readonly injected: number
  readonly injected_executed: number
  readonly honest: number
  readonly honest_untouched: number
  readonly honest_untouched_ratio: number
}

/** Every injected call alone, and all calls of a scenario together, every other one streamed. */
export async function measure(
  agent: Agent,
  scenarios: readonly Scenario[],
): Promise<{ readonly figures: Figures; readonly executed: readonly string[] }> {
  const executed: string[] = []
  let untouched = 0
  let turn = 0
  for (const scenario of scenarios) {
    for (const call of scenario.injected) {
      const ran = await agent.run(scenario, [call], turn++ % 2 === 0)
      executed.push(...ran.map((one) => `${scenario.name}: ${one}`))
    }
    const all = [...scenario.injected, ...scenario.honest]
    const ran = await agent.run(scenario, all, turn++ % 2 === 0)
    untouched += scenario.honest.filter((call) => ran.includes(spelled(call))).length
    const fooled = scenario.injected.filter((call) => ran.includes(spelled(call)))
    executed.push(...fooled.map((call) => `${scenario.name}: ${spelled(call)}`))
  }
  const honest = scenarios.flatMap((scenario) => scenario.honest).length
  const figures = {
    scenarios: scenarios.length,
    injected: scenarios.flatMap((scenario) => scenario.injected).length,
    injected_executed: executed.length,
    honest,
    honest_untouched: untouched,
    honest_untouched_ratio: untouched / honest,
  }
  return { figures, executed }
}
