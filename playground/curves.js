/** Live curves of the guarded request: risk, temperature in force, added time per step. */
import uPlot from './vendor/uPlot.esm.js'
import { byId } from './dom.js'

const MAX_POINTS = 2000
const HEIGHT = 96
const DRAW_MS = 150

/** A colour of the style sheet as the canvas takes it: custom properties are not computed. */
function ink(host) {
  return getComputedStyle(host).color
}

function createCurve(name, range, caption) {
  const host = byId(`curve-${name}`)
  const label = byId(`${name}-now`)
  let xs = []
  let ys = []
  let isStale = true
  const axis = { stroke: () => ink(host), ticks: { show: false }, font: '11px system-ui' }
  const plot = new uPlot(
    {
      width: host.clientWidth || 300,
      height: HEIGHT,
      padding: [8, 8, 0, 0],
      cursor: { show: false },
      legend: { show: false },
      scales: {
        x: { time: false, range: (_, low, high) => [0, Math.max(high ?? 0, 8)] },
        y: { range },
      },
      axes: [
        { ...axis, size: 22, grid: { show: false } },
        { ...axis, size: 40, space: 24, grid: { stroke: '#8883', width: 1 } },
      ],
      series: [
        {},
        { stroke: () => getComputedStyle(host).outlineColor, width: 2, points: { show: false } },
      ],
    },
    [xs, ys],
    host,
  )
  addEventListener('resize', () => plot.setSize({ width: host.clientWidth, height: HEIGHT }))
  return {
    add(x, y) {
      if (typeof y !== 'number') return
      xs.push(x)
      ys.push(y)
      isStale = true
      if (xs.length <= MAX_POINTS) return
      xs.shift()
      ys.shift()
    },
    clear() {
      xs = []
      ys = []
      isStale = true
    },
    restyle() {
      isStale = true
    },
    draw() {
      if (!isStale) return
      isStale = false
      label.textContent = ys.length === 0 ? '' : caption(ys)
      plot.setData([xs, ys])
    },
  }
}

const upTo = (least) => (_, low, high) => [0, Math.max(high ?? 0, least)]
const last = (ys) => ys.at(-1).toFixed(2)
const middle = (ys) => [...ys].sort((a, b) => a - b)[ys.length >> 1] ?? 0
const median = (ys) => `${Math.round(middle(ys))} µs`
/** A pause of the machine is not what a step costs: peaks far above the middle are cut. */
const withoutPeaks = ({ data }) => [0, Math.max(200, 4 * middle(data[1]))]

const curves = {
  risk: createCurve('risk', [0, 1], last),
  temperature: createCurve('temperature', upTo(1), last),
  added: createCurve('added', withoutPeaks, (ys) => `median ${median(ys)}`),
}
const all = Object.values(curves)

export function addPoint({ position, risk, temperature, addedUs }) {
  curves.risk.add(position, risk)
  curves.temperature.add(position, temperature)
  curves.added.add(position, addedUs)
}

export const clearCurves = () => all.forEach((curve) => curve.clear())
/** The colours have changed. */
export const restyleCurves = () => all.forEach((curve) => curve.restyle())

setInterval(() => all.forEach((curve) => curve.draw()), DRAW_MS)
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', restyleCurves)
