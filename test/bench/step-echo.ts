/**
 * What a round trip over a Unix socket costs here with nothing in it: step-echo.ts SOCKET sends every
 * message back. A message is 4 bytes of length (big-endian) and as many bytes.
 */
import { createServer } from 'node:net'

createServer((socket) => {
  let held = Buffer.alloc(0)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    held = Buffer.concat([held, chunk])
    while (held.length >= 4 && held.length >= 4 + held.readUInt32BE()) {
      const end = 4 + held.readUInt32BE()
      socket.write(held.subarray(0, end))
      held = held.subarray(end)
    }
  })
}).listen(process.argv[2])
