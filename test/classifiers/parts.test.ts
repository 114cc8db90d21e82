import { describe, expect, it } from 'vitest'
import {
  calibrateHead,
  parseCalibration,
  thresholdFor,
  wilson,
} from '../../src/classifiers/calibration.ts'
import { DriftMonitor } from '../../src/classifiers/drift.ts'
import { auc, report } from '../../src/classifiers/metrics.ts'
import { parseModelConfig } from '../../src/classifiers/model-config.ts'
import { PriorityQueue } from '../../src/classifiers/queue.ts'
import {
  BudgetGate,
  BudgetMeter,
  labelOf,
  parseRegistry,
  servable,
} from '../../src/classifiers/registry.ts'
import { page } from '../../src/classifiers/report-page.ts'
import { bestOf, probabilities, spansOf } from '../../src/classifiers/scores.ts'
import { emojiNamer } from '../../src/classifiers/text.ts'
import { batchesOf, windowsOf, wordsOf } from '../../src/classifiers/windows.ts'

const words = (count: number, each = 1) =>
  Array.from({ length: count }, (_, i) => ({
    ids: Array.from({ length: each }, (__, k) => i * each + k),
    start: i * 5,
    end: i * 5 + 4,
  }))

describe('windowsOf', () => {
  it('covers every id, overlaps, and keeps offsets', () => {
    for (let count = 1; count < 40; count++) {
      const found = windowsOf(words(count), 10, 3)
      expect(new Set(found.flatMap((w) => w.ids)).size).toBe(count)
      expect(Math.max(...found.map((w) => w.ids.length))).toBeLessThanOrEqual(10)
      for (const [i, w] of found.entries()) {
        expect(w.start).toBe((w.ids[0] ?? 0) * 5)
        if (i > 0) expect(found[i - 1]?.ids.slice(-3)).toEqual(w.ids.slice(0, 3))
      }
    }
  })

  it('gives nothing for an empty text and cuts a word that is longer than a window', () => {
    expect(windowsOf([], 10, 3)).toEqual([])
    expect(windowsOf(words(1, 25), 10, 0).map((w) => w.ids.length)).toEqual([10, 10, 5])
  })

  it('finds words with their UTF-16 offsets', () => {
    expect(wordsOf(' a 🙂 b')).toEqual([
      { word: 'a', start: 1, end: 2 },
      { word: '🙂', start: 3, end: 5 },
      { word: 'b', start: 6, end: 7 },
    ])
  })
})

describe('batchesOf', () => {
  it('keeps rows and padded cells within their bounds and loses nothing', () => {
    const windows = [5, 90, 7, 128, 128, 128, 3, 60].map((n) => ({
      ids: Array(n).fill(1) as number[],
    }))
    const batches = batchesOf(windows, 3, 256)
    expect(batches.flat().length).toBe(windows.length)
    for (const batch of batches) {
      expect(batch.length).toBeLessThanOrEqual(3)
      const width = Math.max(...batch.map((w) => w.ids.length))
      if (batch.length > 1) expect(batch.length * width).toBeLessThanOrEqual(256)
    }
  })
})

describe('PriorityQueue', () => {
  it('serves prompts and tools before streams and keeps order within', () => {
    const queue = new PriorityQueue<string>(9)
    queue.push('s1', 'stream')
    queue.push('p1', 'prompt')
    queue.push('t1', 'tool')
    queue.push('s2', 'stream')
    expect(queue.take(3)).toEqual(['p1', 't1', 's1'])
    expect(queue.take(3)).toEqual(['s2'])
  })

  it('drops the newest of the lowest priority at the bound, or the newcomer', () => {
    const queue = new PriorityQueue<string>(2)
    queue.push('s1', 'stream')
    queue.push('s2', 'stream')
    expect(queue.push('p1', 'prompt')).toBe('s2')
    expect(queue.push('s3', 'stream')).toBe('s3')
    expect(queue.take(9)).toEqual(['p1', 's1'])
  })
})

