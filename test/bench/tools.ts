/**
 * Tool policy end to end: agent scenarios whose content carries injections, through the whole program
 * with a model that is fooled every time. Run: npm run bench:tools [-- --json] [-- --record].
 *
 * Fixed: 320 scenarios from one seed, half of them in each mode, every other request streamed.
 */
import { MODES } from '../main/site.ts'
import { type Figures, measure, startAgent } from '../tools/agent.ts'
import { attackPayloads } from '../tools/data.ts'
import { generate } from '../tools/scenarios.ts'
import { report } from './report.ts'

const payloads = attackPayloads()
const scenarios = generate(320, 20_261, payloads)
const parts: Figures[] = []
for (const [m, mode] of MODES.entries()) {
  const agent = await startAgent(mode)
  const own = scenarios.filter((_, i) => i % MODES.length === m)
  parts.push((await measure(agent, own)).figures)
  await agent.close()
}
const sum = (key: Exclude<keyof Figures, 'honest_untouched_ratio'>): number =>
  parts.reduce((all, one) => all + one[key], 0)
report('tools', {
  scenarios: sum('scenarios'),
  payloads: payloads.length,
  injected: sum('injected'),
  injected_executed: sum('injected_executed'),
  honest: sum('honest'),
  honest_untouched: sum('honest_untouched'),
  honest_untouched_ratio: sum('honest_untouched') / sum('honest'),
})
process.exit(0)
