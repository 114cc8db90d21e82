/** Bans into one graph, with the letters and classes that they need. */
import type { Ban, Fold } from '../model/ban.ts'
import { compileClasses, type Classes, type Ranges } from './classes.ts'
import { foldMask } from './fold.ts'
import { Graph } from './graph.ts'
import { addPhrase, refuse } from './phrase.ts'
import { Positions } from './positions.ts'
import { addRegex, type RegexIds } from './regex-graph.ts'

/** Fold masks in one automaton. */
const MAX_GROUPS = 24
const USUAL = "abcdefghijklmnopqrstuvwxyz0123456789 '-.&"

export type Built = { readonly classes: Classes; readonly positions: Positions }

export function build(bans: readonly Ban[]): Built {
  const graph = new Graph()
  // The usual letters always have the same ids, so that lists of usual phrases share their classes.
  const letters = new Map([...USUAL].map((ch, id) => [ch.codePointAt(0)!, id]))
  const masks: number[] = []
  const predicates: Ranges[] = []
  const predicateIds = new Map<string, number>()
  const ids: RegexIds = {
    predicate: (ranges) => {
      const key = ranges.join(';')
      const known = predicateIds.get(key)
      if (known !== undefined) return known
      predicateIds.set(key, predicates.length)
      return predicates.push(ranges) - 1
    },
    letter: (c) => {
      let id = letters.get(c)
      if (id === undefined) letters.set(c, (id = letters.size))
      return id
    },
    group: (mask) => (masks.includes(mask) ? masks.indexOf(mask) : masks.push(mask) - 1),
  }
  bans.forEach((ban, index) => {
    if (ban.kind === 'regex') addRegex(graph, ids, ban, index)
    else addPhrase(graph, ids, ban, index)
    if (masks.length > MAX_GROUPS) {
      throw refuse(ban, `expected at most ${MAX_GROUPS} different sets of folds, got more`)
    }
  })
  const uses = (fold: Fold): boolean => bans.some((ban) => ban.folds.includes(fold))
  const classes = compileClasses({
    letters,
    predicates,
    masks: masks.length > 0 ? masks : [foldMask([])],
    leet: uses('leet'),
    spacing: uses('spacing') || uses('split'),
  })
  return { classes, positions: new Positions(graph, classes) }
}
