import { setTimeout as sleep } from 'node:timers/promises'
import { resume, type Resumption } from '../../../lib/core/position.js'
import type { Position } from '../../../types/message.js'
import type { Page, StorageAdapter } from '../../../types/storage.js'
import { ALL, ROOM, texts } from './world.js'

/** A reader as a subscription is one: a cursor that reads on whenever the feed says something, and only then. */
export class Reader {
  /** What it got, in order. */
  readonly texts: string[] = []
  /** What it was told that it may lack. */
  readonly gaps: Array<Resumption['gap']> = []
  /** What was announced live, `epoch offset`. */
  readonly heard: string[] = []
  readonly #storage: StorageAdapter
  readonly #channel: string
  #cursor: Position
  #reading: Promise<void> | null = null
  #again = false

  private constructor (storage: StorageAdapter, channel: string, cursor: Position) {
    this.#storage = storage
    this.#channel = channel
    this.#cursor = cursor
  }

  static async start (storage: StorageAdapter, channel = ROOM): Promise<Reader> {
    const { epoch, first } = await storage.log.read(channel, { ...ALL, limit: 0 })
    const reader = new Reader(storage, channel, { epoch, offset: first - 1 })
    await storage.feed.join(channel, {
      records: ({ epoch, from, records }) => {
        records.forEach((_, i) => reader.heard.push(`${epoch} ${from + i}`))
        reader.#read()
      },
      volatile: () => {},
      interrupted: () => reader.#read()
    })
    reader.#read()
    return reader
  }

  /** Where it stands. */
  get position (): Position {
    return this.#cursor
  }

  #read (): void {
    this.#again = true
    this.#reading ??= this.#go().finally(() => { this.#reading = null })
  }

  // What cannot be read now is read later, as a subscription does it.
  async #go (): Promise<void> {
    while (this.#again) {
      this.#again = false
      try {
        this.#take(await this.#storage.log.read(this.#channel, { ...ALL, from: this.#cursor.offset + 1 }))
      } catch {
        if (!(await this.#storage.health()).reason?.includes('not open')) this.#again = true
        await sleep(20)
      }
    }
  }

  #take (page: Page): void {
    const { position, gap } = resume(this.#cursor, page)
    if (gap !== undefined) this.gaps.push(gap)
    this.#cursor = position
    if (position.offset + 1 < page.from) {
      this.#again = true // it has to read from further back
      return
    }
    this.texts.push(...texts(page).slice(position.offset + 1 - page.from))
    this.#cursor = { epoch: page.epoch, offset: Math.max(position.offset, page.from + page.records.length - 1) }
  }
}
