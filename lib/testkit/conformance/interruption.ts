import assert from 'node:assert/strict'
import { PushError } from '../../core/errors.js'
import type { StorageAdapter } from '../../../types/storage.js'
import { Ear, LONG, ROOM, by, draft, offsetOf, append, type Kit } from './kit.js'

const ROUNDS = 5
const ATTEMPTS = 50

/** What the feed and the sessions promise when announcements may have been lost on their way. Only where the kit is told how to bring that about. */
export function interruption (kit: Kit): void {
  const { interrupt } = kit
  if (interrupt === undefined) return

  kit.open('feed: what is appended while announcements are interrupted is announced, or `interrupted` is', async (storage) => {
    const ears = [new Ear(), new Ear()]
    for (const ear of ears) await storage.feed.join(ROOM, ear)
    for (let round = 1; round <= ROUNDS; round++) {
      const known = ears.map(({ interruptions }) => interruptions)
      const [offset] = await Promise.all([stubborn(storage, round), interrupt(storage)])
      await kit.until(() => ears.every((ear, i) => ear.interruptions > (known[i] as number) || hasHeard(ear, offset)), `all listeners hear of offset ${offset}, or that it may be lost`)
    }
  })

  kit.open('feed: after an interruption, appends are announced again', async (storage) => {
    const ear = new Ear()
    await storage.feed.join(ROOM, ear)
    await interrupt(storage)
    for (let sequence = 1; sequence <= ATTEMPTS; sequence++) {
      const known = ear.interruptions
      const offset = await stubborn(storage, sequence)
      await kit.until(() => ear.interruptions > known || hasHeard(ear, offset), `offset ${offset} is announced, or that it may be lost`)
      if (hasHeard(ear, offset)) return
    }
    assert.fail(`nothing was announced in ${ATTEMPTS} attempts`)
  })

  kit.open('sessions: a claim made while announcements are interrupted is heard, or `interrupted` is', async (storage) => {
    const heard = new Set<number>()
    let interruptions = 0
    storage.sessions.watch((_, generation) => { heard.add(generation) }, () => { interruptions++ })
    for (let round = 1; round <= ROUNDS; round++) {
      const known = interruptions
      const [, { generation }] = await Promise.all([interrupt(storage), insist(() => storage.sessions.claim('s', LONG))])
      await kit.until(() => interruptions > known || heard.has(generation), `the claim ${generation} is heard, or that it may be lost`)
    }
  })
}

const hasHeard = ({ batches }: Ear, offset: number): boolean => batches.some(({ from, records }) => offset >= from && offset < from + records.length)

/** Appends, again and again where the outcome is a passing error. A repeat is recognised. Returns the offset. */
async function stubborn (storage: StorageAdapter, sequence: number): Promise<number> {
  const [outcome] = await insist(() => append(storage, ROOM, draft(`${sequence}`, by('p', sequence))))
  return offsetOf(outcome) as number
}

async function insist<Outcome> (work: () => Promise<Outcome>): Promise<Outcome> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof PushError) || !error.retryable || attempt === ATTEMPTS) throw error
      await new Promise((resolve) => { setTimeout(resolve, 10) })
    }
  }
}
