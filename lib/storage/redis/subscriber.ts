import { PushError } from '../../core/errors.js'
import { end, timely, type Connection } from './connection.js'
import { readError } from './errors.js'

/** Channels subscribed at once. */
const AT_ONCE = 1000

/** First and longest pause before a connection that does not do what it is asked is made anew, in milliseconds. */
const PAUSE_FIRST = 50
const PAUSE_LONGEST = 5000

/** That the server is not the one for a name, or not now. */
const MISPLACED = /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN)\b/

/** What hears names. */
export interface Hearing {
  /** Whether everything wanted is subscribed. */
  readonly isLive: boolean
  /** The connections there are. */
  readonly connections: readonly Connection[]
  /** Resolves once Redis has confirmed. Rejects with `PUSH_STORAGE_UNAVAILABLE`. */
  add (name: string): Promise<void>
  /** Hears nothing of it any more, at the latest when the connection ends. */
  remove (name: string): Promise<void>
  /** Ends all connections, within the grace. Never rejects. */
  close (): Promise<void>
}

export interface SubscriberContext {
  /** Whether a name concerns one server of a Cluster alone. */
  readonly isSharded: (name: string) => boolean
  /** Milliseconds until Redis must have confirmed. */
  readonly timeout: number
  readonly onMessage: (name: string, message: Buffer) => void
  /** Announcements of these may have been lost; now they are subscribed. */
  readonly onRestored: (names: readonly string[]) => void
  /** What was wanted is refused. */
  readonly onTrouble: (error: Error) => void
  /** The server may not be the one for all that was wanted of it. */
  readonly onMoved?: () => void
}

/** The connection on which a node hears what is announced on one server. It subscribes again by itself. */
export class Subscriber implements Hearing {
  readonly #context: SubscriberContext
  readonly #wanted = new Set<string>()
  #connection: Connection | null = null
  /** Which time it was connected. */
  #times = 0
  /** How often in a row what was wanted was refused. */
  #refusals = 0
  #pause: NodeJS.Timeout | null = null
  #isLive = false

  constructor (context: SubscriberContext) {
    this.#context = context
  }

  get isLive (): boolean {
    return this.#isLive
  }

  get connections (): readonly Connection[] {
    return this.#connection === null ? [] : [this.#connection]
  }

  /** From now on there is a connection, yet to be made. */
  open (connection: Connection): void {
    const { onMessage, onMoved } = this.#context
    this.#connection = connection
    for (const event of ['messageBuffer', 'smessageBuffer']) {
      connection.on(event, (name: Buffer, message: Buffer) => onMessage(name.toString('utf8'), message))
    }
    connection.on('ready', () => { this.#begin(++this.#times) })
    connection.on('close', () => {
      this.#isLive = false
      onMoved?.()
    })
    connection.on('moved', () => onMoved?.())
  }

  async add (name: string): Promise<void> {
    if (!this.#isLive) throw new PushError('PUSH_STORAGE_UNAVAILABLE', 'not connected to Redis')
    this.#wanted.add(name)
    try {
      await timely(this.#subscribe([name], (error) => { throw error }), this.#context.timeout)
    } catch (error) {
      this.remove(name).catch(() => {}) // it may be confirmed yet
      throw readError(error, false)
    }
  }

  /** Hears of this too, and says `onRestored` when it does. */
  take (name: string): void {
    this.#wanted.add(name)
    if (this.#isLive) this.#try([name], this.#times)
  }

  /** Subscribes again to everything that is wanted. */
  renew (): void {
    if (this.#isLive) this.#try([...this.#wanted], this.#times)
  }

  async remove (name: string): Promise<void> {
    this.#wanted.delete(name)
    const connection = this.#connection
    if (!this.#isLive || connection === null) return
    const work = this.#context.isSharded(name) ? connection.sunsubscribe(name) : connection.unsubscribe(name)
    await timely(work, this.#context.timeout).catch(() => {})
  }

  async close (): Promise<void> {
    if (this.#pause !== null) clearTimeout(this.#pause)
    if (this.#connection !== null) await end(this.#connection)
  }

  // What is wanted while this goes on is subscribed too.
  #begin (time: number): void {
    const restored = new Set<string>()
    const next = (): void => {
      if (time !== this.#times) return
      const names = [...this.#wanted].filter((name) => !restored.has(name)).slice(0, AT_ONCE)
      if (names.length === 0) {
        this.#isLive = true
        this.#refusals = 0
        this.#context.onRestored([...restored])
        return
      }
      for (const name of names) restored.add(name)
      this.#work(this.#subscribe(names), time, next)
    }
    next()
  }

  #try (names: readonly string[], time: number): void {
    if (names.length > 0) this.#work(this.#subscribe(names), time, () => this.#context.onRestored(names))
  }

  #work (work: Promise<unknown>, time: number, then: () => void): void {
    timely(work, this.#context.timeout).then(() => { if (time === this.#times) then() }, (error: Error) => this.#refused(error, time))
  }

  // A connection that does not do what it is asked begins anew, after a pause; one that is lost meanwhile did so already.
  #refused (error: Error, time: number): void {
    if (time !== this.#times) return
    this.#isLive = false
    this.#context.onTrouble(error)
    if (this.#pause !== null) clearTimeout(this.#pause)
    this.#pause = setTimeout(() => { if (time === this.#times) this.#connection?.disconnect(true) }, Math.min(PAUSE_FIRST * 2 ** this.#refusals++, PAUSE_LONGEST)).unref()
  }

  // What another server has by now is subscribed there, and told of then.
  readonly #misplaced = (error: unknown): void => {
    if (!(error instanceof Error) || !MISPLACED.test(error.message)) throw error
    this.#context.onMoved?.()
  }

  async #subscribe (names: readonly string[], onRefused: (error: unknown) => void = this.#misplaced): Promise<void> {
    const connection = this.#connection as Connection
    const shared = names.filter((name) => !this.#context.isSharded(name))
    const work = names.filter((name) => this.#context.isSharded(name)).map((name) => connection.ssubscribe(name).catch(onRefused))
    if (shared.length > 0) work.push(connection.subscribe(...shared))
    await Promise.all(work)
  }
}
