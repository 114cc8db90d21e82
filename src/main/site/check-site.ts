/** Everything that `serve` reads, read and checked without starting anything. */
import type { EffectiveConfig } from '../../config/layers.ts'
import { destinationsOf, readNotices } from '../decisions-log.ts'
import { TenantsStore } from '../tenants/tenants-store.ts'
import { PolicyStore } from './policy-store.ts'
import { readSitePolicies, readSiteSettings } from './site-files.ts'

export type SiteCheck = {
  readonly policies: readonly string[]
  readonly tenants: readonly string[]
  /** What is doubtful, with its place. */
  readonly warnings: readonly string[]
}

/** Rejects with what would keep the sidecar from starting: `config_invalid`, `policy_invalid`, `model_invalid`. */
export async function checkSite(effective: EffectiveConfig): Promise<SiteCheck> {
  const { policies, telemetry } = effective.config
  const tenants = await TenantsStore.open(policies.tenants_file, () => undefined)
  const destinations = destinationsOf(readNotices(telemetry.notices_file))
  const isLowering = (): boolean => tenants.isLowering
  const site = readSiteSettings(effective, { destinations, isLowering })
  const files = readSitePolicies(effective)
  const store = await PolicyStore.open({
    path: policies.path,
    files,
    settings: site.settings,
    observe: () => undefined,
    readFiles: () => files,
  })
  const names = [...store.current.byName.keys()]
  tenants.check(names)
  tenants.close()
  return {
    policies: names,
    tenants: Object.keys(tenants.current.config?.tenants ?? {}),
    warnings: [...effective.warnings, ...site.warnings, ...store.warnings],
  }
}
