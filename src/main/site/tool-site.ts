/** What a request says of its tools, for those who steer its calls. */
import type { DecideContext } from '../../policy/compiled.ts'
import { hasGrammar } from '../../proxy/identity.ts'
import type { Body } from '../../proxy/requests.ts'
import type { CallFacts, ToolSite } from '../../steering/site.ts'
import { toolsOffered } from '../../stream/ingress.ts'

export function toolSite(
  body: Body,
  context: DecideContext,
  { facts, forced }: CallFacts,
): ToolSite | undefined {
  const offered = toolsOffered(body)
  if (offered.length === 0) return undefined
  return { offered, isConstrained: hasGrammar(body), context, tools: facts, forced }
}
