import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { parseBannedTokens } from '../src/config/banned-tokens.ts'
import { parseDocumentText } from '../src/config/document.ts'
import { toEffective } from '../src/config/layers.ts'
import { toSitePolicies } from '../src/main/site/site-policies.ts'
import { buildLibrary, requireLibrary } from '../src/policy/files/library.ts'
import { toRoute } from '../src/proxy/routes.ts'

const ROOT = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

type Loose = { [key: string]: Loose } & Loose[] & string
const load = (path: string): Loose[] =>
  parseAllDocuments(read(path)).map((document) => document.toJS() as Loose)
const one = (path: string): Loose => load(path)[0] as Loose

const SERVICE_KEYS = new Set(
  'build image ports environment volumes command read_only tmpfs cap_drop security_opt stop_grace_period restart runtime user depends_on ipc shm_size deploy'.split(
    ' ',
  ),
)
const CONTAINER_KEYS = new Set(
  'name image args env ports startupProbe livenessProbe readinessProbe resources securityContext volumeMounts restartPolicy lifecycle'.split(
    ' ',
  ),
)

describe('docker-compose.yml', () => {
  const compose = parse(read('docker-compose.yml')) as Loose
  const { vllm, 'checkstream-sidecar': sidecar } = compose['services'] as Loose

  it('has only fields that compose knows, and files that exist', () => {
    for (const service of [vllm, sidecar]) {
      for (const key of Object.keys(service as object)) expect(SERVICE_KEYS).toContain(key)
      expect(existsSync(join(ROOT, (service as Loose)['build']?.['dockerfile'] as string))).toBe(
        true,
      )
    }
    for (const file of ['sidecar-config.yaml', 'banned_tokens.json']) {
      expect(existsSync(join(ROOT, 'deploy/compose', file))).toBe(true)
    }
  })

  it('gives both the same socket on a shared volume, and the engine no port', () => {
    expect(vllm?.['environment']).toContain('VLLM_SIDECAR_SOCKET=/shared/checkstream.sock')
    expect(sidecar?.['environment']).toContain('VLLM_SOCKET=/shared/checkstream.sock')
    expect(sidecar?.['environment']).toContain('BACKEND_URL=unix:///shared/vllm.sock')
    expect(vllm?.['command']).toContain('/shared/vllm.sock')
    for (const service of [vllm, sidecar])
      expect(service?.['volumes']).toContain('shared-socket:/shared')
    expect(vllm).not.toHaveProperty('ports')
    expect(vllm?.['runtime']).toBe('nvidia')
    expect(vllm?.['command']).toContain('checkstream_vllm:CheckStream')
  })

  it('starts the sidecar with a configuration that loads', () => {
    const text = read('deploy/compose/sidecar-config.yaml')
    const file = parseDocumentText(text, 'sidecar-config.yaml')
    expect(toEffective({ file, environment: [], flags: [] }).mode).toBe('sidecar')
    expect(parseBannedTokens(read('deploy/compose/banned_tokens.json'), 'b').bans).toHaveLength(2)
  })
})

