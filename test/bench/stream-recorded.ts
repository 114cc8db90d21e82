/**
 * Recorded streams of real providers for the stream bench, from the data folder (see data-folder.ts)
 * when it is there: frames as they came, each text with the time of its sending in front.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { dataFolder } from './data-folder.ts'
import { nowUs, STAMP_END, STAMP_START } from './stream-parts.ts'

const FOLDER = 'fixtures/vercel_sse_fixtures'
/** A text of an answer or of its reasoning: the stamp goes in front of it. */
const TEXT = /"(?:content|reasoning_content|reasoning)":"(?!")/

/** Bytes before and after the stamp of one frame; what comes without text stands before it. */
type Frame = readonly [before: string, after: string]

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

export const stamped = ([before, after]: Frame): string =>
  `${before}${STAMP_START}${nowUs()}${STAMP_END}${after}`

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
      frames.push([before + frame.slice(0, at), frame.slice(at)])
      before = ''
    }
  }
  return frames
}
