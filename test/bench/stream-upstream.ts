/**
 * The mock upstream of the stream bench, in a process of its own: honest text, one word a frame, each
 * with the time at which it was sent. `max_tokens` of the request is the number of frames and `seed`
 * the milliseconds between them, so that every gateway passes them on.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { frameOf, stampedWord } from './stream-parts.ts'

type Asked = { readonly max_tokens?: number; readonly seed?: number; readonly stream?: boolean }

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
  { max_tokens: frames = 1, seed: everyMs = 0 }: Asked,
): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  let sent = 0
  const next = (): void => {
    if (response.destroyed) return
    if (sent === frames) {
      response.end(frameOf({}, 'stop') + 'data: [DONE]\n\n')
      return
    }
    response.write(frameOf({ content: stampedWord(sent++) }))
    if (everyMs === 0) setImmediate(next)
    else setTimeout(next, everyMs)
  }
  next()
}

server.listen(0, '127.0.0.1', () => {
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
process.on('disconnect', () => process.exit(0))
