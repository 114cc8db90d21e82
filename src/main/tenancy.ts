/** Who asks, and under which policy: the tenants file of the site, applied to a request's headers. */
import { readFileSync } from 'node:fs'
import { parseDocumentText } from '../config/document.ts'
import { GuardError } from '../model/errors.ts'
import type { Mode } from '../model/finding.ts'
import { checkTenants, resolveTenant, tenantsSchema } from '../policy/tenants.ts'
import type { TenantsConfig } from '../policy/tenants.ts'
import type { AdmissionRequest } from '../proxy/parts.ts'
import type { PolicyStore } from './policy-store.ts'
import type { SitePolicy } from './site-policies.ts'

export type Tenancy = {
  readonly tenant: string
  readonly user: string
  readonly policy: SitePolicy
  readonly mode: Mode | undefined
}

/** `file` empty: one tenant without a name, under the site's standard policy. */
export function createTenancy(
  file: string,
  store: PolicyStore,
): (request: AdmissionRequest) => Tenancy {
  const config = file === '' ? undefined : readTenants(file, store)
  return (request) => {
    const user = typeof request.body['user'] === 'string' ? request.body['user'] : ''
    if (config === undefined) {
      return { tenant: '', user, policy: store.current.standard, mode: undefined }
    }
    const result = resolveTenant(config, {
      path: request.path,
      headers: plain(request.headers),
      apiKey: keyOf(request.headers),
      serviceAccount: undefined,
    })
    if (result.kind === 'refused') throw new GuardError('request_denied', result.reason)
    const { tenant, policy, mode } = result.binding
    return { tenant, user, policy: store.find(policy), mode }
  }
}

function readTenants(file: string, store: PolicyStore): TenantsConfig {
  const document = parseDocumentText(readFileSync(file, 'utf8'), file)
  const result = tenantsSchema.safeParse(document.data)
  if (!result.success) {
    const issue = result.error.issues[0]
    const path = issue?.path ?? []
    const what = `${path.join('.')}: ${issue?.message ?? 'invalid'}`
    throw new GuardError('config_invalid', `${file}:${document.placeOf(path)} ${what}`)
  }
  checkTenants(result.data, store.current.byName.keys())
  return result.data
}

type Headers = AdmissionRequest['headers']

function keyOf(headers: Headers): string | undefined {
  const { authorization, 'x-api-key': key } = plain(headers)
  return /^Bearer (.+)$/i.exec(authorization ?? '')?.[1] ?? key
}

function plain(headers: Headers): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : value?.[0],
    ]),
  )
}
