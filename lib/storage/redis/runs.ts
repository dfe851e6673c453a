import { GROUP_LENGTH, ID_LENGTH } from '../../core/message-id.js'
import type { Draft, DraftKey, IdKey } from '../../../types/storage.js'
import { encodeRecords } from './announcement.js'
import type { Argument } from './connection.js'
import type { ChannelKeys } from './keys.js'

const publisherKey = ({ root }: ChannelKeys, id: string): string => `${root}:publisher:${id}`
const idKey = ({ root }: ChannelKeys, id: string): string => `${root}:id:${id}`
// Ids of one group are remembered together: of those that are like the ones the broker makes, those that begin alike.
const groupKey = ({ root }: ChannelKeys, id: string): string => `${root}:ids:${id.slice(0, GROUP_LENGTH)}`
const nameOf = (id: string): string => isGrouped(id) ? id.slice(GROUP_LENGTH) : ''
const isGrouped = (id: string): boolean => id.length === ID_LENGTH && /^[\w-]+$/.test(id)

/** Puts what drafts are appended with into the keys and arguments of a call, and returns how many runs they are. */
export function addRuns (of: ChannelKeys, drafts: readonly Draft[], keys: string[], args: Argument[]): number {
  let runs = 0
  for (let i = 0; i < drafts.length;) {
    const end = endOfRun(drafts, i)
    const first = drafts[i] as Draft
    const run = i === 0 && end === drafts.length ? drafts : drafts.slice(i, end)
    args.push(run.length, encodeRecords(run), Math.ceil(first.ttl ?? 0))
    if (isFresh(first)) {
      keys.push(groupKey(of, first.id.id))
      args.push('f', Math.ceil(first.id.ttl), run.map(({ id }) => `${id?.id.slice(GROUP_LENGTH) ?? ''} ${id?.fingerprint ?? ''}`).join(' '))
    } else {
      addKey(of, first, keys, args)
    }
    runs++
    i = end
  }
  return runs
}

/** Puts what a draft is recognised by into the keys and arguments of a call. */
export function addKey (of: ChannelKeys, { publisher, id }: DraftKey, keys: string[], args: Argument[]): void {
  args.push(publisher === undefined ? id === undefined ? '-' : 'i' : id === undefined ? 'p' : 'b')
  if (publisher !== undefined) {
    keys.push(publisherKey(of, publisher.id))
    args.push(publisher.sequence, Math.ceil(publisher.ttl))
  }
  if (id === undefined) return
  const name = id.fresh === true ? '' : nameOf(id.id)
  keys.push(idKey(of, id.id))
  args.push(id.fingerprint, Math.ceil(id.ttl), name)
  if (name !== '') keys.push(groupKey(of, id.id))
}

function isFresh (draft: Draft): draft is Draft & { readonly id: IdKey } {
  const { publisher, id } = draft
  return publisher === undefined && id?.fresh === true && isGrouped(id.id)
}

// Where the drafts end that go together with this one: fresh ones of one group, or those that nobody recognises.
function endOfRun (drafts: readonly Draft[], start: number): number {
  const first = drafts[start] as Draft
  const { ttl, publisher, id } = first
  if (publisher !== undefined || (id !== undefined && !isFresh(first))) return start + 1
  const group = id?.id.slice(0, GROUP_LENGTH)
  let end = start + 1
  for (let next = drafts[end]; next !== undefined; next = drafts[++end]) {
    if (next.publisher !== undefined || next.ttl !== ttl) break
    if (id === undefined ? next.id !== undefined : !isFresh(next) || next.id?.id.slice(0, GROUP_LENGTH) !== group || next.id?.ttl !== id.ttl) break
  }
  return end
}
