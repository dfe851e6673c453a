import type { Draft, FeedListener, Page, Retention, StorageAdapter } from '../../types/storage.js'

/** An adapter broken in one way: its name, the part of the kit that must notice, and how to break a good one. */
export interface Mutant {
  readonly name: string
  readonly part: string
  readonly breakIt: Break
}

export type Break = (storage: StorageAdapter) => StorageAdapter

/** Longer than any test. */
export const FOREVER = 1e12
/** A port with some of its operations replaced. */
export function over<Port extends object> (port: Port, changes: Partial<Port>): Port {
  return new Proxy(port, {
    get (target, name) {
      const value: unknown = Reflect.get(name in changes ? changes : target, name)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}

export function withLog (change: (log: StorageAdapter['log']) => Partial<StorageAdapter['log']>) {
  return (storage: StorageAdapter): StorageAdapter => ({ ...storage, log: over(storage.log, change(storage.log)) })
}

export function withPage (change: (page: Page, query: { from: number, limit: number, bytes: number }) => Page) {
  return withLog((log) => ({ read: async (channel, query) => change(await log.read(channel, query), query) }))
}

export function withRetention (change: (retention: Retention) => Retention) {
  return withLog((log) => ({ append: (channel, drafts, retention) => log.append(channel, drafts, change(retention)) }))
}

export function withDraft (change: (draft: Draft) => Draft) {
  return withLog((log) => ({ append: (channel, drafts, retention) => log.append(channel, drafts.map(change), retention) }))
}

export function withCursors (change: (cursors: StorageAdapter['cursors']) => Partial<StorageAdapter['cursors']>) {
  return (storage: StorageAdapter): StorageAdapter => ({ ...storage, cursors: over(storage.cursors, change(storage.cursors)) })
}

export function withSessions (change: (sessions: StorageAdapter['sessions']) => Partial<StorageAdapter['sessions']>) {
  return (storage: StorageAdapter): StorageAdapter => ({ ...storage, sessions: over(storage.sessions, change(storage.sessions)) })
}

export function withPresence (change: (presence: StorageAdapter['presence'], storage: StorageAdapter) => Partial<StorageAdapter['presence']>) {
  return (storage: StorageAdapter): StorageAdapter => ({ ...storage, presence: over(storage.presence, change(storage.presence, storage)) })
}

export function withFeed (change: (feed: StorageAdapter['feed'], storage: StorageAdapter) => Partial<StorageAdapter['feed']>) {
  return (storage: StorageAdapter): StorageAdapter => ({ ...storage, feed: over(storage.feed, change(storage.feed, storage)) })
}

export function hearing (change: (listener: FeedListener) => Partial<FeedListener>) {
  return withFeed((feed) => ({ join: (channel, listener) => feed.join(channel, over(listener, change(listener))) }))
}

export const without = <Key extends keyof Draft>(key: Key) => (draft: Draft): Draft => {
  const { [key]: _, ...rest } = draft
  return rest as Draft
}
