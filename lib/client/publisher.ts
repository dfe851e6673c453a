import type { Clock } from '../core/clock.js'
import { PushError } from '../core/errors.js'
import { isCode, type Code } from '../protocol/codes.js'
import type { PublishedFrame, RefusedFrame, WelcomeFrame } from '../protocol/frames.js'
import type { Backoff } from './backoff.js'
import { isThenable } from './emitter.js'
import { utf8Length } from './encoding.js'
import { giveUp, idOf, Outbox, type OutboxItem, type Published, type Run } from './outbox.js'
import { checkPublish, encode, publishFrame, type PublishOptions } from './publish-frame.js'
import type { SavedState } from './saved-state.js'
import type { SavedMessage } from './saved-value.js'
import type { Wire } from './session.js'

export interface PublisherOptions {
  readonly wire: Wire
  readonly clock: Clock
  readonly saved: SavedState
  readonly limits: { readonly items: number, readonly bytes: number }
  readonly secret: () => string
  readonly backoff: () => Backoff
  /** A message of an earlier process failed: nobody waits for it any more. */
  readonly onError: (error: PushError) => void
  /** Something was acknowledged or given up. */
  readonly onProgress: () => void
}

/** Publishes: numbers, sends, sends again. PROTOCOL.md 5. */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #outbox: Outbox
  readonly #backoff: Backoff
  readonly #sequences = new Map<string, number>()
  #id: string
  #limits: WelcomeFrame['limits'] = { frameBytes: 65_536, publishesInFlight: 0 }
  #inFlight = 0
  #closed: PushError | null = null

  constructor (options: PublisherOptions) {
    this.#options = options
    this.#outbox = new Outbox(options.limits)
    this.#backoff = options.backoff()
    this.#id = options.secret()
  }

  /** Whether everything is acknowledged. */
  get settled (): boolean {
    return this.#outbox.empty
  }

  publish (channel: string, data: unknown, options: PublishOptions): Promise<Published> {
    const published = new Promise<Published>((resolve, reject) => {
      if (this.#closed !== null) throw this.#closed
      if (options.signal?.aborted === true) throw new PushError('PUSH_ABORTED', undefined, { id: options.id })
      checkPublish(data, options)
      const json = encode(data)
      if (options.qos === 0) resolve(this.#publishOnce(channel, json, options))
      else this.#enqueue(channel, json, options, resolve, reject)
    })
    published.catch(() => {}) // nobody has to await it, and a rejection must not end a Node host
    return published
  }

  /** Encoded messages for the store. */
  save (): readonly SavedMessage[] {
    return this.#outbox.save()
  }

  restore (saved: readonly SavedMessage[]): void {
    this.#outbox.restore(saved, this.#options.onError)
  }

  welcome (frame: WelcomeFrame): void {
    this.#limits = frame.limits
    if (!frame.resumed) this.#beginAnew()
  }

  /** Sends what may be sent. */
  pump (): void {
    for (const run of [...this.#outbox.runs.values()]) this.#send(run)
  }

  /** [P-5.4] */
  published ({ channel, sequence, count, epoch, offset, duplicate = false }: PublishedFrame): void {
    const run = this.#outbox.runs.get(channel)
    if (run === undefined) return
    const wasFull = this.#inFlight >= this.#limits.publishesInFlight
    for (let i = 0; i < count; i++) {
      const item = run.items[0]
      if (run.inFlight === 0 || item?.key?.sequence !== sequence + i) break
      this.#remove(run, item)
      const position = epoch === undefined || offset === undefined ? null : { epoch, offset: offset + i }
      item.resolve({ id: idOf(item) as string, position, duplicate })
    }
    this.#backoff.reset()
    if (wasFull) this.pump()
    else this.#send(run) // another publisher's run may have waited for this one's end
  }

  /** [P-5.5] */
  refused (frame: RefusedFrame): void {
    const run = this.#outbox.runs.get(frame.channel)
    const item = run?.items[0]
    if (run === undefined || item === undefined || run.inFlight === 0 || item.key?.sequence !== frame.sequence) return
    const code: Code = isCode(frame.code) ? frame.code : 'PUSH_INVALID'
    // What was under way with it may have been stored too. [P-5.6]
    if (code === 'PUSH_UNKNOWN' || code === 'PUSH_STORAGE_UNKNOWN') this.#doubt(run)
    this.#goBack(run)
    const error = new PushError(code, isCode(frame.code) ? frame.text : frame.code)
    if (!error.retryable) {
      this.#remove(run, item)
      giveUp(item, error)
    } else {
      run.release = this.#options.clock.after(this.#backoff.next(), () => {
        run.release = null
        this.#send(run)
      })
    }
    this.pump() // what it had in flight is room for others
  }

  /** The link is lost: what was in flight may have arrived. */
  down (): void {
    for (const run of this.#outbox.runs.values()) {
      this.#doubt(run)
      this.#goBack(run)
      if (run.items.length === 0) this.#outbox.runs.delete(run.channel)
    }
  }

  /** Takes nothing more. */
  stop (error: PushError): void {
    this.#closed = error
  }

  /** Settles every promise. What was sent, or stays in the store for the next process, may still be stored. */
  close (error: PushError): void {
    this.stop(error)
    this.down()
    for (const { items } of this.#outbox.runs.values()) {
      for (const item of items) {
        item.doubtful ||= this.#options.saved.enabled
        giveUp(item, error)
      }
    }
  }

  #publishOnce (channel: string, json: string, { id, ttl }: PublishOptions): Published {
    const { wire, limits, secret } = this.#options
    if (!wire.live) throw new PushError('PUSH_OFFLINE')
    if (wire.buffered > limits.bytes) throw new PushError('PUSH_BUSY')
    const text = publishFrame({ channel, qos: 0, json, id, ttl })
    if (utf8Length(text) > this.#limits.frameBytes) throw new PushError('PUSH_TOO_LARGE')
    wire.sendText(text)
    return { id: id ?? secret(), position: null, duplicate: false }
  }

  #enqueue (
    channel: string, json: string, { qos = 1, id, ttl, signal }: PublishOptions,
    resolve: (outcome: Published) => void, reject: (error: PushError) => void
  ): void {
    const { clock, saved } = this.#options
    const onAbort = () => this.#abort(run, item)
    const detach = () => signal?.removeEventListener('abort', onAbort)
    const item: OutboxItem = {
      channel,
      qos: qos === 2 ? 2 : 1,
      json,
      id,
      expires: ttl === undefined ? undefined : Math.min(clock.timestamp() + ttl, Number.MAX_SAFE_INTEGER),
      bytes: utf8Length(json),
      key: null,
      doubtful: false,
      saved: false,
      resolve: (outcome) => { detach(); resolve(outcome) },
      reject: (error) => { detach(); reject(error) }
    }
    const run = this.#outbox.add(item)
    signal?.addEventListener('abort', onAbort)
    saved.touch()
    this.#send(run)
  }

  #abort (run: Run, item: OutboxItem): void {
    const sent = item.doubtful || run.items.indexOf(item) < run.inFlight
    if (sent) return item.reject(new PushError('PUSH_UNKNOWN', undefined, { id: idOf(item) }))
    this.#remove(run, item)
    item.reject(new PushError('PUSH_ABORTED', undefined, { id: idOf(item) }))
  }

  #send (run: Run): void {
    const { wire, clock } = this.#options
    let item: OutboxItem | undefined
    while ((item = this.#next(run)) !== undefined) {
      const publisher = item.key?.publisher ?? this.#id
      // Answers name sequences and no publisher: the one before has to be done with.
      if (publisher !== run.publisher && run.inFlight > 0) return
      if (!this.#usable(run, item) || !this.#ready(run, item)) continue
      const key = item.key ?? this.#number(item)
      const ttl = item.expires === undefined ? undefined : Math.max(1, item.expires - clock.timestamp())
      wire.sendText(publishFrame({ ...item, ttl }, key.sequence, publisher === run.publisher ? undefined : publisher))
      run.publisher = publisher
      run.inFlight++
      this.#inFlight++
    }
  }

  /** What the run sends next, if it may send now. */
  #next (run: Run): OutboxItem | undefined {
    const isOpen = this.#options.wire.live && run.release === null && !run.saving && this.#inFlight < this.#limits.publishesInFlight
    return isOpen ? run.items[run.inFlight] : undefined
  }

  /** Whether the item can be sent at all; otherwise it is given up. */
  #usable (run: Run, item: OutboxItem): boolean {
    const size = item.bytes + utf8Length(publishFrame({ ...item, ttl: item.expires, json: '' }, Number.MAX_SAFE_INTEGER, this.#id))
    const isLate = item.key === null && item.expires !== undefined && item.expires <= this.#options.clock.timestamp()
    if (size <= this.#limits.frameBytes && !isLate) return true
    this.#remove(run, item)
    giveUp(item, isLate ? new PushError('PUSH_TIMEOUT', 'it was of no use any more when it could be sent') : new PushError('PUSH_TOO_LARGE'))
    return false
  }

  /** Whether the item may leave now. At QoS 2 its key is saved first, so that the next process resends it as the repeat it is. */
  #ready (run: Run, item: OutboxItem): boolean {
    const { saved } = this.#options
    if (item.qos < 2 || item.saved || !saved.enabled) return true
    for (const each of run.items) {
      each.key ??= this.#number(each)
      each.saved = true
    }
    const saving = saved.save()
    if (!isThenable(saving)) return true
    run.saving = true
    saving.then(() => {
      run.saving = false
      this.#send(run)
    })
    return false
  }

  #number (item: OutboxItem): NonNullable<OutboxItem['key']> {
    const sequence = (this.#sequences.get(item.channel) ?? 0) + 1
    this.#sequences.set(item.channel, sequence)
    item.key = { publisher: this.#id, sequence }
    return item.key
  }

  /** The server may have forgotten this publisher: [P-5.7]. */
  #beginAnew (): void {
    this.#id = this.#options.secret()
    this.#sequences.clear()
    for (const run of [...this.#outbox.runs.values()]) {
      for (const item of [...run.items]) {
        if (item.qos === 2 && item.doubtful) {
          this.#remove(run, item)
          giveUp(item, new PushError('PUSH_UNKNOWN'))
        } else {
          item.key = null
          item.saved = false
        }
      }
    }
  }

  #doubt (run: Run): void {
    for (const item of run.items.slice(0, run.inFlight)) item.doubtful = true
  }

  #goBack (run: Run): void {
    this.#inFlight -= run.inFlight
    run.inFlight = 0
    run.publisher = null
    run.release?.()
    run.release = null
  }

  #remove (run: Run, item: OutboxItem): void {
    const at = run.items.indexOf(item)
    if (at !== -1 && at < run.inFlight) {
      run.inFlight--
      this.#inFlight--
    }
    this.#outbox.remove(run, item)
    this.#options.saved.touch()
    this.#options.onProgress()
  }
}
