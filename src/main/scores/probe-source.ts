/**
 * The probe as rows see it: the engine's own score of each token's hidden state, which comes with the
 * token and so is known at once. It stands where the streaming scorer stands.
 */
import type { ProbeImage } from '../../classifiers/probe-file.ts'
import { PROBE } from '../../policy/compile/names.ts'
import type { Scored, ScorerNames, ScoreSource } from './score-source.ts'

export class ProbeSource implements ScoreSource<Scored> {
  readonly names: ScorerNames
  readonly digest: string

  constructor({ label, digest }: ProbeImage) {
    this.names = [{ name: PROBE, label }]
    this.digest = digest
  }

  open(listener: Scored): Scored {
    return listener
  }

  feed(listener: Scored, _bytes: Uint8Array, position: number, probability?: number): void {
    // An engine without the probe (or of another width) tells none.
    if (probability === undefined) return
    const scores = this.names.map(({ name, label }) => ({ model: name, label, probability }))
    listener.scores(position, scores)
  }

  settled(): undefined {
    return undefined
  }

  close(): void {
    // Nothing is kept for a row.
  }
}
