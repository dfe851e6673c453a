import { PushError } from '../../core/errors.js'
import type { AppendOutcome, Draft, DraftKey, LogStore, Page, Recognised, Retention, StoredRecord } from '../../../types/storage.js'
import type { QoS } from '../../../types/message.js'
import { newEpoch } from '../epoch.js'
import type { Argument, Reply } from './connection.js'
import type { Operations } from './operations.js'
import type { Keys } from './keys.js'
import { APPEND } from './lua/append.js'
import { READ, RECOGNISE, TEND } from './lua/log.js'
import { Lanes } from './lanes.js'
import { addKey, addRuns } from './runs.js'
import { SharedWork } from './shared-work.js'

export interface LogParts {
  readonly keys: Keys
  readonly operations: Operations
  /** For appends. */
  readonly appending: Operations
  /** How the feed announces: `publish`, or `spublish` in Cluster. */
  readonly announce: string
  /** Milliseconds until an append is given up. */
  readonly timeout: number
  /** Appends under way or waiting, at the most. */
  readonly inFlight: number
}

/** The logs, each a stream. */
export class RedisLog implements LogStore {
  readonly #parts: LogParts
  readonly #lanes: Lanes
  /** Channels whose logs are being tended. */
  readonly #tending = new SharedWork()

  constructor (parts: LogParts) {
    this.#parts = parts
    this.#lanes = new Lanes({ ...parts, append: (channel, drafts, retention) => this.#append(channel, drafts, retention) })
  }

  append (channel: string, drafts: readonly Draft[], retention: Retention): Promise<readonly AppendOutcome[]> {
    for (const { body } of drafts) {
      if (body.byteLength > retention.bytes) return Promise.reject(new PushError('PUSH_STORAGE_FULL', 'larger than all that the channel keeps'))
    }
    return this.#lanes.append(channel, drafts, retention)
  }

  async #append (channel: string, drafts: readonly Draft[], retention: Retention): Promise<AppendOutcome[]> {
    const { appending, announce } = this.#parts
    const of = this.#parts.keys.channel(channel)
    const keys = [of.meta, of.log]
    const runs: Argument[] = []
    const count = addRuns(of, drafts, keys, runs)
    const args = [newEpoch(), announce, of.feed, retention.limit, retention.bytes, Math.ceil(retention.ttl), count, ...runs]
    const [epoch, first, ...others] = await appending.write(APPEND, { keys, args, tag: of.tag }) as [Buffer, number, ...number[]]
    return outcomes(String(epoch), first, others, drafts.length)
  }

  async recognise (channel: string, key: DraftKey): Promise<Recognised | null> {
    const of = this.#parts.keys.channel(channel)
    const keys = [of.meta, of.log]
    const args: Argument[] = [newEpoch()]
    addKey(of, key, keys, args)
    // Where replicas must have what is acknowledged, they must have what is acknowledged again.
    const [epoch, status, offset] = await this.#parts.appending.read(RECOGNISE, { keys, args, tag: of.tag }) as [Buffer, number, number]
    return status === 0 ? null : recognised(String(epoch), status, offset)
  }

  async read (channel: string, query: { from: number, limit: number, bytes: number }): Promise<Page> {
    let reply = await this.#read(channel, query)
    if (reply === null) {
      await this.#tend(channel)
      reply = await this.#read(channel, query)
    }
    if (reply === null) throw new PushError('PUSH_STORAGE_UNAVAILABLE', 'the log is gone as soon as it is made')
    const [epoch, head, first, continued, start, wantsTending, ...found] = reply
    if (wantsTending === 1) this.#tend(channel).catch(() => {}) // whoever reads next sees to it
    const state = { epoch: String(epoch), head: Number(head), first: Number(first), from: Number(start), records: recordsOf(found) }
    return (continued as Buffer).length === 0 ? state : { ...state, continues: readContinued(String(continued)) }
  }

  // `null` where only a write can tell: there is no log, or it wants a new epoch.
  async #read (channel: string, { from, limit, bytes }: { from: number, limit: number, bytes: number }): Promise<Reply[] | null> {
    const of = this.#parts.keys.channel(channel)
    const operation = { keys: [of.meta, of.log], args: [from, limit, bytes], tag: of.tag, answer: limit === 0 ? 0 : bytes }
    const reply = await this.#parts.operations.read(READ, operation)
    return Array.isArray(reply) ? reply : null
  }

  #tend (channel: string): Promise<unknown> {
    const { meta, log, tag } = this.#parts.keys.channel(channel)
    return this.#tending.run(channel, () => this.#parts.operations.read(TEND, { keys: [meta, log], args: [newEpoch()], tag }))
  }
}

function recordsOf (found: readonly Reply[]): StoredRecord[] {
  const records: StoredRecord[] = []
  for (let i = 0; i < found.length; i += 2) {
    const qos = String(found[i])
    records.push(qos[0] === '-' ? { body: null, qos: Number(qos.slice(1)) as QoS } : { body: found[i + 1] as Buffer, qos: Number(qos) as QoS })
  }
  return records
}

function readContinued (text: string): NonNullable<Page['continues']> {
  return text.split(' ').map((each) => {
    const [epoch, end] = each.split(':') as [string, string]
    return { epoch, end: Number(end) }
  })
}

// The script says from where on drafts were stored, and which ones were not: their number, status and offset.
function outcomes (epoch: string, first: number, others: readonly number[], count: number): AppendOutcome[] {
  const told: AppendOutcome[] = []
  let offset = first
  for (let i = 0, at = 0; i < count; i++) {
    if (others[at] === i) {
      told.push(recognised(epoch, others[at + 1] as number, others[at + 2] as number))
      at += 3
    } else {
      told.push({ status: 'stored', position: { epoch, offset: offset++ } })
    }
  }
  return told
}

// As the scripts say it.
function recognised (epoch: string, status: number, offset: number): Recognised {
  if (status === 2) return { status: 'conflict' }
  return { status: 'duplicate', position: offset === 0 ? null : { epoch, offset } }
}
