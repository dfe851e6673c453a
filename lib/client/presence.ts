import type { PresenceOptions, PresencePage } from '../../types/presence.js'
import { PushError } from '../core/errors.js'
import { Emitter } from './emitter.js'
import type { Requests } from './requests.js'
import type { PresentMember } from './roster.js'
import { Watch, type WatchContext } from './watch.js'

/** What a user's being here tells. */
export type UserEvents = {
  /** One of the user's clients is connected: told at first if that is so, and then whenever it comes to be so. */
  online: []
  /** None is, after its grace: told at first if that is so, and then whenever it comes to be so. */
  offline: []
  /** It cannot be known, for the time being or for good: the code says which. Told while anybody listens to the other two. */
  error: [error: PushError]
}

/** A user, as a client sees it. The object holds nothing: make as many as you like. */
export interface User {
  readonly id: string
  /** Listens, as long as the service says who is online, and allows this client to know. Returns the release. */
  on<E extends keyof UserEvents> (event: E, listener: (...args: UserEvents[E]) => unknown): () => void
}

type MemberEvent = 'join' | 'leave' | 'update'

/** Who is in the channels that anybody listens to. A channel is watched as long as somebody does. */
export class Watches {
  readonly #context: WatchContext
  readonly #watches = new Map<string, Watch>()

  constructor (context: WatchContext) {
    this.#context = context
  }

  /** Listens to a channel's members. Whoever listens for `join` is told first of those who are there, with the cause `list`. */
  onMember (channel: string, event: MemberEvent, listener: (member: PresentMember) => unknown): () => void {
    const told = new Emitter<{ join: [member: PresentMember] }>((error) => this.#context.onThrow(error))
    const hush = told.on('join', listener)
    const off = this.#on(channel, (watch) => watch.on(event, listener, () => {
      if (event === 'join' && watch.roster.complete) for (const member of [...watch.roster.members]) told.emit('join', { ...member, cause: 'list' })
    }))
    return () => {
      hush()
      off()
    }
  }

  /** Listens to whether a user is online. */
  onUser<E extends keyof UserEvents> (id: string, event: E, listener: (...args: UserEvents[E]) => unknown): () => void {
    const channel = `$user/${encodeURIComponent(id)}`
    if (event === 'error') return this.#context.on(channel, 'error', listener as (error: PushError) => unknown)
    const told = new Emitter<UserEvents>((error) => this.#context.onThrow(error))
    told.on(event, listener)
    let state: 'online' | 'offline' | null = null
    const look = (size: number): void => {
      const now = size > 0 ? 'online' : 'offline'
      if (now === state) return
      state = now
      told.emit(now)
    }
    return this.#on(channel, (watch) => watch.on('size', look, () => { if (watch.roster.complete) look(watch.roster.size) }))
  }

  /** The client has ended, and with it all that they wait for. */
  close (): void {
    for (const watch of this.#watches.values()) watch.stop()
    this.#watches.clear()
  }

  #on (channel: string, listen: (watch: Watch) => () => void): () => void {
    const watch = this.#watches.get(channel) ?? new Watch(channel, this.#context, () => this.#watches.delete(channel))
    if (!watch.ended) this.#watches.set(channel, watch)
    const off = listen(watch)
    return () => {
      off()
      if (!watch.idle || this.#watches.get(channel) !== watch) return
      this.#watches.delete(channel)
      watch.close()
    }
  }
}

/** Reads a page of a channel's members. [P-12.3] Rejects with the code of the server's refusal, or `PUSH_INVALID`. */
export function readPresence<Data> (requests: Requests, channel: string, { limit, after }: PresenceOptions): Promise<PresencePage<Data>> {
  const page = new Promise<PresencePage<Data>>((resolve, reject) => {
    // The server would close the connection on these.
    if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0 && limit <= 1_000_000)) throw new PushError('PUSH_INVALID', 'limit must be an integer of 0 to 1,000,000')
    if (after !== undefined && !(typeof after === 'string' && after.length >= 1 && after.length <= 64)) throw new PushError('PUSH_INVALID', 'after must be the `next` of a page')
    requests.ask({ type: 'presence', channel, ...(limit !== undefined && { limit }), ...(after !== undefined && { after }) }, (reply) => {
      if (reply.type === 'presence') resolve({ members: reply.members as PresencePage<Data>['members'], next: reply.next, ...reply.counts })
    }, reject)
  })
  page.catch(() => {}) // nobody has to await it
  return page
}
