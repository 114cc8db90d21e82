/**
 * The mock upstream of the stream bench, in a process of its own: honest text, one word a frame, each
 * with the time at which it was sent. `max_tokens` of the request is the number of frames, `seed` the
 * milliseconds between them and `temperature` says whether frames of all streams fall on the same
 * instants, so that every gateway passes them on. For the user `recorded` the frames are those of
 * recorded streams in turn, from the beginning again where one is too short.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { frameOf, RECORDED, stampedWord } from './stream-parts.ts'
import { sentStreams, stamped } from './stream-recorded.ts'

type Asked = {
  readonly max_tokens?: number
  readonly seed?: number
  readonly temperature?: number
  readonly user?: string
}

const LAST = `${frameOf({}, 'stop')}data: [DONE]\n\n`
const [HEAD = '', TAIL = ''] = frameOf({ content: '\u0001' }).split('\\u0001')
const recordings = sentStreams()
let turn = 0
/** Streams that wait for the next common instant, by interval. */
const steps = new Map<number, Set<() => void>>()

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const text = Buffer.concat(chunks).toString()
    play(response, text === '' ? {} : (JSON.parse(text) as Asked))
  })
})

function play(
  response: ServerResponse,
  { max_tokens: frames = 1, seed: everyMs = 0, temperature = 0, user }: Asked,
): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  let sent = 0
  const recording = user === RECORDED ? recordings[turn++ % recordings.length] : undefined
  const next = (): void => {
    if (response.destroyed) return
    if (sent === frames) {
      response.end(LAST)
      return
    }
    const frame = recording?.[sent % recording.length]
    response.write(frame === undefined ? HEAD + stampedWord(sent) + TAIL : stamped(frame))
    sent++
    if (everyMs === 0) setImmediate(next)
    else if (temperature === 0) setTimeout(next, everyMs)
    else stepOf(everyMs).add(next)
  }
  next()
}

function stepOf(everyMs: number): Set<() => void> {
  const known = steps.get(everyMs)
  if (known !== undefined) return known
  let waiting = new Set<() => void>()
  steps.set(everyMs, waiting)
  setInterval(() => {
    const all = waiting
    waiting = new Set()
    steps.set(everyMs, waiting)
    for (const next of all) next()
  }, everyMs)
  return waiting
}

// The same behind a Unix socket, as `vllm serve --uds` gives it to a sidecar in its pod.
const inner = createServer((request, response) => void server.emit('request', request, response))
inner.listen(process.argv[2] ?? '', () => {
  server.listen(0, '127.0.0.1', () => {
    process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  })
})
process.on('disconnect', () => process.exit(0))
