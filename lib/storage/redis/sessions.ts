import type { SessionStore } from '../../../types/storage.js'
import { Teller } from '../teller.js'
import { ACQUIRE, CLAIM, FIND, REMOVE, RESTORE, TOUCH } from './lua/sessions.js'
import type { Keys } from './keys.js'
import type { Operations } from './operations.js'

type Watcher = (session: string, generation: number) => void

/** The sessions, each a key that holds its generation. */
export class RedisSessions implements SessionStore {
  readonly #keys: Keys
  readonly #operations: Operations
  readonly #teller: Teller
  readonly #watchers = new Set<{ readonly listener: Watcher, readonly interrupted: () => void }>()

  constructor (keys: Keys, operations: Operations, onError: (error: unknown) => void) {
    this.#keys = keys
    this.#operations = operations
    this.#teller = new Teller(onError)
  }

  async find (session: string): Promise<{ readonly generation: number } | null> {
    const generation = String(await this.#operations.read(FIND, this.#of(session)))
    return generation === '' ? null : { generation: Number(generation) }
  }

  async claim (session: string, ttl: number): Promise<{ readonly generation: number }> {
    return { generation: Number(String(await this.#operations.write(CLAIM, this.#of(session, this.#keys.claims, session, Math.ceil(ttl))))) }
  }

  async acquire (session: string, ttl: number, from = 0): Promise<{ readonly generation: number } | null> {
    const generation = String(await this.#operations.write(ACQUIRE, this.#of(session, this.#keys.claims, session, Math.ceil(ttl), from)))
    return generation === '' ? null : { generation: Number(generation) }
  }

  async restore (session: string, generation: number, ttl: number): Promise<boolean> {
    return await this.#operations.write(RESTORE, this.#of(session, this.#keys.claims, session, Math.ceil(ttl), generation)) === 1
  }

  async touch (session: string, generation: number, ttl: number): Promise<boolean> {
    return await this.#operations.write(TOUCH, this.#of(session, generation, Math.ceil(ttl))) === 1
  }

  async remove (session: string, generation: number): Promise<void> {
    await this.#operations.write(REMOVE, this.#of(session, generation))
  }

  watch (listener: Watcher, interrupted: () => void = () => {}): () => void {
    const watcher = { listener, interrupted }
    this.#watchers.add(watcher)
    return () => { this.#watchers.delete(watcher) }
  }

  /** A claim was told: its generation, a space, and the session. */
  heard (message: Buffer): void {
    const text = message.toString('utf8')
    const space = text.indexOf(' ')
    this.#teller.tell(this.#watchers, ({ listener }) => listener(text.slice(space + 1), Number(text.slice(0, space))))
  }

  /** Claims may have been missed. */
  interrupted (): void {
    this.#teller.tell(this.#watchers, ({ interrupted }) => interrupted())
  }

  #of (session: string, ...args: Array<string | number>): { keys: string[], args: Array<string | number>, tag: string } {
    const key = this.#keys.session(session)
    return { keys: [key], args, tag: key }
  }
}
