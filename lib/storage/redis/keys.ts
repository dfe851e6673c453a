import { PRESENCE } from '../../core/presence-log.js'

/** The keys of a channel. All are in one slot of a Cluster: what is in braces decides, and no channel's name has any. */
export interface ChannelKeys {
  /** What decides on the slot. */
  readonly tag: string
  /** Where the feed announces. */
  readonly feed: string
  readonly meta: string
  readonly log: string
  readonly cursors: string
  /** How keys of publishers, ids, members and so on begin. */
  readonly root: string
}

/** Makes the names of keys. Nothing but this knows them. */
export class Keys {
  readonly #prefix: string

  constructor (prefix: string) {
    this.#prefix = prefix
  }

  /** The presence log of a channel is in the slot of the channel. */
  channel (name: string): ChannelKeys {
    const isPresence = name.startsWith(PRESENCE)
    const of = isPresence ? name.slice(PRESENCE.length) : name
    const tag = `${this.#prefix}:{${of}}`
    const root = isPresence ? `${tag}:presence` : tag
    return { tag, root, feed: `${root}:feed`, meta: `${root}:meta`, log: `${root}:log`, cursors: `${root}:cursors` }
  }

  session (key: string): string {
    return `${this.#prefix}:session:{${escape(key)}}`
  }

  /** The nodes and their leases. */
  get leases (): string {
    return `${this.#prefix}:leases`
  }

  /** The channels in which a node has members. */
  node (node: string): string {
    return `${this.#prefix}:node:{${escape(node)}}`
  }

  /** Where claims of sessions are told. */
  get claims (): string {
    return `${this.#prefix}:claims`
  }
}

// A brace in a name would choose the slot.
function escape (name: string): string {
  return name.replace(/[{}%]/g, encodeURIComponent)
}
