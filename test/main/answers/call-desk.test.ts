/** A value that policy chose is left alone by text rules, however the call is marked. */
import { describe, expect, it } from 'vitest'
import { createCallDesk } from '../../../src/main/answers/call-desk.ts'
import { createConversations } from '../../../src/main/answers/conversation.ts'
import { buildLibrary, requireLibrary } from '../../../src/policy/files/library.ts'
import { guardBody } from '../../../src/stream/body.ts'
import type { StreamOptions } from '../../../src/stream/guard-options.ts'
import { bodyOf, optionsFor, streamOf, through } from '../../stream/streams.ts'
import { contextAt } from '../../policy/findings.ts'
import type { Call } from '../../stream/streams.ts'

const policy = requireLibrary(
  buildLibrary(
    [
      {
        file: 'p.yaml',
        text: `name: p
rules:
  - name: mail-stays-here
    trigger: { type: tool, name: send_email }
    actions: [{ type: rewrite_tool, argument: to, value: desk@bank.example }]
`,
      },
    ],
    { nowMs: 0 },
  ),
).combined

const context = contextAt('tool')

const request = {
  requestId: 'r',
  path: '/v1/chat/completions',
  dialect: 'chat' as const,
  body: { messages: [] },
  headers: {},
  remote: '',
}

function optionsOf(isMarked: boolean, isForced: boolean): StreamOptions {
  const desk = createCallDesk({
    policy,
    context,
    conversation: createConversations()(request, { tenant: '', user: '' }, () => []),
    ask: undefined,
    approve: () => Promise.reject(new Error('nobody is asked')),
    commit: (value) => value,
    isMarked,
    observe: () => undefined,
    now: () => 0,
  })
  if (isForced) desk.forced(0, { name: 'send_email', path: 'to', value: 'desk@bank.example' })
  // Both addresses are what a text rule redacts.
  const addresses = ['desk@bank.example', 'cc@bank.example', 'mallory@evil.example']
  const redactions = addresses.map((phrase) => ({ phrase, redact: '[mail]' }))
  return { ...optionsFor('openai-chat', redactions), decideCall: desk.decide }
}

const said = (to: string): Call => ({
  name: 'send_email',
  arguments: ['{"to":"', to, '","cc":"cc@bank.', 'example"}'],
})

const CASES = [
  ['was forced while it was generated', 'desk@bank.example', true],
  ['the model said itself', 'desk@bank.example', false],
  ['was put in the place of another', 'mallory@evil.example', false],
] as const

describe.each([true, false])('marked in the arguments: %s', (isMarked) => {
  it.each(CASES)('leaves a value alone that %s', (_, to, isForced) => {
    const options = (): StreamOptions => optionsOf(isMarked, isForced)
    const call = said(to)
    const stream = through(options(), Buffer.from(streamOf('openai-chat', ['Ok.'], call)), [])
    const whole = guardBody(options(), Buffer.from(bodyOf('openai-chat', 'Ok.', call)))
    const isTold = isMarked && (isForced || to !== 'desk@bank.example')
    const mark = isTold ? ',"_checkstream_modified":true' : ''
    const wanted = JSON.stringify(`{"to":"desk@bank.example","cc":"[mail]"${mark}}`)
    for (const answer of [stream.toString(), Buffer.from(whole.body).toString()]) {
      expect(answer).toContain(wanted)
      expect(answer).not.toContain('cc@bank.example')
    }
  })
})
