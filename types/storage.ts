import type { Position, QoS } from './message.js'
import type { PresenceStore } from './presence-store.js'
import type { Retention } from './retention.js'

export type { Retention } from './retention.js'

/**
 * What a storage adapter promises. The ports are small and separate, so that an adapter may be made of ports of two others; its
 * `open` and `close` then serve both. Only `log`, `feed` and `presence` stay together: what one appends, the others read and announce.
 *
 * Rules for every port:
 * - No operation spans two channels, or a channel and a session.
 * - Arguments are valid: the broker has checked channel names, sizes and numbers before.
 * - An operation that rejects with `PUSH_STORAGE_UNKNOWN` may or may not have happened; one that rejects
 *   with any other code changed nothing. Before `open` has resolved and after `close` was called, every operation
 *   rejects with `PUSH_STORAGE_CLOSED`. A rejection is always a PushError with a code; a driver's error is its `cause`.
 * - Time is the storage's own clock, one for all nodes; durations are milliseconds.
 * - Listeners never throw into an adapter, and are called in the order in which things happened.
 */
export interface StorageAdapter {
  readonly log: LogStore
  readonly cursors: CursorStore
  readonly feed: Feed
  readonly sessions: SessionStore
  readonly presence: PresenceStore
  /** What this adapter can do. The conformance kit holds it to what it says. */
  readonly supports: StorageSupports
  /** Makes ready. Called once, before anything else. */
  open (context: StorageContext): Promise<void>
  /**
   * Ends all work in bounded time, even if a server behind the adapter hangs: each operation that is under way settles too. Closes what `open` opened and nothing
   * else; an `open` that is under way rejects or has resolved. Idempotent.
   */
  close (): Promise<void>
  /** Whether operations would succeed now. Never rejects. */
  health (): Promise<StorageHealth>
}

export interface StorageSupports {
  /** Logs, cursors, sessions, and members with the leases of their nodes outlive the process. */
  readonly durable: boolean
  /** Several nodes may use the same data at once. */
  readonly shared: boolean
  /** No operation ever ends with `PUSH_STORAGE_UNKNOWN`. */
  readonly certain: boolean
}

export interface StorageContext {
  /** Tells the host of a trouble that no caller waits for. */
  readonly onError: (error: Error) => void
  /** Tells the host, in a text, of something that works and had better be changed. */
  readonly onWarning?: ((text: string) => void) | undefined
}

export interface StorageHealth {
  readonly ok: boolean
  /** Why not. */
  readonly reason?: string
}

// ---- log ----------------------------------------------------------------------------------------------------------

/** A channel is an append-only log. */
export interface LogStore {
  /**
   * Appends a run of drafts, in order, in one atomic step: recognise a repeat, number, store, apply the
   * retention, announce on the feed. Two appends to one channel never interleave. One outcome for each draft.
   *
   * For each draft:
   * - with `publisher`: it is a `duplicate` if its sequence is ≤ the last one stored for that publisher in this
   *   channel (the position is given if it is that very last one, `null` otherwise). Gaps in sequences are allowed.
   * - with `id`: it is a `duplicate` (with its position) if the id is still remembered with the same fingerprint, a
   *   `conflict` if remembered with another. The publisher is looked at first; a duplicate by id still moves the publisher's last sequence on.
   * - after a conflict in this run, what is of the same `publisher` and no repeat by its sequence is a `conflict` too: the sequence of the refused one stays greater than the last one
   *   stored, so that it is not taken for a repeat when it is sent again.
   * - otherwise it is `stored` at the head's next offset. Neither a duplicate nor a conflict stores anything.
   *
   * The log keeps `retention` until the next append says otherwise.
   * Rejects with `PUSH_STORAGE_FULL` if one of the drafts cannot be kept even in an otherwise empty store.
   */
  append (channel: string, drafts: readonly Draft[], retention: Retention): Promise<readonly AppendOutcome[]>

  /**
   * What `append` would say of such a key now: a repeat, a conflict, or `null` for a new one. Changes nothing.
   * Lets a repeat be recognised before authorisation, validation and hooks.
   */
  recognise (channel: string, key: DraftKey): Promise<Recognised | null>

  /**
   * Reads forward: the retained records with offsets ≥ `from`, contiguous, at most `limit` of them and, after the first,
   * at most `bytes` of bodies. `from` may lie before the first retained record (the page then starts there) or
   * beyond the head (the page is empty). `limit` 0 reads just the state. Of a channel that has no log, one is made, empty, with a new epoch.
   */
  read (channel: string, query: { from: number, limit: number, bytes: number }): Promise<Page>
}

/** What a repeat is recognised by. */
export interface DraftKey {
  readonly publisher?: PublisherKey
  readonly id?: IdKey
}

/** A message to append: its encoded bytes and what the log must know of it. */
export interface Draft extends DraftKey {
  /** The encoded message. Stored and announced as it is, never looked into. */
  readonly body: Uint8Array
  readonly qos: QoS
  /** How long the message itself is of use. Then its slot stays in the log and its body is gone: an intended hole, never a gap. */
  readonly ttl?: number
}

export interface PublisherKey {
  readonly id: string
  /** Greater than those before it in this channel. */
  readonly sequence: number
  /** How long this sequence is remembered at least, from now. */
  readonly ttl: number
}

export interface IdKey {
  readonly id: string
  /** Equal for equal messages: tells a repeat from another message under the same id. */
  readonly fingerprint: string
  /** How long the id is remembered at least, from now. */
  readonly ttl: number
  /** Whether it was made for this draft alone, at random: so it is new, and only needs to be remembered. */
  readonly fresh?: boolean
}

export type AppendOutcome =
  | { readonly status: 'stored', readonly position: Position }
  | Recognised

