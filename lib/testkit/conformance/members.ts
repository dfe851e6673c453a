import type { EnterChange, LeaveChange, MemberPage, StoredMember } from '../../../types/presence-store.js'
import type { StorageAdapter } from '../../../types/storage.js'
import { LONG, ROOM, ROOMY, readAll, shown, texts } from './kit.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** The presence log of a channel. */
export const logOf = (channel: string): string => `$presence/${channel}`

/** A member written short: the key, (generation, number), and what differs from the usual. */
export function member (key: string, generation: number, number: number, more: Partial<Omit<StoredMember, 'body'>> & { text?: string } = {}): StoredMember {
  const { text = key, ...fields } = more
  return { key, generation, number, node: 'node', user: null, body: bytes(text), ...fields }
}

/** How members enter, unless a test says otherwise: each event is the name of its change. */
export const entering: EnterChange = { retention: ROOMY, remember: LONG, events: { join: bytes('join'), back: bytes('back'), update: bytes('update') } }

/** How they leave. */
export function leaving (cause: 'leave' | 'timeout', more: Partial<LeaveChange> = {}): LeaveChange {
  return { retention: ROOMY, remember: LONG, seen: LONG, cause, event: bytes(cause), ...more }
}

/** All members of a channel, each as its key and body, the numbers, and the offset at which they hold. */
export async function roster (storage: StorageAdapter, channel = ROOM): Promise<{ members: string[], users: number, connections: number, offset: number }> {
  const { members, users, connections, position } = await storage.presence.list(channel, { after: null, limit: 10_000, bytes: 10_000_000 })
  return { members: members.map(({ key, body }) => `${key} ${shown(body)}`), users, connections, offset: position.offset }
}

/** The events of a channel, in order. */
export async function events (storage: StorageAdapter, channel = ROOM): Promise<Array<string | null>> {
  return texts((await readAll(storage, logOf(channel))).records)
}

/** Reads all pages of so many members or bytes. */
export async function pages (storage: StorageAdapter, limit: number, most = 10_000_000, between: (page: MemberPage) => Promise<unknown> = async () => {}): Promise<string[][]> {
  const found: string[][] = []
  for (let after: string | null = null; ;) {
    const page: MemberPage = await storage.presence.list(ROOM, { after, limit, bytes: most })
    found.push(page.members.map(({ key }) => key))
    if (page.next === null || found.length > 100) return found
    after = page.next
    await between(page)
  }
}
