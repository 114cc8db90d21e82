/**
 * What other guards' policies, and CheckStream's own older documents, call things: told beside the
 * error, so that whoever brings such a file learns how it is written here.
 */

/** Names of actions → what says the same here; the first word is an action of ours. */
export const ACTIONS: Readonly<Record<string, string>> = {
  adapt_tone: 'inject with the words or resources, and adapt for calmer sampling',
  allow_constrained: 'adapt with temperature, top_p and safe_vocabulary',
  ban_tokens: 'ban with phrases or patterns',
  block: 'stop, for prompts with phase: ingress',
  block_request: 'stop with phase: ingress',
  deny_tool: 'block_tool_call',
  disclaimer: 'inject with content',
  escalate: 'notify to tell somebody, step_up where a person has to agree to a call',
  inject_disclaimer: 'inject with content and position',
  log_event: 'log, with audit for category and severity',
  mask: 'redact, or ban for what must not be sampled',
  micro_edit: 'replace with a text of yours; no model rewrites text here',
  modify: 'replace or redact, rewrite_tool for the arguments of a call',
  redact_from_logs: 'redact; logs hold no text unless telemetry.mode is full_evidence',
  redact_from_response: 'redact with phase: [midstream, egress]',
  require_approval: 'step_up',
  rewrite: 'replace with a text of yours, or redact; no model rewrites text here',
  sanitize: 'redact',
  sanitize_context: 'redact with phase: ingress, which reads every message and tool result',
  stop_with_alternative: 'stop with a message that names the alternatives',
  stop_with_message: 'stop with message',
  transform: 'replace or redact, rewrite_tool for the arguments of a call',
  webhook: 'notify to a destination of telemetry.notices_file',
}

const KEYS: Readonly<Record<string, string>> = {
  action: 'actions, a list of maps with a type',
  additional_rules: 'rules, which come after those of extends',
  audit_category: 'an audit action with category',
  audit_severity: 'an audit action with severity',
  case_sensitive: 'case_insensitive, with the opposite value',
  conditions: 'a trigger of type all with context triggers, or enabled_when',
  confidence: 'threshold',
  constraints: 'temperature, top_p and safe_vocabulary of the action',
  disclaimer: 'content',
  escalate_to: 'a notify action',
  expected: 'fires, and becomes for the text after it',
  http_status: 'status_code',
  input: 'text',
  metadata: 'regulation and tags',
  policies: 'one policy in a file: its name and rules stand at the top',
  policy_metadata: 'version and description; who changed what is for version control',
  resources: 'content',
  timeout_ms:
    'guardrails.ingress.timeout_ms and guardrails.midstream.timeout_ms of the configuration',
}

const MODES: Readonly<Record<string, string>> = {
  block: 'enforce',
  disabled: 'enabled: false',
  observe: 'monitor',
  off: 'enabled: false',
  shadow: 'monitor',
  strict: 'enforce',
  warn: 'alert',
}

const told = (known: Readonly<Record<string, string>>, name: unknown): string | undefined =>
  typeof name === 'string' && Object.hasOwn(known, name) ? `; here: ${known[name]}` : undefined

/** `; here: …` for an action, a key or a mode that is called otherwise elsewhere, else undefined. */
export const actionHere = (name: unknown): string | undefined => told(ACTIONS, name)
export const keyHere = (name: unknown): string | undefined => told(KEYS, name)
export const modeHere = (name: unknown): string | undefined => told(MODES, name)

/** For a trigger that has no type: what its keys say that it is. */
export function triggerHere(written: unknown, types: readonly string[]): string {
  if (typeof written !== 'object' || written === null || 'type' in written) return ''
  const type = types.find((one) => Object.hasOwn(written, one))
  if (type === 'any' || type === 'all') return `; here: { type: ${type}, triggers: […] }`
  if (type === 'context') return '; here: { type: context, field: …, value: … }'
  if (type !== undefined) return `; here: { type: ${type}, … }`
  return '; here: { type: …, … }, such as { type: context, field: tenant, value: … }'
}

/** For a threshold that is a map of conditions. */
export const THRESHOLDS_HERE = '; here: one rule for each threshold, with enabled_when'