export type Recognised =
  | { readonly status: 'duplicate', readonly position: Position | null }
  | { readonly status: 'conflict' }

/** What is known of a log as a whole. */
export interface LogState {
  readonly epoch: string
  /** The offset of the newest record ever appended in this log; 0 before the first. */
  readonly head: number
  /** The lowest offset that is retained; head + 1 if none is. */
  readonly first: number
  /**
   * Set where the log continues others whose newest records may be lost, the latest first: each ended at `end`, and from there the numbers went on.
   * A position in one of these epochs holds in this log under its own epoch as far as neither that end nor a later one lies before it; otherwise it goes back to there.
   */
  readonly continues?: ReadonlyArray<{ readonly epoch: string, readonly end: number }>
}

export interface Page extends LogState {
  /** The offset of `records[0]`; the next ones follow without holes. */
  readonly from: number
  readonly records: readonly StoredRecord[]
}

/** One slot of the log. */
export interface StoredRecord {
  /** The encoded message, or `null` once its own `ttl` has run out. */
  readonly body: Uint8Array | null
  readonly qos: QoS
}

// ---- cursors ------------------------------------------------------------------------------------------------------

/** Where each session stands in a channel: what its client has acknowledged. Lives with the channel. */
export interface CursorStore {
  /** The cursor, or `null` if there is none or it has expired. */
  load (channel: string, session: string): Promise<Position | null>
  /**
   * Moves cursors forward, each by itself, and lets each live for its `ttl` from now. One outcome for each commit:
   * - `fenced`, nothing moved: the stored cursor was written by a later generation of the session.
   * - `committed`: within an epoch the greater offset stays; across epochs the later (generation, number) stays.
   */
  commit (channel: string, commits: readonly CursorCommit[]): Promise<ReadonlyArray<'committed' | 'fenced'>>
  /**
   * The sessions whose cursors live and stand at or beyond a position, in its epoch: in the order of their names (ASCII), those after `after`, `limit` of them at the most.
   * Fewer than `limit`: there are no more.
   */
  reached (channel: string, query: { readonly position: Position, readonly after?: string, readonly limit: number }): Promise<readonly string[]>
  /** Forgets a cursor, unless a later generation wrote it. Nothing happens if there is none. */
  remove (channel: string, session: string, generation: number): Promise<void>
}

export interface CursorCommit {
  readonly session: string
  /** Which connection of the session writes: see {@link SessionStore.claim}. */
  readonly generation: number
  /** Counts the commits of one connection up. */
  readonly number: number
  readonly position: Position
  readonly ttl: number
}

// ---- feed ---------------------------------------------------------------------------------------------------------

/**
 * How records reach every node. The feed is a hint and the log is the truth: it may lose, repeat or reorder batches,
 * but it says `interrupted` whenever it may have lost some and nothing later would show the loss.
 */
export interface Feed {
  /**
   * Listens to a channel. Once resolved, every append that begins afterwards is announced to the listener, or `interrupted`
   * is. Returns the release; after it was called the listener is not called again. Joining the same channel twice gives two listeners.
   */
  join (channel: string, listener: FeedListener): Promise<() => Promise<void>>
  /** Announces encoded messages that are not stored (QoS 0) to whoever listens now. Nothing more is promised. */
  broadcast (channel: string, bodies: readonly Uint8Array[]): Promise<void>
}

export interface FeedListener {
  /** Records that were appended, contiguous from `from`. */
  records (batch: FeedBatch): void
  /** Messages that have no place in the log. */
  volatile (bodies: readonly Uint8Array[]): void
  /** Announcements may have been lost: compare with the log's head. */
  interrupted (): void
}

export interface FeedBatch {
  readonly epoch: string
  readonly from: number
  readonly records: readonly FeedRecord[]
}

/** A record just appended: its body is there. */
export interface FeedRecord extends StoredRecord {
  readonly body: Uint8Array
}

// ---- sessions -----------------------------------------------------------------------------------------------------

/** What outlives a connection of a client. Each connection that takes the session over gets a later generation. */
export interface SessionStore {
  /** The session, if it lives. Changes nothing. */
  find (session: string): Promise<{ readonly generation: number } | null>
  /**
   * Takes the session over, or makes it: the next generation, greater than any before it, given to nobody else. A session made anew after its end
   * has a greater one too, or what its forerunner left behind would fence it. Lets the session live for `ttl` from now, and tells whoever watches it.
   */
  claim (session: string, ttl: number): Promise<{ readonly generation: number }>
  /**
   * Takes the session only if nobody has it, or nobody later than generation `from`: as `claim`, or `null` and nothing changed. Of several at once one
   * gets it.
   */
  acquire (session: string, ttl: number, from?: number): Promise<{ readonly generation: number } | null>
  /**
   * Makes the session what it was, for an owner that finds it lost: with the generation it was given, where the session is gone or an earlier generation has it. Lets it live for `ttl`
   * from now, and tells whoever watches it. `false`, and nothing changed: a later generation owns it.
   */
  restore (session: string, generation: number, ttl: number): Promise<boolean>
  /** Lets the session live for `ttl` from now. `false`, and nothing changed: it is gone or another generation owns it. */
  touch (session: string, generation: number, ttl: number): Promise<boolean>
  /** Ends the session now, unless a later generation owns it. */
  remove (session: string, generation: number): Promise<void>
  /**
   * Hears of each claim, and of what is restored, on this node or another; those of a session in their order. A hint: fencing is the truth. `interrupted` is called where claims may have been missed, once those
   * that follow are heard again: who cares asks `find`. Returns the release.
   */
  watch (listener: (session: string, generation: number) => void, interrupted?: () => void): () => void
}
