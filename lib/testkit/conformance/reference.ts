import type { CursorCommit, Draft, DraftKey, Retention } from '../../../types/storage.js'
import { shown } from './kit.js'

interface Item {
  readonly offset: number
  readonly text: string
  readonly at: number
  readonly ttl: number
}

/**
 * What one channel of a storage must do, written for plainness: nothing is indexed, nothing is shared. Keys never expire here, because
 * an adapter may remember them for longer than it promised.
 */
export class ReferenceChannel {
  head = 0
  #items: Item[] = []
  #retention: Retention = { limit: Infinity, bytes: Infinity, ttl: Infinity }
  readonly #publishers = new Map<string, { sequence: number, offset: number }>()
  readonly #ids = new Map<string, { fingerprint: string, offset: number }>()
  readonly #cursors = new Map<string, CursorCommit & { readonly at: number }>()

  /** The outcomes as texts, as `outcomesAre` has them. */
  append (drafts: readonly Draft[], retention: Retention, now: number): string[] {
    this.#retention = retention
    const stopped = new Set<string | undefined>()
    return drafts.map((draft) => {
      const isStopped = draft.publisher !== undefined && stopped.has(draft.publisher.id)
      const known = this.recognise(isStopped ? { publisher: draft.publisher } : draft)
      if (known === 'conflict' || (isStopped && known === 'new')) {
        stopped.add(draft.publisher?.id)
        return 'conflict'
      }
      if (known === 'new') this.#items.push({ offset: ++this.head, text: shown(draft.body) as string, at: now, ttl: draft.ttl ?? Infinity })
      const offset = known === 'new' ? this.head : Number(known.split(' ')[1])
      const { publisher, id } = draft
      if (publisher && publisher.sequence > (this.#publishers.get(publisher.id)?.sequence ?? 0)) {
        this.#publishers.set(publisher.id, { sequence: publisher.sequence, offset })
      }
      if (id && known === 'new') this.#ids.set(id.id, { fingerprint: id.fingerprint, offset })
      return known === 'new' ? `stored ${offset}` : known
    })
  }

  recognise ({ publisher, id }: DraftKey): string {
    const last = publisher && this.#publishers.get(publisher.id)
    if (publisher && last && publisher.sequence <= last.sequence) return `duplicate ${publisher.sequence === last.sequence ? last.offset : null}`
    const known = id && this.#ids.get(id.id)
    if (!known) return 'new'
    return known.fingerprint === id.fingerprint ? `duplicate ${known.offset}` : 'conflict'
  }

  /** The page for `from` and `limit`, as offsets with texts. */
  read (from: number, limit: number, now: number): { head: number, first: number, records: string[] } {
    const { limit: most, bytes, ttl } = this.#retention
    const size = (items: Item[]): number => items.reduce((sum, { text }) => sum + text.length, 0)
    this.#items = this.#items.filter((item) => item.at + ttl > now)
    while (this.#items.length > most || size(this.#items) > bytes) this.#items.shift()
    const records = this.#items.filter(({ offset }) => offset >= from).slice(0, limit)
    return {
      head: this.head,
      first: this.#items[0]?.offset ?? this.head + 1,
      records: records.map((item) => `${item.offset} ${item.at + item.ttl <= now ? null : item.text}`)
    }
  }

  commit (commit: CursorCommit, now: number): 'committed' | 'fenced' {
    const old = this.#cursor(commit.session, now)
    if (old && old.generation > commit.generation) return 'fenced'
    const isLater = !old || commit.generation > old.generation || commit.number > old.number
    const moves = !old || (old.position.epoch === commit.position.epoch ? commit.position.offset > old.position.offset : isLater)
    const { generation, number } = isLater ? commit : old as CursorCommit
    this.#cursors.set(commit.session, { ...commit, generation, number, position: moves ? commit.position : (old as CursorCommit).position, at: now })
    return 'committed'
  }

  load (session: string, now: number): string {
    const position = this.#cursor(session, now)?.position
    return position ? `${position.epoch} ${position.offset}` : 'none'
  }

  remove (session: string, generation: number, now: number): void {
    const cursor = this.#cursor(session, now)
    if (cursor && cursor.generation <= generation) this.#cursors.delete(session)
  }

  #cursor (session: string, now: number): CursorCommit | undefined {
    const cursor = this.#cursors.get(session)
    return cursor && cursor.at + cursor.ttl > now ? cursor : undefined
  }
}
