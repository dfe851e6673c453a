import type { QoS } from '../../../types/index.js'

/** What is said in the room: the data of a message. Who says it, the server knows. */
export interface Words {
  readonly text: string
}

/** A message as it is shown. */
export interface Shown extends Words {
  readonly id: string
  readonly name: string
  readonly qos: QoS
  /** Milliseconds since 1970. */
  readonly timestamp: number
  /** `null` until it has its place in the log. */
  readonly offset: number | null
}

/**
 * What this page keeps over a reload: who it is, what it shows, what it waits for. The client keeps its cursor beside it: a message is
 * saved here by its handler, before the cursor moves, so that none is missing and none is shown twice.
 */
export interface Saved {
  /** Names this page, also as a client; begins the ids of its messages. */
  readonly page: string
  /** Who has signed in. */
  name: string | null
  shown: Shown[]
  waiting: Shown[]
}

const KEY = 'chat'
const MAX_SHOWN = 300

/** What an earlier load of this page left, or the beginnings of a new one. */
export function load (): Saved {
  const text = sessionStorage.getItem(KEY)
  if (text !== null) return JSON.parse(text) as Saved
  return { page: crypto.randomUUID(), name: null, shown: [], waiting: [] }
}

/** Forgets all but the name of this page: somebody else may sign in next. The server keeps each person's cursor. */
export function forget ({ page }: Saved): void {
  sessionStorage.clear()
  save({ page, name: null, shown: [], waiting: [] })
}

/** Keeps it for the next load of this page. */
export function save (saved: Saved): void {
  saved.shown = saved.shown.slice(-MAX_SHOWN)
  sessionStorage.setItem(KEY, JSON.stringify(saved))
}

/** Whether some data is what this page says; anybody may publish anything. */
export function isWords (data: unknown): data is Words {
  const { text } = (data ?? {}) as Partial<Words>
  return typeof text === 'string'
}