describe('deploy/kubernetes', () => {
  const pod = one('deploy/kubernetes/deployment.yaml')['spec']?.['template']?.['spec'] as Loose
  const sidecar = pod['initContainers']?.[0] as Loose
  const vllm = pod['containers']?.[0] as Loose

  it('lists every manifest', () => {
    for (const file of one('deploy/kubernetes/kustomization.yaml')['resources'] as string[]) {
      for (const document of load(`deploy/kubernetes/${file}`)) {
        expect(document).toHaveProperty('apiVersion')
        expect(document).toHaveProperty('kind')
        expect(document).toHaveProperty('metadata.name')
      }
    }
  })

  it('runs the sidecar natively: an init container that is always restarted', () => {
    expect(sidecar['restartPolicy']).toBe('Always')
    for (const container of [sidecar, vllm]) {
      for (const key of Object.keys(container)) expect(CONTAINER_KEYS).toContain(key)
      const mounts = (container['volumeMounts'] as Loose[]).map((mount) => mount['name'])
      const volumes = (pod['volumes'] as Loose[]).map((volume) => volume['name'])
      for (const mount of mounts) expect(volumes).toContain(mount)
      expect(mounts).toContain('shared')
    }
    expect(vllm['resources']?.['limits']?.['nvidia.com/gpu']).toBe(1)
    expect(vllm).not.toHaveProperty('ports')
  })

  it('gives no container more rights than it needs', () => {
    for (const { securityContext } of [sidecar, vllm] as unknown as {
      securityContext: unknown
    }[]) {
      expect(securityContext).toMatchObject({
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'RuntimeDefault' },
      })
    }
    expect(sidecar['securityContext']).toMatchObject({
      runAsNonRoot: true,
      readOnlyRootFilesystem: true,
    })
    expect(pod['automountServiceAccountToken']).toBe(false)
    for (const container of [sidecar, vllm]) {
      expect(container['resources']).toHaveProperty('limits.memory')
      expect(container['resources']).toHaveProperty('requests.memory')
    }
  })

  it('leaves time to stop: the preStop of the engine, its own stop, and the drain of the sidecar', () => {
    const sleep = Number(vllm['lifecycle']?.['preStop']?.['exec']?.['command']?.[1])
    const { drain } = toEffective({ environment: [], flags: [] }).config.server
    const grace = Number(pod['terminationGracePeriodSeconds'])
    expect(sleep).toBeGreaterThanOrEqual(drain / 1_000)
    expect(grace).toBeGreaterThanOrEqual(sleep + drain / 1_000 + 30)
  })

  it('probes routes that the sidecar answers', () => {
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
      const path = sidecar[probe]?.['httpGet']?.['path'] as string
      expect(toRoute('GET', path).kind).toBe('own')
    }
    expect(sidecar['readinessProbe']?.['httpGet']?.['path']).toBe('/health/ready')
  })

  it('carries a configuration and policies that load', () => {
    const [config, policies] = load('deploy/kubernetes/configmap.yaml')
    const text = config?.['data']?.['sidecar-config.yaml'] as string
    const file = parseDocumentText(text, 'sidecar-config.yaml')
    const effective = toEffective({ file, environment: [], flags: [] })
    expect(effective.mode).toBe('sidecar')
    expect(effective.config.backend.url).toBe('unix:///shared/vllm.sock')
    const banned = parseBannedTokens(config?.['data']?.['banned_tokens.json'] as string, 'b')
    const files = Object.entries(policies?.['data'] as object).map(([name, body]) => ({
      file: name,
      text: body as string,
    }))
    const settings = {
      bans: banned.bans,
      isMasking: true,
      onFailure: 'resident' as const,
      standard: '',
      adaptive: undefined,
      classifiers: [],
      answered: [],
      calibration: {},
      destinations: [],
      isLowering: () => false,
    }
    const site = toSitePolicies(
      requireLibrary(buildLibrary(files, { nowMs: Date.now() })),
      settings,
    )
    expect(site.standard.bans.map(({ text: ban }) => ban)).toEqual([
      'guaranteed profit',
      'cannot lose money',
      'guaranteed returns',
    ])
  })
})

describe('deploy/Dockerfile', () => {
  const lines = read('deploy/Dockerfile').split('\n')
  const last = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')))

  it('ends in a stage that is not root and carries no development packages', () => {
    expect(lines.filter((line) => line.startsWith('FROM ')).length).toBe(2)
    expect(last).toContain('USER 10001:10001')
    expect(lines.some((line) => line.includes('npm prune --omit=dev'))).toBe(true)
  })

  it('copies everything that the package ships', () => {
    const { files } = JSON.parse(read('package.json')) as { files: string[] }
    for (const name of files.filter((entry) => !['deploy', 'docs'].includes(entry))) {
      expect(last.some((line) => line.startsWith('COPY') && line.includes(name))).toBe(true)
    }
  })

  it('sends no local environment or build to the builder', () => {
    const ignored = read('.dockerignore').split('\n')
    for (const name of ['.git', '.venv*', '.checkstream', 'node_modules', 'dist']) {
      expect(ignored).toContain(name)
    }
  })
})
