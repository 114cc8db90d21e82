/** The policies of this site as the planes read them: what was compiled, plus the site's own bans. */
import { createHash } from 'node:crypto'
import type { Ban } from '../model/ban.ts'
import type { GuardPolicy } from '../guard.ts'
import { CANARY_BANS, CANARY_POLICY } from './canary.ts'

export type SitePolicy = GuardPolicy & {
  readonly name: string
  /** What the token program of the policy is compiled from. */
  readonly bans: readonly Ban[]
}

export type SiteSettings = {
  readonly onFailure: 'closed' | 'open' | 'resident'
  /** Of `banned_tokens_file`: in force under every policy. */
  readonly bans: readonly Ban[]
}

/** The policy of a site without any policy file: its banned texts. */
export function barePolicy(settings: SiteSettings): SitePolicy {
  return withBans('default', settings.onFailure, settings.bans)
}

/** Only its program matters; requests never run under it but the canary's own. */
export const canaryPolicy: SitePolicy = withBans(CANARY_POLICY, 'open', CANARY_BANS)

export function withBans(
  name: string,
  onFailure: SiteSettings['onFailure'],
  bans: readonly Ban[],
): SitePolicy {
  const told = bans.map(({ place: _, ...ban }) => ban)
  const digest = createHash('sha256')
    .update(JSON.stringify([name, onFailure, told]))
    .digest('hex')
  return { name, onFailure, bans, digest }
}
