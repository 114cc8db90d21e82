/** Loads engine.proto from the package, whether this runs from src/ or from dist/. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadSync } from '@grpc/proto-loader'
import type { PackageDefinition, ServiceDefinition } from '@grpc/proto-loader'
import { invariant } from '../model/errors.ts'

export const SERVICE = 'checkstream.v1.Engine'

let loaded: PackageDefinition | undefined

export function protoPath(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const path = join(folder, 'proto/checkstream/v1/engine.proto')
    if (existsSync(path)) return path
    invariant(folder !== dirname(folder), 'proto/checkstream/v1/engine.proto is in the package')
  }
}

/** 64-bit fields become numbers: exact to 2^53, and parse-step refuses what is not. */
export function packageDefinition(): PackageDefinition {
  loaded ??= loadSync(protoPath(), { longs: Number, defaults: true, arrays: true, oneofs: true })
  return loaded
}

/** What a message becomes that is not protobuf: the conversation refuses it by name. */
export const UNREADABLE = { body: 'unreadable' } as const

export function engineService(): ServiceDefinition {
  const service = packageDefinition()[SERVICE]
  invariant(service !== undefined && 'Attach' in service, `${SERVICE} is in engine.proto`)
  return service as ServiceDefinition
}

/** The service as the server reads it: bytes that are no message do not become INTERNAL. */
export function tolerantService(): ServiceDefinition {
  const { Attach } = engineService()
  invariant(Attach !== undefined, 'Attach is in engine.proto')
  const requestDeserialize = (bytes: Buffer): object => {
    try {
      return Attach.requestDeserialize(bytes)
    } catch {
      return UNREADABLE
    }
  }
  return { Attach: { ...Attach, requestDeserialize } }
}
