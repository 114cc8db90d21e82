/** The sidecar of the stream bench, in a process of its own: the real proxy with the guard in it. */
import { startProxy } from '../proxy/upstream.ts'
import { createStreamTransform } from '../../src/stream/transform.ts'
import { guardOptions } from './stream-parts.ts'

const [upstream = '', mode = 'guard'] = process.argv.slice(2)
const options = guardOptions(false)
const proxy = await startProxy(upstream, {
  admit: () =>
    Promise.resolve({
      kind: 'admit',
      binding: undefined,
      ...(mode === 'guard' ? { transform: () => createStreamTransform(options()) } : {}),
    }),
  limits: {
    bodyBytes: 1 << 20,
    requests: 4096,
    connections: 8192,
    idleMs: 60_000,
    requestMs: 60_000,
  },
})
process.on('message', (message) => {
  if (message === 'cpu') process.send?.({ cpu: process.cpuUsage(), rss: process.memoryUsage().rss })
  else process.exit(0)
})
process.send?.({ url: proxy.url })
