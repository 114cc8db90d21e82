/** What the guard itself costs and holds, measured in this process without any socket. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createStreamGuard } from '../../src/stream/stream-guard.ts'
import { frameOf, guardOptions, wordAt } from './stream-parts.ts'

const framesOf = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, i) => Buffer.from(frameOf({ content: wordAt(i) })))

/** Held bytes after every frame of honest text, and at the frames after which nothing was open. */
export function heldBytes(): { readonly all: number[]; readonly idle: number[] } {
  const all: number[] = []
  const idle: number[] = []
  let open: { readonly openFrom: number | undefined; readonly length?: number } | undefined
  const base = guardOptions()()
  const guard = createStreamGuard({
    ...base,
    scan: (channel) => {
      const scan = base.scan?.(channel)
      open = scan
      return scan
    },
  })
  for (const frame of framesOf(20_000)) {
    guard.push(frame)
    all.push(guard.heldBytes)
    if (open?.openFrom === open?.length) idle.push(guard.heldBytes)
  }
  return { all, idle }
}

/** CPU time of the guard for one frame: other load on the machine hardly moves it. */
export function guardCpuUs(): number {
  const options = guardOptions()
  const chunks = framesOf(20_000)
  const run = (): number => {
    const guard = createStreamGuard(options())
    const begin = process.cpuUsage()
    for (const chunk of chunks) guard.push(chunk)
    const { user, system } = process.cpuUsage(begin)
    return (user + system) / chunks.length
  }
  return Math.min(run(), run(), run())
}

/** Heap after a collection, before and after ten thousand streams. */
export function heapGrowth(): number {
  setFlagsFromString('--expose_gc')
  const collect = runInNewContext('gc') as () => void
  const options = guardOptions()
  const chunks = framesOf(50)
  const run = (streams: number): void => {
    for (let i = 0; i < streams; i++) {
      const guard = createStreamGuard(options())
      for (const chunk of chunks) guard.push(chunk)
      guard.end()
    }
  }
  run(500)
  collect()
  const before = process.memoryUsage().heapUsed
  run(10_000)
  collect()
  return process.memoryUsage().heapUsed - before
}
