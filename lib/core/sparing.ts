import { codes } from '../protocol/codes.js'
import type { Clock } from './clock.js'
import { PushError } from './errors.js'

/** So many of a kind are told within a stretch of time, which is in milliseconds. */
const AT_MOST = 10
const STRETCH = 10_000

interface Kind {
  /** When this stretch began. */
  since: number
  told: number
  untold: number
}

/**
 * Keeps the log short while something is away that everything needs: whatever is tried then fails, and fails the same way. Tells the first few of a kind, and
 * later how many there were besides.
 */
export class Sparing {
  readonly #clock: Clock
  readonly #kinds = new Map<string, Kind>()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** Calls `tell`, with how many were not told since the last one; not where there were many of its code of late. Errors that do not say to come back later are told each. */
  tell (error: unknown, what: string, tell: (untold: { readonly untold?: number }) => void): void {
    if (!(error instanceof PushError) || codes[error.code].status <= 500) return tell({})
    const kind = this.#of(`${what} ${error.code}`)
    if (kind.told >= AT_MOST) {
      kind.untold++
      return
    }
    kind.told++
    const { untold } = kind
    kind.untold = 0
    tell(untold === 0 ? {} : { untold })
  }

  // Kinds are few: they are never forgotten.
  #of (name: string): Kind {
    const now = this.#clock.now()
    const known = this.#kinds.get(name)
    if (known !== undefined && now - known.since < STRETCH) return known
    const kind = { since: now, told: 0, untold: known?.untold ?? 0 }
    this.#kinds.set(name, kind)
    return kind
  }
}
