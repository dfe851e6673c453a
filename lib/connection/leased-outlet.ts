import type { Outlet } from '../broker/outlet.js'
import type { ReadTurns } from '../broker/read-turns.js'
import type { SharedFrame } from '../broker/shared-frame.js'
import type { Term, UserLease } from '../broker/user-lease.js'

/** Where a leased subscription writes: nothing at all from the moment on at which others may read. What is withheld comes from the user's cursor, to whoever reads next. */
export class LeasedOutlet implements Outlet {
  readonly #outlet: Outlet
  readonly #lease: UserLease
  readonly #term: Term

  constructor (outlet: Outlet, lease: UserLease, term: Term) {
    this.#outlet = outlet
    this.#lease = lease
    this.#term = term
  }

  write (frame: Uint8Array): void {
    if (this.#lease.holds(this.#term)) this.#outlet.write(frame)
  }

  share (frame: SharedFrame, last: boolean): void {
    if (this.#lease.holds(this.#term)) this.#outlet.share(frame, last)
  }

  get writable (): boolean {
    return this.#outlet.writable
  }

  get reads (): ReadTurns {
    return this.#outlet.reads
  }

  disconnect (): void {
    this.#outlet.disconnect()
  }
}
