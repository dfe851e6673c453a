import type { Clock } from './clock.js'

/** Texts that are remembered at the most. */
const MOST = 100

/** Says of each of several texts whether it is time to tell it again: what comes in floods is told once in a while. */
export class Seldom {
  readonly #clock: Pick<Clock, 'now'>
  readonly #quiet: number
  /** The one that was told last comes last. */
  readonly #told = new Map<string, { readonly at: number, held: number }>()

  /** `quiet`: the least milliseconds between two times of the same text. */
  constructor (clock: Pick<Clock, 'now'>, quiet: number) {
    this.#clock = clock
    this.#quiet = quiet
  }

  /** `null`: not now. Otherwise it is to be told, and how often it was not since it was the last time. */
  ask (text: string): number | null {
    const now = this.#clock.now()
    const last = this.#told.get(text)
    if (last !== undefined && now - last.at < this.#quiet) {
      last.held++
      return null
    }
    this.#told.delete(text)
    this.#told.set(text, { at: now, held: 0 })
    if (this.#told.size > MOST) this.#told.delete(this.#told.keys().next().value as string)
    return last?.held ?? 0
  }
}
