/** The page of `eval --page`: one table and one curve a file, no scripts, nothing fetched. */
import type { Rate, Report } from './metrics.ts'

/** A file's report, and how long its texts took. */
export type FileReport = Report & { readonly latencyMs?: Latency }
export type Latency = { readonly p50: number; readonly p95: number; readonly p99: number }

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

const percent = (rate: Rate | undefined): string =>
  rate === undefined
    ? '–'
    : `${(100 * rate.value).toFixed(2)} % (${(100 * rate.low).toFixed(1)}–${(100 * rate.high).toFixed(1)}), n=${rate.count}`

// Plot area in the view box of 360 × 220. The false-positive rate is logarithmic, because the left
// edge is where thresholds lie; what is below FLOOR is drawn there.
const [LEFT, RIGHT, TOP, BOTTOM] = [44, 344, 16, 176]
const FLOOR = 0.0005
const DECADES = Math.log10(1 / FLOOR)
const x = (fpr: number): number =>
  RIGHT + ((RIGHT - LEFT) * Math.log10(Math.max(fpr, FLOOR))) / DECADES
const y = (tpr: number): number => BOTTOM - (BOTTOM - TOP) * tpr

function grid(): string {
  const columns = [0.001, 0.01, 0.1, 1].map((fpr) => {
    const at = x(fpr).toFixed(1)
    return `<path class="g" d="M${at} ${TOP}V${BOTTOM}"/><text x="${at}" y="192" text-anchor="middle">${fpr}</text>`
  })
  const rows = [0, 0.25, 0.5, 0.75, 1].map((tpr) => {
    const at = y(tpr).toFixed(1)
    return `<path class="g" d="M${LEFT} ${at}H${RIGHT}"/><text x="${LEFT - 6}" y="${Number(at) + 4}" text-anchor="end">${tpr}</text>`
  })
  return columns.join('') + rows.join('')
}

/** The ROC curve as steps, and the threshold in use as a dot. */
function curve({ roc, recall, falsePositives }: Report): string {
  if (roc.length === 0) return ''
  const path = roc.map(([fpr, tpr], i) =>
    i === 0
      ? `M${x(fpr).toFixed(1)} ${y(tpr).toFixed(1)}`
      : `H${x(fpr).toFixed(1)}V${y(tpr).toFixed(1)}`,
  )
  const dot =
    recall === undefined || falsePositives === undefined
      ? ''
      : `<circle cx="${x(falsePositives.value).toFixed(1)}" cy="${y(recall.value).toFixed(1)}" r="4"><title>threshold: recall ${recall.value.toFixed(3)} at ${falsePositives.value.toFixed(4)}</title></circle>`
  return `<svg viewBox="0 0 360 220" role="img" aria-label="Recall by false-positive rate; the dot is the threshold in use">${grid()}<path class="c" d="${path.join('')}"/>${dot}<text x="${(LEFT + RIGHT) / 2}" y="212" text-anchor="middle">false-positive rate</text></svg>`
}

function section(name: string, report: FileReport): string {
  const rows: readonly (readonly [string, string])[] = [
    ['rows', `${report.rows}, ${report.positives} positive`],
    ['AUC', report.auc?.toFixed(4) ?? '–'],
    ['threshold', report.threshold.toFixed(4)],
    ['recall', percent(report.recall)],
    ['false positives', percent(report.falsePositives)],
    ...Object.entries(report.recallAt).map(
      ([fpr, rate]) => [`recall at ${fpr} false positives`, percent(rate)] as const,
    ),
    ['spread of groups', report.groupSpread?.toFixed(4) ?? '–'],
    ['median share read at alarm', report.medianReadAtAlarm?.toFixed(3) ?? '–'],
    ['median words after the evidence', report.medianTokensAfterEvidence?.toFixed(0) ?? '–'],
    ['time for a text', times(report.latencyMs)],
    ...Object.entries(report.groups).map(
      ([g, rate]) => [`false positives, group ${g}`, percent(rate)] as const,
    ),
  ]
  const cells = rows.map(([k, v]) => `<tr><th>${escape(k)}</th><td>${escape(v)}</td></tr>`).join('')
  return `<section><h2>${escape(name)}</h2>${curve(report)}<table>${cells}</table></section>`
}

const times = (latency: Latency | undefined): string =>
  latency === undefined
    ? '–'
    : `p50 ${latency.p50.toFixed(1)} ms, p95 ${latency.p95.toFixed(1)} ms, p99 ${latency.p99.toFixed(1)} ms`

// Follows the reader's choice of light or dark; colours keep 4.5:1 against the page in both.
const STYLE = [
  ':root{color-scheme:light dark;--ink:#1b1f24;--dim:#59636e;--page:#fff;--line:#d8dee4;--curve:#0550ae}',
  '@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9da7b1;--page:#0d1117;--line:#30363d;--curve:#79c0ff}}',
  'body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:62rem;margin:2rem auto;padding:0 1rem}',
  'section{display:flex;flex-wrap:wrap;gap:1.5rem;align-items:start;border-top:1px solid var(--line);padding:1rem 0}',
  'h2{flex-basis:100%;margin:0;font-size:1.1rem}p{color:var(--dim)}svg{width:min(26rem,100%)}',
  'table{border-collapse:collapse}th{text-align:left;font-weight:400;color:var(--dim);padding:.15rem 1rem .15rem 0;vertical-align:top}td{font-variant-numeric:tabular-nums}',
  'svg text{font-size:11px;fill:var(--dim)}.g{stroke:var(--line);fill:none}.c{stroke:var(--curve);stroke-width:2;fill:none;stroke-linejoin:round}circle{fill:var(--curve)}',
].join('')

export type PageFacts = {
  readonly title: string
  /** Digest of the model, and what decides an alarm. */
  readonly model: string
  readonly threshold: number
}

export function page(facts: PageFacts, reports: Readonly<Record<string, FileReport>>): string {
  const { title, model, threshold } = facts
  const body = Object.entries(reports).map(([name, r]) => section(name, r))
  const about = `Model ${model.slice(0, 16)}, threshold ${threshold.toFixed(4)}. Rates have 95 % intervals (Wilson).`
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escape(title)}</title><style>${STYLE}</style><h1>${escape(title)}</h1><p>${escape(about)}</p>${body.join('')}</html>\n`
}
