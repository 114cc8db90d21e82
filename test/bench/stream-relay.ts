/**
 * The least that a relay on the same HTTP server and client costs, in a process of its own: requests and
 * answers as they come, nothing read, nothing checked.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool } from 'undici'

const connect = { socketPath: process.argv[2] ?? '' }
const upstream = new Pool('http://localhost', { connections: 256, connect })

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body = Buffer.concat(chunks)
    const headers = { 'content-type': 'application/json' }
    upstream.dispatch(
      { path: request.url ?? '/', method: 'POST', headers, body },
      {
        onRequestStart: () => undefined,
        onResponseStart: (_, status, { 'content-type': type = '' }) =>
          void response.writeHead(status, { 'content-type': type }),
        onResponseData: (_, chunk) => void response.write(chunk),
        onResponseEnd: () => void response.end(),
        onResponseError: () => void response.destroy(),
      },
    )
  })
})

server.listen(0, '127.0.0.1', () => {
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
process.on('disconnect', () => process.exit(0))
