import type { Position } from '../../../types/message.js'
import type { CursorCommit, CursorStore } from '../../../types/storage.js'
import { COMMIT, FORGET, LOAD, SCAN } from './lua/cursors.js'
import type { Keys } from './keys.js'
import type { Reply } from './connection.js'
import type { Operations } from './operations.js'

/** Commits in one operation at the most: Redis does nothing else meanwhile. */
const COMMITS = 256

/** How long commits gather after others have gone, in milliseconds. By so much a cursor may lag behind where its client is; who is killed meanwhile has the last messages again. */
const GATHER = 5

/** The cursors of a channel, in one hash. */
export class RedisCursors implements CursorStore {
  readonly #keys: Keys
  readonly #operations: Operations
  /** Until when commits gather, and whether any do. */
  #gathering: Promise<void> | null = null
  #isAwaited = false

  constructor (keys: Keys, operations: Operations) {
    this.#keys = keys
    this.#operations = operations
  }

  async load (channel: string, session: string): Promise<Position | null> {
    const { cursors, tag } = this.#keys.channel(channel)
    const text = String(await this.#operations.read(LOAD, { keys: [cursors], args: [session], tag }))
    return text === '' ? null : positionOf(text)
  }

  async commit (channel: string, commits: readonly CursorCommit[]): Promise<ReadonlyArray<'committed' | 'fenced'>> {
    await this.#turn()
    const parts: Array<Promise<number[]>> = []
    for (let i = 0; i < commits.length; i += COMMITS) parts.push(this.#commit(channel, commits.slice(i, i + COMMITS)))
    return (await Promise.all(parts)).flat().map((fenced) => fenced === 1 ? 'fenced' : 'committed')
  }

  // At once after a rest, otherwise together with those of other channels: acknowledgements come one by one.
  #turn (): Promise<void> | undefined {
    if (this.#gathering !== null) {
      this.#isAwaited = true
      return this.#gathering
    }
    this.#gather()
    return undefined
  }

  #gather (): void {
    this.#isAwaited = false
    this.#gathering = new Promise((resolve) => {
      setTimeout(() => {
        this.#gathering = null
        if (this.#isAwaited) this.#gather() // they go now, and others after them
        resolve()
      }, GATHER)
    })
  }

  async #commit (channel: string, commits: readonly CursorCommit[]): Promise<number[]> {
    const { cursors, meta, tag } = this.#keys.channel(channel)
    const args = commits.flatMap(({ session, generation, number, position: { epoch, offset }, ttl }) => [session, generation, number, offset, Math.ceil(ttl), epoch])
    return await this.#operations.write(COMMIT, { keys: [cursors, meta], args: [commits.length, ...args], tag }) as number[]
  }

  // A look through all cursors of the channel, in steps, so that Redis does other things in between.
  async reached (channel: string, { position, after = '', limit }: { readonly position: Position, readonly after?: string, readonly limit: number }): Promise<readonly string[]> {
    const { cursors, tag } = this.#keys.channel(channel)
    const found = new Set<string>()
    let next = '0'
    do {
      const [cursor, ...sessions] = await this.#operations.read(SCAN, { keys: [cursors], args: [next, position.epoch, position.offset], tag }) as Reply[]
      next = String(cursor)
      for (const session of sessions) {
        if (String(session) > after) found.add(String(session))
      }
    } while (next !== '0')
    return [...found].sort().slice(0, limit)
  }

  async remove (channel: string, session: string, generation: number): Promise<void> {
    const { cursors, tag } = this.#keys.channel(channel)
    await this.#operations.write(FORGET, { keys: [cursors], args: [session, generation], tag })
  }
}

// `generation number offset until epoch`
function positionOf (text: string): Position {
  const [, , offset, , epoch = ''] = text.split(' ')
  return { epoch, offset: Number(offset) }
}
