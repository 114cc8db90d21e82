/**
 * Policies and tenants change together: a tenant names its policy. Whichever of two changed files is
 * read first may be refused because the other is not there yet, and is then read again.
 */
import type { PolicyStore, Reload, StoreHooks } from './policy-store.ts'
import type { TenantsStore } from '../tenants/tenants-store.ts'

/** Throws `config_invalid` when the tenants in force name a policy that is not there. */
export function joinStores(
  store: PolicyStore,
  tenants: TenantsStore,
  serving: { readonly prepare: () => Promise<void>; readonly changed: () => void },
): void {
  const hooks: StoreHooks = {
    prepare: async (next) => {
      tenants.check(next.byName.keys())
      await serving.prepare()
    },
    changed: () => {
      serving.changed()
      if (tenants.error !== undefined) void tenants.reload()
    },
  }
  store.use(hooks)
  tenants.use({
    policies: () => store.current.byName.keys(),
    prepare: serving.prepare,
    changed: () => {
      serving.changed()
      if (store.error !== undefined) void store.reload()
    },
  })
}

/** Reads both again, now. */
export async function reloadSite(store: PolicyStore, tenants: TenantsStore): Promise<Reload> {
  const first = await store.reload()
  await tenants.reload()
  const { revision, error } = first.error === undefined ? first : await store.reload()
  const errors = [error, tenants.error].filter((one) => one !== undefined)
  return { revision, error: errors.length === 0 ? undefined : errors.join('\n') }
}
