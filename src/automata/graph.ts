/**
 * The graph of everything that is banned: tries of phrases and the nets of regular expressions.
 *
 * A node says how far a ban has been read, in folded letters. Bans that are read by the same rules
 * (fold mask, leet, gaps, may it start inside a word) share a kit, that is, a root.
 */
import { IntList, PairMap } from './pair-map.ts'

/** Between two letters of a match: nothing; nothing or everywhere one separator; at will one. */
export type Gaps = 0 | 1 | 2
export const CLOSED = 0
export const SPELLED = 1
export const SPLIT = 2

export type Kit = {
  readonly root: number
  /** Index of the fold mask. */
  readonly group: number
  readonly leet: boolean
  readonly gaps: Gaps
  /** The first letter joins words and the ban is a word: it may not follow a joining letter. */
  readonly atBoundary: boolean
}

/** Labels of edges: a letter id, `SPACE`, or a predicate as `predicateLabel(i)`. */
export const SPACE = -1
export const predicateLabel = (predicate: number): number => -2 - predicate

export class Graph {
  readonly kits: Kit[] = []
  /** Trie nodes only: (node, letter) → node. */
  children = new PairMap(1024)
  readonly nodeKit = new IntList(256)
  /** 1: more than letters and trie edges lead on from here, or several edges with one label. */
  readonly isComplex = new IntList(256)
  /** 1: the node stands after a space of the ban's own, which may be repeated. */
  readonly isSpace = new IntList(256)
  readonly firstEdge = new IntList(256)
  readonly edgeLabel = new IntList(256)
  readonly edgeTarget = new IntList(256)
  readonly edgeNext = new IntList(256)
  /** Indexes into `endings`, or -1: bans complete here at once, bans complete at a boundary. */
  readonly endsHere = new IntList(256)
  readonly endsAtBoundary = new IntList(256)
  /** Lists of ban indexes. */
  readonly endings: number[][] = []

  get nodeCount(): number {
    return this.nodeKit.length
  }

  kit(wanted: Omit<Kit, 'root'>): number {
    const found = this.kits.findIndex(
      (k) =>
        k.group === wanted.group &&
        k.leet === wanted.leet &&
        k.gaps === wanted.gaps &&
        k.atBoundary === wanted.atBoundary,
    )
    if (found >= 0) return found
    const id = this.kits.length
    this.kits.push({ ...wanted, root: this.addNode(id) })
    return id
  }

  addNode(kit: number): number {
    const node = this.nodeKit.length
    this.nodeKit.push(kit)
    this.isComplex.push(0)
    this.isSpace.push(0)
    this.firstEdge.push(-1)
    this.endsHere.push(-1)
    this.endsAtBoundary.push(-1)
    return node
  }

  addEdge(from: number, label: number, to: number): void {
    this.edgeLabel.push(label)
    this.edgeTarget.push(to)
    this.edgeNext.push(this.firstEdge.data[from]!)
    this.firstEdge.data[from] = this.edgeLabel.length - 1
  }

  /** The trie child by a letter (or SPACE), made when it is missing. */
  child(from: number, label: number): number {
    const known = this.children.get(from, label)
    if (known >= 0) return known
    const kit = this.nodeKit.data[from]!
    const node = this.addNode(kit)
    this.children.add(from, label, node)
    this.addEdge(from, label, node)
    if (label === SPACE) {
      this.isComplex.data[from] = 1
      this.markSpace(node)
    }
    return node
  }

  /** A space of the ban's own: any number of separators. */
  markSpace(node: number): void {
    this.isSpace.data[node] = 1
    this.isComplex.data[node] = 1
    this.addEdge(node, SPACE, node)
  }

  end(node: number, ban: number, atBoundary: boolean): void {
    const ends = atBoundary ? this.endsAtBoundary : this.endsHere
    const list = ends.data[node]!
    if (list >= 0) this.endings[list]!.push(ban)
    else {
      ends.data[node] = this.endings.length
      this.endings.push([ban])
    }
  }
}
