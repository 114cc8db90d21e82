import { describe, expect, it } from 'vitest'
import { AnswerBody } from '../../src/proxy/answer-body.ts'

describe('AnswerBody', () => {
  it('waits for the next bytes where a source that goes on tells of nothing first', async () => {
    let resumed = 0
    const body: AnswerBody = new AnswerBody({
      pause: () => undefined,
      resume: () => {
        if (++resumed > 100) throw new Error('it goes round without end')
        body.push(new Uint8Array(0))
      },
      abort: () => undefined,
    })
    const read: string[] = []
    const reading = (async () => {
      for await (const chunk of body) read.push(Buffer.from(chunk).toString())
    })()
    for (const text of ['a', 'b']) {
      body.push(Buffer.from(text))
      await new Promise((turn) => setImmediate(turn))
    }
    body.end()
    await reading
    expect(read).toEqual(['a', 'b'])
    expect(resumed).toBeLessThan(10)
  })
})
