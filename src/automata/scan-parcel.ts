/**
 * A scan machine on its way to another thread: flat arrays, which are moved and not copied, and small
 * tables of plain values. Building one takes long; unpacking one takes a moment.
 */
import type { Ban } from '../model/ban.ts'
import { toScanMachine } from './automaton.ts'
import type { ScanMachine } from './automaton.ts'
import type { Classes } from './classes.ts'
import { Graph } from './graph.ts'
import type { Kit } from './graph.ts'
import { PairMap } from './pair-map.ts'
import type { IntList, PairMapData } from './pair-map.ts'
import { Positions } from './positions.ts'

const LISTS = [
  'nodeKit',
  'isComplex',
  'isSpace',
  'firstEdge',
  'edgeLabel',
  'edgeTarget',
  'edgeNext',
  'endsHere',
  'endsAtBoundary',
] as const satisfies readonly (keyof Graph)[]

export type ScanParcel = {
  readonly bans: readonly Ban[]
  readonly classes: Classes
  readonly kits: readonly Kit[]
  readonly children: PairMapData
  readonly lists: Readonly<Record<(typeof LISTS)[number], Int32Array>>
  /** `endings` of the graph: ends of the lists, and their values. */
  readonly endingEnds: Int32Array
  readonly endingBans: Int32Array
}

/** Copies what is moved, so that the machine here stays whole. */
export function packScan({ bans, classes, positions }: ScanMachine): ScanParcel {
  const { graph } = positions
  const lists = Object.fromEntries(LISTS.map((name) => [name, graph[name].toArray()]))
  const { keyA, keyB, value, size } = graph.children.toData()
  let end = 0
  return {
    bans,
    classes: { ...classes, classOf: classes.classOf.slice() },
    kits: graph.kits,
    children: { keyA: keyA.slice(), keyB: keyB.slice(), value: value.slice(), size },
    // Made from the same names.
    lists: lists as ScanParcel['lists'],
    endingEnds: Int32Array.from(graph.endings, (list) => (end += list.length)),
    endingBans: Int32Array.from(graph.endings.flat()),
  }
}

/** What `postMessage` should move. */
export const parcelBuffers = ({
  classes,
  children,
  lists,
  endingEnds,
  endingBans,
}: ScanParcel): ArrayBufferLike[] =>
  [
    classes.classOf,
    children.keyA,
    children.keyB,
    children.value,
    endingEnds,
    endingBans,
    ...Object.values(lists),
  ].map((array) => array.buffer)

export function unpackScan(parcel: ScanParcel): ScanMachine {
  const { bans, classes, kits, children, lists, endingEnds, endingBans } = parcel
  const graph = new Graph()
  graph.kits.push(...kits)
  graph.children = PairMap.fromData(children)
  for (const name of LISTS) fill(graph[name], lists[name])
  let from = 0
  for (const to of endingEnds) {
    graph.endings.push([...endingBans.subarray(from, to)])
    from = to
  }
  return toScanMachine({ bans, classes, positions: new Positions(graph, classes) })
}

function fill(list: IntList, data: Int32Array): void {
  list.data = data
  list.length = data.length
}
