/**
 * Recorded streams of real providers for the stream bench, from the data folder (see data-folder.ts)
 * when it is there: frames as they came, each text with the time of its sending in front.
 *
 * A frame after which a match is open has to wait for the next one. Which frames these are is told by
 * the scanner of the bench's policy alone, not by the guard that is measured.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { createPolicyScanner, type PolicyScanner } from '../../src/policy/decide/scan.ts'
import { buildLibrary, requireLibrary } from '../../src/policy/files/library.ts'
import { isObject } from '../../src/stream/dialect.ts'
import { createDialect } from '../../src/stream/dialects.ts'
import { isJsonText } from '../../src/stream/holdback.ts'
import { createJsonText } from '../../src/stream/json-text.ts'
import { createSseParser } from '../../src/stream/sse.ts'
import { dataFolder } from './data-folder.ts'
import { nowUs, policyText, STAMP_END, STAMP_OPEN, STAMP_START } from './stream-parts.ts'

const FOLDER = 'fixtures/vercel_sse_fixtures'
/** A text of an answer or of its reasoning: the stamp goes in front of it. */
const TEXT = /"(?:content|reasoning_content|reasoning)":"(?!")/
/** Frames of one stream that are sent at most. */
export const MAX_RECORDED = 64

/** `before` and `after`: bytes around the stamp of one frame; what comes without text stands before it. */
type Frame = { readonly before: string; readonly after: string }
/** As it is sent. `isOpen`: a match is open after it. */
export type SentFrame = Frame & { readonly isOpen: boolean }

/** Chat streams with texts; none when the folder is not there. */
export function recordedStreams(): readonly (readonly Frame[])[] {
  const data = dataFolder()
  const folder = data === undefined ? undefined : join(data, FOLDER)
  if (folder === undefined || !existsSync(folder)) return []
  const names = readdirSync(folder).filter((name) => /\.chunks\.txt(\.gz)?$/.test(name))
  return names
    .filter((name) => !name.includes('completion__'))
    .map((name) => framesOf(readLines(join(folder, name))))
    .filter((frames) => frames.length > 0)
}

/** The first `MAX_RECORDED` frames of each, from the beginning again where one is too short. */
export function sentStreams(): readonly (readonly SentFrame[])[] {
  const streams = recordedStreams()
  if (streams.length === 0) return []
  const file = { file: 'bench.yaml', text: policyText() }
  const policy = requireLibrary(buildLibrary([file], { nowMs: 0 })).combined
  return streams.map((frames) => {
    const isOpenAfter = createFollower(() => createPolicyScanner(policy))
    return Array.from({ length: MAX_RECORDED }, (_, i): SentFrame => {
      const { before, after } = frames[i % frames.length] ?? { before: '', after: '' }
      return { before, after, isOpen: isOpenAfter(stamped({ before, after, isOpen: false })) }
    })
  })
}

export const stamped = ({ before, after, isOpen }: SentFrame): string =>
  `${before}${STAMP_START}${nowUs()}${isOpen ? STAMP_OPEN : ''}${STAMP_END}${after}`

/** Reads all texts of a stream, frame by frame; gives whether something is open after each. */
function createFollower(scan: () => PolicyScanner): (frames: string) => boolean {
  const dialect = createDialect('openai-chat')
  const parser = createSseParser(1 << 20)
  const channels = new Map<string, { scan: PolicyScanner; decode: (raw: string) => string }>()
  return (frames) => {
    for (const { data } of parser.push(Buffer.from(frames))) {
      const json: unknown = data === undefined ? undefined : JSON.parse(data)
      if (!isObject(json)) continue
      for (const piece of dialect.read(json).pieces) {
        let channel = channels.get(piece.key)
        if (channel === undefined) {
          const decode = isJsonText(piece, false) ? createJsonText().push : (raw: string) => raw
          channel = { scan: scan(), decode }
          channels.set(piece.key, channel)
        }
        channel.scan.push(channel.decode(piece.text))
      }
    }
    return [...channels.values()].some((channel) => channel.scan.openFrom < channel.scan.length)
  }
}

function readLines(file: string): readonly string[] {
  const bytes = readFileSync(file)
  const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
  return text.split('\n').filter((line) => line.trim() !== '' && !line.includes(STAMP_START))
}

/** Frames that end an answer are left out: how long it is, the bench says. */
function framesOf(lines: readonly string[]): readonly Frame[] {
  const frames: Frame[] = []
  let before = ''
  for (const line of lines) {
    const frame = `data: ${line}\n\n`
    if (/"finish_reason":"/.test(line)) continue
    const found = TEXT.exec(frame)
    if (found === null) before += frame
    else {
      const at = found.index + found[0].length
      frames.push({ before: before + frame.slice(0, at), after: frame.slice(at) })
      before = ''
    }
  }
  return frames
}
