import { setTimeout as sleep } from 'node:timers/promises'
import { resume } from '../../../lib/core/position.js'
import type { Position } from '../../../types/message.js'
import type { Page, StorageAdapter } from '../../../types/storage.js'
import { ALL, codeOf, draft, ROOM, ROOMY, texts } from './world.js'

/** What was acknowledged: which text, and where it is. */
interface Acknowledged {
  readonly text: string
  readonly position: Position | null
}

/** A publisher that publishes one message after the other, each until it is acknowledged, with the same id. */
export class Flow {
  readonly channel: string
  readonly acknowledged: Acknowledged[] = []
  /** How often it failed, by code. */
  readonly failures = new Map<string, number>()
  /** The longest time from the first try of a message until it was acknowledged, in milliseconds. */
  slowest = 0
  readonly #storage: StorageAdapter
  readonly #done: Promise<void>
  #going = true

  constructor (storage: StorageAdapter, channel = ROOM) {
    this.channel = channel
    this.#storage = storage
    this.#done = this.#go()
  }

  /** Ends with the message that is under way. */
  async stop (): Promise<void> {
    this.#going = false
    await this.#done
  }

  /**
   * Reads the log and says what is wrong with it: nothing, if every message that was acknowledged is there once and in order. What is lost is wrong too, unless `mayLose` it and
   * the log says so: it is another one, or names the epoch that it continues and an end before what is lost.
   */
  async wrong (mayLose: 'nothing' | 'if announced'): Promise<string[]> {
    const page = await this.#storage.log.read(this.channel, ALL)
    const found = texts(page)
    const wrong = found.length === page.head - page.from + 1 ? [] : [`${found.length} records from ${page.from} to ${page.head}`]
    found.forEach((text, i) => { if (i > 0 && Number(text) <= Number(found[i - 1])) wrong.push(`${text} after ${found[i - 1]}`) })
    const there = new Set(found)
    for (const each of this.acknowledged) {
      if (!there.has(each.text) && (mayLose === 'nothing' || !isAnnounced(each, page))) wrong.push(`${each.text} of ${JSON.stringify(each.position)} is lost`)
    }
    return wrong
  }

  async #go (): Promise<void> {
    for (let i = 1; this.#going; i++) {
      const began = performance.now()
      const text = `${i}`
      while (true) {
        const appended = this.#storage.log.append(this.channel, [draft(text, `${this.channel}-${i}`)], ROOMY)
        const code = await codeOf(appended)
        if (code === 'ok') {
          const [outcome] = await appended
          if (outcome === undefined || outcome.status === 'conflict') throw new Error(`${text} ended as ${outcome?.status}`)
          this.acknowledged.push({ text, position: outcome.position })
          break
        }
        this.failures.set(code, (this.failures.get(code) ?? 0) + 1)
        await sleep(20)
      }
      this.slowest = Math.max(this.slowest, performance.now() - began)
      await sleep(2)
    }
  }
}

// Whoever had read it is told that the log began anew, or goes on from before it.
function isAnnounced ({ position }: Acknowledged, page: Page): boolean {
  if (position === null) return false
  const { gap, position: from } = resume(position, page)
  return gap !== undefined && (gap.reason === 'epoch' || from.offset < position.offset)
}
