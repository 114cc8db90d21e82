/**
 * The configuration document: every key, its type, its bound and its default.
 *
 * Unknown keys are errors: a guard must not ignore a typo. Keys and sections of the CheckStream
 * documents (`sidecar-config.yaml`, proxy mode's `config.yaml`) keep their names.
 */
import { z } from 'zod'
import { TOOL_FORMATS } from '../model/tool-format.ts'
import { duration, size } from './units.ts'

const path = z.string().min(1).max(4096)
const port = z.number().int().min(0).max(65_535)
const count = (fallback: number, least: number, most: number) =>
  z.number().int().min(least).max(most).default(fallback)
const probability = z.number().min(0).max(1)

export const CALLBACKS = ['on_sampling_step', 'on_token_generated', 'on_tool_call'] as const
export const ON_FAILURE = ['closed', 'open', 'resident'] as const

/** The engine's side of the step protocol. */
const vllm = z.strictObject({
  /** Unix socket on which the step server listens. */
  socket: path.default('/shared/checkstream.sock'),
  /** Mode of the socket file. */
  socket_mode: z
    .string()
    .regex(/^0?[0-7]{3}$/, 'expected an octal mode such as 0660')
    .default('0660'),
  callbacks: z.array(z.enum(CALLBACKS)).default([...CALLBACKS]),
  /** How the model spells tool calls; `auto`: by its name, else as seen in the text. */
  tool_format: z.enum(['auto', ...TOOL_FORMATS]).default('auto'),
  /** Longest time that the engine waits for an awaited step. */
  deadline: duration('20ms'),
  coalesce_steps: count(8, 1, 64),
  coalesce_time: duration('10ms'),
  on_failure: z.enum(ON_FAILURE).default('resident'),
  breaker_misses: count(3, 1, 1000),
  breaker_open: duration('1s'),
  max_engines: count(16, 1, 256),
  max_rows: count(1024, 1, 65_536),
  /** A session without news for this long is dropped and counted. */
  session_age: duration('1h'),
  max_sessions: count(16_384, 1, 1_048_576),
})

const server = z.strictObject({
  host: z.string().min(1).default('0.0.0.0'),
  port: port.default(8080),
  /** Longest silence towards or from the client while a response runs. */
  timeout: duration('300s'),
  /** Time in which a client must have sent its whole request. */
  request_timeout: duration('30s'),
  body_limit: size('10MiB', 512 * 1024 * 1024),
  /** Of all request bodies that are being read at once; past it 503. */
  bodies_limit: size('256MiB', 64 * 1024 * 1024 * 1024),
  max_connections: count(10_000, 1, 1_000_000),
  max_requests: count(1024, 1, 1_000_000),
  /** On SIGTERM: how long running responses may go on. */
  drain: duration('25s'),
  /** Administrative routes and the playground: `local` = loopback only. */
  admin: z.enum(['off', 'local', 'on']).default('local'),
  playground: z.boolean().default(false),
  /** `METHOD /path` pairs that pass to the upstream unchecked, besides the built-in ones. */
  allow_routes: z
    .array(z.string().regex(/^(GET|POST|DELETE) \/[\w./:-]{0,255}$/, 'expected METHOD /path'))
    .max(64)
    .default([]),
})

const backend = z.strictObject({
  /** `http(s)://host[:port][/base]` or `unix:///path`. */
  url: z
    .string()
    .regex(/^(https?:\/\/|unix:)/, 'expected http://…, https://… or unix:///path')
    .default('unix:///shared/vllm.sock'),
  /** Longest silence of the upstream. */
  timeout: duration('120s'),
  max_connections: count(1024, 1, 65_536),
  retry: z
    .strictObject({
      /** Only connections that were refused are tried again: nothing was sent yet. */
      max_attempts: count(3, 1, 10),
      backoff: z.enum(['exponential', 'constant']).default('exponential'),
    })
    .prefault({}),
  /** Name of an environment variable whose value is sent upstream when a client sends no key. */
  api_key_env: z.string().max(256).default(''),
})

const names = z.array(z.string().min(1).max(128)).max(64)

