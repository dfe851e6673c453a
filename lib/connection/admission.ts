import { getHeapStatistics } from 'node:v8'
import type { Clock } from '../core/clock.js'
import { addressKey } from './address.js'

/** Connections that are refused and have not closed yet, at the most: they are told why, and that costs a socket for a moment. */
const CLOSING = 100

/** How often the heap is looked at, in milliseconds: it takes some microseconds, and a herd of clients fills megabytes meanwhile. */
const LOOK = 100

/** Bytes of the heap's limit that are for young objects, and of no use to those that last. Depends on Node's version; this is the most. */
const YOUNG = 96 * 1024 * 1024

/** A limit of how many connections there may be. */
export type ConnectionLimit = 'connections' | 'connectionsPerIp' | 'connectionsPerUser' | 'heapUsed'

export interface AdmissionLimits {
  readonly connections: number
  readonly connectionsPerIp: number
  readonly connectionsPerUser: number
  /** A fraction of what the heap may hold, beyond which nothing new begins. */
  readonly heapUsed: number
}

/** The fraction that this process's heap uses of what it may: at 1, Node ends the process. */
export function heapUsed (): number {
  const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics()
  return used / Math.max(limit - YOUNG, limit / 2)
}

/** What a connection counts as, from {@link Admission.enter} to {@link Admission.leave}. */
export interface Entry {
  ip: string | null
  user: string | null
  /** It was refused and has not closed yet. */
  closing: boolean
}

/** Counts the connections of one node, by address and by user, and says who is let in. */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #clock: Clock
  readonly #heapUsed: () => number
  readonly #byIp = new Tally()
  readonly #byUser = new Tally()
  #all = 0
  #closing = 0
  #strained = false
  #lookAt = -Infinity

  constructor (limits: AdmissionLimits, clock: Clock, heap: () => number = heapUsed) {
    this.#limits = limits
    this.#clock = clock
    this.#heapUsed = heap
  }

  /** Whether the heap is nearly full, and nothing new should begin. */
  get strained (): boolean {
    const now = this.#clock.now()
    if (now >= this.#lookAt) {
      this.#lookAt = now + LOOK
      this.#strained = this.#limits.heapUsed < 1 && this.#heapUsed() > this.#limits.heapUsed
    }
    return this.#strained
  }

  /** Addresses and users that are counted now. */
  get size (): number {
    return this.#byIp.size + this.#byUser.size
  }

  /**
   * The limit that keeps an upgrade out before it costs anything, or `null`. Where there are only too many of one address it is let in
   * to be told so, unless too many are being told already.
   */
  atDoor (ip: string | undefined): ConnectionLimit | null {
    if (this.strained) return 'heapUsed'
    if (this.#all >= this.#limits.connections) return 'connections'
    return this.#closing >= CLOSING && this.#isFull(ip) ? 'connectionsPerIp' : null
  }

  /** Counts a connection. Where `limit` is not `null` it has to be refused. */
  enter (ip: string | undefined): { readonly entry: Entry, readonly limit: ConnectionLimit | null } {
    const limit = this.#all >= this.#limits.connections ? 'connections' : this.#isFull(ip) ? 'connectionsPerIp' : null
    const entry = { ip: ip === undefined ? null : addressKey(ip), user: null, closing: false }
    this.#all++
    this.#byIp.add(entry.ip)
    return { entry, limit }
  }

  /** The connection is one of this user. Returns whether there is room for it; `replaces`: it takes the place of another one. */
  enterUser (entry: Entry, user: string, replaces: boolean): boolean {
    if (!replaces && this.#byUser.of(user) >= this.#limits.connectionsPerUser) return false
    this.#byUser.add(entry.user = user)
    return true
  }

  /** The connection is refused. Returns whether it may be told why: otherwise it is to be dropped. */
  refuse (entry: Entry): boolean {
    this.#uncount(entry)
    entry.closing = true
    return ++this.#closing <= CLOSING
  }

  /** The connection is gone. */
  leave (entry: Entry): void {
    this.#uncount(entry)
    this.#all--
    if (entry.closing) this.#closing--
  }

  #isFull (ip: string | undefined): boolean {
    return ip !== undefined && this.#byIp.of(addressKey(ip)) >= this.#limits.connectionsPerIp
  }

  #uncount (entry: Entry): void {
    this.#byIp.remove(entry.ip)
    this.#byUser.remove(entry.user)
    entry.ip = entry.user = null
  }
}

/** How many there are of each; forgets whoever has none. */
class Tally {
  readonly #counts = new Map<string, number>()

  get size (): number {
    return this.#counts.size
  }

  of (key: string): number {
    return this.#counts.get(key) ?? 0
  }

  add (key: string | null): void {
    if (key !== null) this.#counts.set(key, this.of(key) + 1)
  }

  remove (key: string | null): void {
    if (key === null) return
    const left = this.of(key) - 1
    if (left > 0) this.#counts.set(key, left)
    else this.#counts.delete(key)
  }
}