describe('scores', () => {
  it('names NaN as a failure', () => {
    expect(probabilities(Float32Array.of(0, Number.NaN), 'sigmoid')).toBeUndefined()
  })

  it('gives probabilities by sigmoid or softmax', () => {
    expect([...(probabilities(Float32Array.of(0, 0), 'sigmoid') ?? [])]).toEqual([0.5, 0.5])
    const soft = probabilities(Float32Array.of(1000, 1000, 0), 'softmax') ?? Float32Array.of()
    expect([...soft]).toEqual([0.5, 0.5, 0])
  })

  it('reports each label with the window that scored highest', () => {
    const found = bestOf(
      ['a', 'b'],
      [
        { start: 0, end: 9, values: Float32Array.of(0.25, 0.5) },
        { start: 5, end: 14, values: Float32Array.of(0.75, 0.125) },
      ],
    )
    expect(found).toEqual([
      { label: 'a', probability: 0.75, start: 5, end: 14 },
      { label: 'b', probability: 0.5, start: 0, end: 9 },
    ])
  })

  it('divides the odds of the best window by the number of windows when told to', () => {
    const windows = [0.5, 0.9, 0.2].map((p, i) => ({
      start: i,
      end: i + 1,
      values: Float32Array.of(p),
    }))
    const [best] = bestOf(['a'], windows, 1)
    expect(best?.probability).toBeCloseTo(9 / 3 / (1 + 9 / 3), 5)
    expect(best?.start).toBe(1)
    expect(bestOf(['a'], windows.slice(1, 2), 1)[0]?.probability).toBeCloseTo(0.9, 5)
    const odds = 9 / 3 ** 1.5
    expect(bestOf(['a'], windows, 1.5)[0]?.probability).toBeCloseTo(odds / (1 + odds), 5)
    expect(bestOf(['a'], windows)[0]?.probability).toBeCloseTo(0.9, 5)
  })

  it('joins neighbouring words of one entity', () => {
    const word = (start: number, ...values: number[]) => ({
      start,
      end: start + 3,
      values: Float32Array.from(values),
    })
    const found = spansOf(
      ['O', 'B-PER', 'I-PER'],
      [word(0, 1, 0, 0), word(4, 0, 1, 0), word(8, 0, 0.25, 0.75), word(12, 1, 0, 0)],
    )
    expect(found).toEqual([{ label: 'PER', probability: 1, start: 4, end: 11 }])
  })
})

describe('calibration', () => {
  const benign = Array.from({ length: 1000 }, (_, i) => i / 1000)

  it('keeps the promised false-positive rate, also with ties', () => {
    const { threshold, observed_fpr: got, upper_fpr: bound } = thresholdFor(benign, 0.01)
    expect(got).toBeLessThanOrEqual(0.01)
    expect(bound).toBeGreaterThan(got)
    expect(threshold).toBeGreaterThan(0.98)
    expect(thresholdFor(Array(500).fill(0.5) as number[], 0.01).observed_fpr).toBe(0)
  })

  it('refuses to calibrate on a handful of texts', () => {
    expect(() => thresholdFor([0.1, 0.2], 0.01)).toThrow(/at least 20/)
  })

  it('gives the Wilson interval of the textbook', () => {
    expect(wilson(8, 10).map((x) => x.toFixed(3))).toEqual(['0.490', '0.943'])
  })

  it('names the place of a mistake', () => {
    expect(() => parseCalibration({ format: 2 }, 'c.json')).toThrow(/c\.json\.format/)
  })

  it('raises the drift alarm when live quantiles leave it, and only then', () => {
    const head = calibrateHead(benign, 0.01, 'test')
    const same = new DriftMonitor(head)
    const moved = new DriftMonitor(head)
    for (let i = 0; i < 3000; i++) {
      same.record(((i * 7919) % 1000) / 1000)
      moved.record(Math.min(1, ((i * 7919) % 1000) / 1000 + (i % 3 === 0 ? 0.5 : 0)))
    }
    expect(same.report().drifted).toBe(false)
    expect(moved.report().drifted).toBe(true)
  })
})

describe('metrics', () => {
  const sample = (score: number, label: 0 | 1, group?: string) => ({
    score,
    label,
    ...(group === undefined ? {} : { group }),
  })

  it('counts ties as half in the AUC', () => {
    expect(auc([sample(0.5, 1), sample(0.5, 0)])).toBe(0.5)
    expect(auc([sample(0.9, 1), sample(0.1, 0), sample(0.8, 1), sample(0.85, 0)])).toBe(0.75)
    expect(auc([sample(0.9, 1)])).toBeUndefined()
  })

  it('draws a curve whose area is the AUC', () => {
    const samples = Array.from({ length: 400 }, (_, i) =>
      sample(((i * 7919) % 400) / 400, i % 3 === 0 || (i * 7919) % 400 > 250 ? 1 : 0),
    )
    const { roc, auc: wanted = 0 } = report(samples, 0.5)
    const area = roc.slice(1).reduce((sum, [x, y], i) => {
      const [before = 0, height = 0] = roc[i] ?? []
      return sum + ((x - before) * (y + height)) / 2
    }, 0)
    expect(roc[0]).toEqual([0, 0])
    expect(roc.at(-1)).toEqual([1, 1])
    expect(area).toBeCloseTo(wanted, 6)
  })

  it('reports groups, their spread and a page without scripts', () => {
    const found = report(
      [sample(0.9, 0, 'a'), sample(0.1, 0, 'a'), sample(0.1, 0, 'b'), sample(0.8, 1)],
      0.5,
    )
    expect(found.groupSpread).toBe(0.5)
    expect(found.recall?.value).toBe(1)
    const html = page({ title: 't<x>', model: 'abc', threshold: 0.5 }, { '<f>': found })
    expect(html).toContain('&lt;f>')
    expect(html).not.toContain('<script')
    expect(html).not.toMatch(/https?:/)
    expect(html).toContain('prefers-color-scheme:dark')
  })
})