const guardrails = z.strictObject({
  preventive: z
    .strictObject({
      enabled: z.boolean().default(true),
      logit_masking: z
        .strictObject({
          enabled: z.boolean().default(true),
          banned_tokens_file: path.default('/etc/checkstream/banned_tokens.json'),
        })
        .prefault({}),
      adaptive_decoding: z
        .strictObject({
          enabled: z.boolean().default(true),
          risk_threshold: probability.default(0.7),
          safe_mode: z
            .strictObject({
              temperature: z.number().min(0).max(2).default(0.3),
              top_p: z.number().gt(0).max(1).default(0.6),
              top_k: z.number().int().min(1).max(1_000_000).optional(),
              min_p: probability.optional(),
              repetition_penalty: z.number().gt(0).max(2).optional(),
            })
            .prefault({}),
        })
        .prefault({}),
    })
    .prefault({}),
  reactive: z
    .strictObject({
      enabled: z.boolean().default(true),
      holdback_size: count(8, 0, 4096),
      check_interval: count(10, 1, 4096),
    })
    .prefault({}),
  ingress: z
    .strictObject({
      enabled: z.boolean().default(true),
      classifiers: names.default([]),
      timeout_ms: count(50, 1, 60_000),
    })
    .prefault({}),
  midstream: z
    .strictObject({
      enabled: z.boolean().default(true),
      holdback_size: count(16, 0, 4096),
      check_interval: count(8, 1, 4096),
      classifiers: names.default([]),
      timeout_ms: count(50, 1, 60_000),
    })
    .prefault({}),
  egress: z
    .strictObject({
      enabled: z.boolean().default(true),
      inject_disclaimers: z.boolean().default(true),
    })
    .prefault({}),
  tool_calls: z
    .strictObject({
      /** Where a rewritten call says so: in its arguments too, or only in the header or trailer. */
      mark: z.enum(['arguments', 'header']).default('arguments'),
    })
    .prefault({}),
})

const model = z.union([
  z.string().min(1).max(128),
  z.strictObject({
    name: z.string().min(1).max(128),
    /** Folder with config.json, the tokenizer and an ONNX file. */
    path,
    tier: z.enum(['A', 'B', 'C']).default('B'),
  }),
])

const classifiers = z.strictObject({
  /** Score the model's own hidden states where a probe is fitted; text otherwise. */
  embedding_mode: z.boolean().default(false),
  /** A file of `checkstream probe fit`; empty = none is fitted. */
  probe: path.default(''),
  models: z.array(model).max(64).default([]),
  /** Artefacts of `checkstream calibrate`, each in place of the one that its model came with. */
  calibrations: z.array(path).max(64).default([]),
  workers: count(1, 0, 64),
  /** A model past the time of its tier: shown only, or what it is asked counts as late. */
  over_budget: z.enum(['report', 'late']).default('report'),
})

const policies = z.strictObject({
  path: path.default('/etc/checkstream/policies'),
  hot_reload: z.boolean().default(true),
  reload_interval: duration('30s'),
  /** Policy of requests without an identity; empty = all files of `path` together. */
  default: z.string().max(128).default(''),
  /** YAML file that says which tenant runs under which policy; empty = one tenant for all. */
  tenants_file: z.string().max(4096).default(''),
})

const telemetry = z.strictObject({
  mode: z.enum(['aggregate', 'full_evidence']).default('aggregate'),
  export: z
    .strictObject({
      enabled: z.boolean().default(false),
      endpoint: z.string().max(2048).default(''),
    })
    .prefault({}),
  log_level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  /** One JSON line per decision: `stdout`, `off`, or a file. */
  decisions: path.default('off'),
  /** Environment variable with the secret of the log's commitments; random per process without one. */
  salt_env: z.string().max(256).default(''),
  /** YAML file that says whom a `notify` may tell; empty = nobody. */
  notices_file: z.string().max(4096).default(''),
})

const cache = z.strictObject({
  /** Vocabularies of the engines that attached; bounded, may be deleted at any time. */
  path: path.default('/var/cache/checkstream'),
  max_size: size('256MiB', 64 * 1024 ** 3),
})

export const configSchema = z.strictObject({
  /** `auto`: `proxy` when a backend is named and no vLLM socket is, `sidecar` otherwise. */
  mode: z.enum(['auto', 'sidecar', 'proxy']).default('auto'),
  vllm: vllm.prefault({}),
  server: server.prefault({}),
  backend: backend.prefault({}),
  guardrails: guardrails.prefault({}),
  classifiers: classifiers.prefault({}),
  policies: policies.prefault({}),
  telemetry: telemetry.prefault({}),
  cache: cache.prefault({}),
})

/** Complete and frozen: every key has a value; durations are milliseconds, sizes are bytes. */
export type Config = z.output<typeof configSchema>
