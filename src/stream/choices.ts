/** What the guard remembers of each choice: whether it goes on, and what is to be injected. */
import type { TextEffect } from '../model/decision.ts'
import type { Channel } from './holdback.ts'

type Choice = {
  isStopped: boolean
  hasEnded: boolean
  hasSaid: boolean
  content: Channel | undefined
  before: string | undefined
  after: string[]
}

export class Choices {
  readonly #expected: number
  readonly #choices = new Map<number, Choice>()
  readonly #injected = new Set<string>()

  constructor(expected: number) {
    this.#expected = expected
  }

  isStopped(choice: number): boolean {
    return this.#choices.get(choice)?.isStopped === true
  }

  stop(choice: number): void {
    this.#choice(choice).isStopped = true
  }

  end(choice: number): void {
    this.#choice(choice).hasEnded = true
  }

  /** Every choice that the request asked for was stopped or ended. */
  isOver(): boolean {
    const over = [...this.#choices.values()].filter((one) => one.isStopped || one.hasEnded)
    return over.length >= Math.max(this.#expected, this.#choices.size)
  }

  /** Whether the client has seen text of the choice. */
  hasSaid(choice: number): boolean {
    return this.#choices.get(choice)?.hasSaid === true
  }

  noteSaid(channel: Channel): void {
    if (channel.name.field !== 'content' || channel.released === 0) return
    this.#choice(channel.name.choice).hasSaid = true
  }

  /** Takes a text to inject: once a choice and text, before only while nothing has gone out. */
  inject(channel: Channel, effect: Extract<TextEffect, { kind: 'inject' }>): void {
    const key = `${channel.name.choice}:${effect.text}`
    if (this.#injected.has(key)) return
    this.#injected.add(key)
    const choice = this.#choice(channel.name.choice)
    if (channel.name.field === 'content') choice.content = channel
    const isBefore = effect.where === 'before' && !choice.hasSaid && choice.before === undefined
    if (isBefore) choice.before = effect.text
    else choice.after.push(effect.text)
  }

  takeBefore(choice: number): string | undefined {
    const state = this.#choices.get(choice)
    const text = state?.before
    if (state === undefined || text === undefined) return undefined
    state.before = undefined
    return isSaid(state, text) ? undefined : text + (/\s$/.test(text) ? '' : '\n\n')
  }

  takeAfter(choice: number): string | undefined {
    const state = this.#choices.get(choice)
    if (state === undefined) return undefined
    // A text that found no content to stand before stands alone.
    const texts = [...(state.before === undefined ? [] : [state.before]), ...state.after]
    state.before = undefined
    state.after = []
    const fresh = texts.filter((text) => !isSaid(state, text))
    if (fresh.length === 0) return undefined
    const text = fresh.join('\n\n')
    return (state.hasSaid && !/^\s/.test(text) ? '\n\n' : '') + text
  }

  #choice(index: number): Choice {
    let choice = this.#choices.get(index)
    if (choice === undefined) {
      choice = {
        isStopped: false,
        hasEnded: false,
        hasSaid: false,
        content: undefined,
        before: undefined,
        after: [],
      }
      this.#choices.set(index, choice)
    }
    return choice
  }
}

/** The model said it itself. */
function isSaid(choice: Choice, text: string): boolean {
  return choice.content?.text.includes(text.trim()) === true
}