describe('registry', () => {
  const files = { 'model.onnx': 'a'.repeat(64) }
  const value = {
    format: 1,
    models: { stream: { folder: 'stream', version: '1', tier: 'A', files } },
    names: { toxicity_detector: { label: 'toxicity', models: ['stream'] } },
  }

  it('knows names and lists them when one is unknown', () => {
    const registry = parseRegistry(value, 'registry.json')
    expect(labelOf(registry, 'toxicity_detector')).toBe('toxicity')
    expect(() => labelOf(registry, 'toxic')).toThrow(/expected one of toxicity_detector/)
  })

  it('refuses a name without a model and a digest that is none', () => {
    const lost = { ...value, names: { x: { label: 'y', models: ['gone'] } } }
    expect(() => parseRegistry(lost, 'r')).toThrow(/no model named gone/)
    const bad = { ...value, models: { stream: { ...value.models.stream, files: { a: 'b' } } } }
    expect(() => parseRegistry(bad, 'r')).toThrow(/r\.models\.stream\.files\.a/)
  })

  it('keeps a model of tier C out of service', () => {
    const slow = { ...value, models: { stream: { ...value.models.stream, tier: 'C' } } }
    const registry = parseRegistry(slow, 'r')
    expect(() => servable(registry, 'stream')).toThrow(/tier C is for eval/)
    expect(() => servable(registry, 'gone')).toThrow(/expected one of stream/)
    expect(servable(parseRegistry(value, 'r'), 'stream').tier).toBe('A')
  })

  it('asks a model that is past its budget rarely, until it is fast again', () => {
    const gate = new BudgetGate('B', 'late')
    const work = (ms: number, count: number): number => {
      let asked = 0
      for (let i = 0; i < count; i++) {
        if (!gate.admits()) continue
        asked++
        gate.meter.record(ms)
      }
      return asked
    }
    expect(work(5, 50)).toBe(50)
    expect(work(40, 400)).toBeLessThan(50)
    expect(gate.refused).toBeGreaterThan(300)
    work(5, 8000)
    expect(work(5, 100)).toBe(100)
  })

  it('goes on asking when the policy is to report', () => {
    const gate = new BudgetGate('A', 'report')
    for (let i = 0; i < 100; i++) gate.meter.record(50)
    expect(gate.meter.over).toBe(true)
    expect(gate.admits()).toBe(true)
  })

  it('sees a model that is over its budget', () => {
    const meter = new BudgetMeter('B')
    for (let i = 0; i < 100; i++) meter.record(5)
    expect(meter.over).toBe(false)
    for (let i = 0; i < 50; i++) meter.record(50)
    expect(meter.over).toBe(true)
  })
})

describe('parseModelConfig', () => {
  it('reads a Hugging Face sequence model and a token model', () => {
    const sequence = parseModelConfig(
      {
        architectures: ['BertForSequenceClassification'],
        id2label: { 0: 'ok', 1: 'bad' },
        hidden_size: 9,
      },
      'c',
    )
    expect(sequence).toMatchObject({
      kind: 'sequence',
      labels: ['ok', 'bad'],
      activation: 'softmax',
    })
    const token = parseModelConfig(
      { architectures: ['BertForTokenClassification'], id2label: { 0: 'O', 1: 'B-PER' } },
      'c',
    )
    expect(token.kind).toBe('token')
  })

  it('reads by which power of its windows a text is judged', () => {
    const power = (share_odds?: unknown): unknown => {
      const own = { window_tokens: 64, overlap_tokens: 8, share_odds }
      const config = parseModelConfig({ checkstream: own }, 'c')
      return config.kind === 'sequence' ? config.sharesOdds : undefined
    }
    expect([undefined, false, true, 1.5].map(power)).toEqual([0, 0, 1, 1.5])
    expect(() => power(5)).toThrow(/c\.checkstream\.share_odds/)
    expect(() => power('yes')).toThrow(/c\.checkstream\.share_odds/)
  })

  it('names what a stream config lacks', () => {
    const base = { kind: 'stream', labels: ['a'], state: 2, slots: 34, buckets: 65536, start: [0] }
    expect(() => parseModelConfig(base, 'c')).toThrow(/c\.start: expected 2 numbers, got 1/)
    expect(() => parseModelConfig({ ...base, labels: [] }, 'c')).toThrow(/c\.labels/)
  })
})

describe('emojiNamer', () => {
  it('names emoji and leaves other words alone', () => {
    const name = emojiNamer({ '🙂': 'slightly smiling face', '\u200d': '' })
    expect(name('hi🙂')).toBe('hi slightly smiling face')
    expect(name('naïve')).toBe('naïve')
  })
})
