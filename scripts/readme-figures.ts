/**
 * Rewrites the table of figures in README.md from the committed bench records, so that no number
 * there is typed by hand. Run by `npm run bench:record`; with --check it only compares.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '..')
const RECORDS = join(ROOT, 'test/bench/record')
const BEGIN = '<!-- figures: written by npm run bench:record -->'
const END = '<!-- end of figures -->'

/** Which keys of which record the table shows, with the words around the number. */
const ROWS: readonly (readonly [record: string, key: string, what: string, unit: string])[] = [
  ['evasion', 'variants', 'disguised variants of banned phrases tried', ''],
  ['evasion', 'violations', 'of them that could be produced under the guard', ''],
  [
    'evasion',
    'baseline_violations',
    "of the first 100 000, vLLM's own `bad_words` lets through",
    '',
  ],
  ['evasion', 'false_denials', 'denials on the clean corpus', ''],
  ['mask', 'compile_ms', '403 phrases × o200k compiled, case fold', 'ms'],
  ['mask', 'compile_ms_point_folds', '… with the five folds of single characters', 'ms'],
  ['mask', 'compile_ms_all_folds', '… with every fold at once', 'ms'],
  ['mask', 'xgrammar_compile_ms', "… XGrammar's `excludes` (exact bytes only), same run", 'ms'],
  ['mask', 'compile_ms_48000', '48 000 phrases × o200k compiled, case fold', 'ms'],
  ['mask', 'program_bytes', 'program of the 403 phrases', 'bytes'],
  ['mask', 'advance_ns_p99', 'one row advanced in the sidecar, p99', 'ns'],
  ['mask', 'plugin_apply_us_p50', 'plugin: 64 rows × 151 936 logits masked on CPU, p50', 'µs'],
  ['mask', 'dense_us_p50', 'one dense `masked_fill_` of that shape, same run', 'µs'],
  ['mask-peers', 'compile_ms', 'side by side: 403 phrases compiled, case fold', 'ms'],
  ['mask-peers', 'xgrammar_compile_ms', "… XGrammar's `excludes`, exact bytes only", 'ms'],
  ['mask-peers', 'llguidance_compile_ms', '… a complement in llguidance, exact bytes only', 'ms'],
  ['mask-peers', 'row_us', 'side by side: mask of one row, made and applied', 'µs'],
  ['mask-peers', 'xgrammar_fill_us', '… made by XGrammar', 'µs'],
  ['mask-peers', 'llguidance_fill_us', '… made by llguidance, in states that are new to it', 'µs'],
  ['mask-peers', 'llguidance_fill_again_us', '… in states that it knows', 'µs'],
  ['vllm', 'ratio_1', 'throughput with the guard / without, 1 request', ''],
  ['vllm', 'ratio_8', '… 8 requests', ''],
  ['vllm', 'ratio_64', '… 64 requests', ''],
  ['vllm', 'added_apply_us_p50', 'all that the hooks add inside the engine, 64 rows, p50', 'µs'],
  ['vllm', 'sync_ratio_64', '… 64 requests, every row awaited', ''],
  ['stream', 'added_first_ms_p50', 'sidecar, 32 streams: added to the first frame, p50', 'ms'],
  ['stream', 'added_first_ms_p99', '… p99', 'ms'],
  ['stream', 'relay_added_first_ms_p50', '… by a bare relay, same run, p50', 'ms'],
  ['stream', 'added_chunk_ms_p50', 'sidecar, 32 streams: added to every other frame, p50', 'ms'],
  ['stream', 'added_chunk_ms_p99', '… p99', 'ms'],
  ['stream', 'relay_added_chunk_ms_p50', '… by a bare relay, same run, p50', 'ms'],
  [
    'stream-others',
    'portkey_added_first_ratio_p50',
    "Portkey's gateway / sidecar, added to the first frame, p50",
    '',
  ],
  ['stream-others', 'portkey_added_chunk_ratio_p50', '… added to every other frame, p50', ''],
  [
    'stream-others',
    'litellm_added_first_ratio_p50',
    'LiteLLM / sidecar, added to the first frame, p50 (LiteLLM is past what it can carry)',
    '',
  ],
  ['stream-others', 'litellm_added_chunk_ratio_p50', '… added to every other frame, p50', ''],
  ['stream', 'guard_cpu_us_per_frame', 'stream plane: CPU time per frame, 403 phrases', 'µs'],
  ['stream', 'streams_per_core', '… streams of 50 frames a second that one core carries', ''],
  ['tools', 'injected', 'injected tool calls tried, end to end', ''],
  ['tools', 'injected_executed', '… executed', ''],
  ['tools', 'honest', 'honest tool calls beside them', ''],
  ['tools', 'honest_untouched', '… untouched', ''],
  ['engine', 'tokens_per_s_1', 'embedded engine, one request', 'tokens/s'],
  ['engine', 'tokens_per_s_16', 'embedded engine, 16 requests', 'tokens/s'],
]

/** Records that are written by a bench of another name. */
const COMMANDS: Readonly<Record<string, string>> = {
  'stream-others': 'stream -- --others',
  'mask-peers': 'mask',
}

function valueOf(record: string, key: string): string | undefined {
  const path = join(RECORDS, `${record}.json`)
  if (!existsSync(path)) return undefined
  const value = (JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>)[key]
  if (typeof value !== 'number') return undefined
  if (Number.isInteger(value)) return value.toLocaleString('en-US').replaceAll(',', ' ')
  return value < 10 ? value.toFixed(2) : value.toFixed(0)
}

function table(): string {
  const rows = ROWS.flatMap(([record, key, what, unit]) => {
    const value = valueOf(record, key)
    return value === undefined
      ? []
      : [
          `| ${what} | ${value}${unit === '' ? '' : ` ${unit}`} | \`npm run bench:${COMMANDS[record] ?? record}\` |`,
        ]
  })
  return ['| what | measured | by |', '| --- | --- | --- |', ...rows].join('\n')
}

const path = join(ROOT, 'README.md')
const before = readFileSync(path, 'utf8')
const from = before.indexOf(BEGIN)
const to = before.indexOf(END)
if (from < 0 || to < from) throw new Error(`README.md: expected the markers ${BEGIN} and ${END}`)
const after = `${before.slice(0, from + BEGIN.length)}\n${table()}\n${before.slice(to)}`
if (process.argv.includes('--check')) {
  if (after !== before) {
    console.error('README.md: the figures are not those of the records; run npm run bench:record')
    process.exit(1)
  }
} else writeFileSync(path, after)
