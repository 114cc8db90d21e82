/** The page of `eval --page`: one table and one curve a file, no scripts, nothing fetched. */
import type { Rate, Report } from './metrics.ts'

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

const percent = (rate: Rate | undefined): string =>
  rate === undefined
    ? '–'
    : `${(100 * rate.value).toFixed(2)} % (${(100 * rate.low).toFixed(1)}–${(100 * rate.high).toFixed(1)}), n=${rate.count}`

const x = (fpr: number): number => 40 + (260 * (Math.log10(Math.max(fpr, 0.0005)) + 3.3)) / 3.3
const y = (tpr: number): number => 170 - 150 * tpr

/** Logarithmic in the false-positive rate, because the left edge is where thresholds lie. */
function curve({ roc }: Report): string {
  if (roc.length === 0) return ''
  const points = roc.map(([fpr, tpr]) => `${x(fpr).toFixed(1)},${y(tpr).toFixed(1)}`).join(' ')
  const ticks = [0.001, 0.01, 0.1, 1]
    .map((t) => `<text x="${x(t).toFixed(0)}" y="188" text-anchor="middle">${t}</text>`)
    .join('')
  return `<svg viewBox="0 0 320 195" width="420" role="img" aria-label="Recall by false-positive rate"><path d="M40 20V170H300" fill="none" stroke="#888"/><polyline points="${points}" fill="none" stroke="#0550ae" stroke-width="2"/>${ticks}<text x="8" y="26">1.0</text><text x="8" y="172">0.0</text></svg>`
}

function section(name: string, report: Report): string {
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
    ['median tokens after evidence', report.medianTokensAfterEvidence?.toFixed(0) ?? '–'],
    ...Object.entries(report.groups).map(([g, rate]) => [`group ${g}`, percent(rate)] as const),
  ]
  const cells = rows.map(([k, v]) => `<tr><th>${escape(k)}</th><td>${escape(v)}</td></tr>`).join('')
  return `<section><h2>${escape(name)}</h2>${curve(report)}<table>${cells}</table></section>`
}

export function page(title: string, reports: Readonly<Record<string, Report>>): string {
  const style =
    'body{font:15px system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}th{text-align:left;font-weight:400;padding-right:1rem}svg text{font:11px system-ui}'
  const body = Object.entries(reports).map(([name, r]) => section(name, r))
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escape(title)}</title><style>${style}</style><h1>${escape(title)}</h1>${body.join('')}</html>\n`
}
