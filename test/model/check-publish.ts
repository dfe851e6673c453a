import type { Position } from '../../types/message.js'
import { ID_WINDOW, show, type History, type Publish } from './history.js'

/** A call has ended well: what it says must be so already. */
export function checkAcknowledged (history: History, publish: Publish, position: Position | null): void {
  const copies = history.copies.get(publish.ref)
  if (publish.qos === 0) return
  if (copies === undefined) {
    history.found('acknowledged-not-stored', `#${publish.ref} (${publish.by}) is acknowledged at ${show(position)} and not stored`)
  } else if (position !== null && !copies.some((copy) => copy.position.epoch === position.epoch && copy.position.offset === position.offset)) {
    history.found('wrong-position', `#${publish.ref} is acknowledged at ${show(position)}, and stored at ${copies.map((copy) => show(copy.position)).join(' ')}`)
  }
}

/** A refusal is told as an unknown outcome: only if the server could not know better. */
export function checkUnknown (history: History, publish: Publish): void {
  const copy = history.copies.get(publish.ref)?.[0]
  if (copy === undefined || copy.entry.store !== history.store || copy.entry.at >= publish.sentAt || publish.renewed) return
  history.found('needless-unknown', `#${publish.ref} by ${publish.by} lay at ${show(copy.position)} when it was sent again, and was refused`)
}

/** At the end of a run: what is stored is what was published, no oftener and no otherwise than was told. */
export function checkPublishes (history: History): void {
  for (const publish of history.publishes) {
    if (publish.pending > 0) history.found('never-settled', `#${publish.ref} by ${publish.by} (QoS ${publish.qos})`)
    checkCopies(history, publish)
  }
  for (const ref of history.copies.keys()) {
    if (history.publishes[ref] === undefined) history.found('never-published', `#${ref} is stored`)
  }
  checkOrder(history)
}

function checkCopies (history: History, publish: Publish): void {
  const copies = history.copies.get(publish.ref) ?? []
  const { ref, ok, unknown, pending, refused } = publish
  if (copies.length > 0 && refused > 0 && ok + unknown + pending === 0) {
    history.found('refused-stored', `#${ref} by ${publish.by} was refused, and is stored at ${show(copies[0]?.position)}`)
  }
  if (copies.some((copy) => copy.channel !== publish.channel)) history.found('never-published', `#${ref} is stored in another channel`)
  if (publish.qos === 0) return
  // At QoS 1 a message may go out again under a new identity. Then its id tells, as long as that is remembered.
  const forgiven = publish.qos === 1 && publish.renewed ? (publish.id === undefined ? 0 : ID_WINDOW) : Infinity
  const isRepeat = ({ entry }: typeof copies[0], i: number) =>
    copies.slice(0, i).some((other) => other.entry.store === entry.store && Math.abs(other.entry.at - entry.at) < forgiven)
  if (copies.some(isRepeat)) {
    history.found('stored-twice', `#${ref} by ${publish.by} (QoS ${publish.qos}) at ${copies.map((copy) => show(copy.position)).join(' ')}`)
  }
}

// What one client published to one channel lies in the log in the order of its calls (the first copies do).
function checkOrder (history: History): void {
  const newest = new Map<string, number>()
  const seen = new Set<number>()
  for (const [key, log] of history.logs) {
    newest.clear()
    for (const offset of [...log.keys()].sort((a, b) => a - b)) {
      const { ref } = log.get(offset) as { ref: number }
      const publish = history.publishes[ref]
      // What ended unknown may come late; under a new identity so may what was sent before.
      if (publish === undefined || !publish.ordered || publish.qos === 0 || publish.renewed || publish.unknown > 0 || seen.has(ref)) continue
      seen.add(ref)
      const before = newest.get(publish.by) ?? -1
      if (before > ref) history.found('publisher-order', `${publish.by}: #${ref} follows #${before} in ${key.split('\n')[0]} at ${offset}`)
      newest.set(publish.by, Math.max(before, ref))
    }
  }
}
