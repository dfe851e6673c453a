import assert from 'node:assert/strict'
import { PushError } from '../../core/errors.js'
import type { StorageAdapter } from '../../../types/storage.js'
import { ALL, Ear, LONG, ROOM, ROOMY, append, draft, readAll, rejectsWith, type Kit } from './kit.js'
import { entering, leaving, member } from './members.js'

const context = { onError: () => {} }

/** Every operation there is, each as a call that would succeed on an open adapter. */
function operations ({ log, cursors, feed, sessions, presence }: StorageAdapter): Array<[name: string, call: () => Promise<unknown>]> {
  return [
    ['log.append', () => log.append(ROOM, [draft('a')], ROOMY)],
    ['log.recognise', () => log.recognise(ROOM, {})],
    ['log.read', () => log.read(ROOM, ALL)],
    ['cursors.load', () => cursors.load(ROOM, 's')],
    ['cursors.commit', () => cursors.commit(ROOM, [{ session: 's', generation: 1, number: 1, position: { epoch: 'e', offset: 1 }, ttl: LONG }])],
    ['cursors.reached', () => cursors.reached(ROOM, { position: { epoch: 'e', offset: 1 }, limit: 1 })],
    ['cursors.remove', () => cursors.remove(ROOM, 's', 1)],
    ['feed.join', () => feed.join(ROOM, new Ear())],
    ['feed.broadcast', () => feed.broadcast(ROOM, [draft('a').body])],
    ['sessions.find', () => sessions.find('s')],
    ['sessions.claim', () => sessions.claim('s', LONG)],
    ['sessions.acquire', () => sessions.acquire('a', LONG)],
    ['sessions.restore', () => sessions.restore('r', 1, LONG)],
    ['sessions.touch', () => sessions.touch('s', 1, LONG)],
    ['sessions.remove', () => sessions.remove('s', 1)],
    ['presence.enter', () => presence.enter(ROOM, member('m', 1, 1), entering)],
    ['presence.leave', () => presence.leave(ROOM, member('m', 1, 2), leaving('leave'))],
    ['presence.list', () => presence.list(ROOM, { after: null, limit: 1, bytes: 1 })],
    ['presence.counts', () => presence.counts([ROOM])],
    ['presence.lastSeen', () => presence.lastSeen(ROOM)],
    ['presence.renew', () => presence.renew('node', LONG)],
    ['presence.orphans', () => presence.orphans(1)],
    ['presence.held', () => presence.held('n', { after: null, limit: 1 })]
  ]
}

/** Open, close, health, and what every operation does outside of them. */
export function lifecycle (kit: Kit): void {
  kit.test('lifecycle: before open has resolved every operation rejects with PUSH_STORAGE_CLOSED and changes nothing', async () => {
    const storage = await kit.create()
    for (const [name, call] of operations(storage)) await rejectsWith('PUSH_STORAGE_CLOSED', `${name} before open`, call)
    const opened = storage.open(context)
    const early = operations(storage).map(([name, call]) => {
      const result = call()
      return rejectsWith('PUSH_STORAGE_CLOSED', `${name} before open has resolved`, () => result)
    })
    await Promise.all(early)
    await opened
    assert.equal((await readAll(storage)).head, 0)
    assert.equal(await storage.cursors.load(ROOM, 's'), null)
    assert.equal(await storage.sessions.find('s'), null)
    assert.equal((await storage.presence.list(ROOM, { after: null, limit: 0, bytes: 0 })).connections, 0)
    for (const [, call] of operations(storage)) await call()
    await storage.close()
  })

  kit.test('lifecycle: after close was called every operation rejects with PUSH_STORAGE_CLOSED', async () => {
    const storage = await kit.create()
    await storage.open(context)
    const closed = storage.close()
    for (const [name, call] of operations(storage)) await rejectsWith('PUSH_STORAGE_CLOSED', `${name} after close was called`, call)
    await closed
    for (const [name, call] of operations(storage)) await rejectsWith('PUSH_STORAGE_CLOSED', `${name} after close`, call)
  })

  kit.test('lifecycle: close is idempotent, also at once and before open', async () => {
    const storage = await kit.create()
    await storage.open(context)
    await Promise.all([storage.close(), storage.close()])
    await storage.close()
    const unopened = await kit.create()
    await unopened.close()
    await unopened.close()
    for (const [name, call] of operations(unopened)) await rejectsWith('PUSH_STORAGE_CLOSED', `${name} after close before open`, call)
  })

  kit.test('lifecycle: close while open is under way: both settle, and the adapter is closed', async () => {
    const storage = await kit.create()
    const opened = storage.open(context).then(() => null, (error: unknown) => error)
    await kit.within(storage.close(), 'close settles')
    const error = await kit.within(opened, 'open settles')
    if (error !== null) await rejectsWith('PUSH_STORAGE_CLOSED', 'open', () => Promise.reject(error))
    for (const [name, call] of operations(storage)) await rejectsWith('PUSH_STORAGE_CLOSED', `${name} after close`, call)
  })

  kit.test('lifecycle: close ends what is under way, each operation with an outcome or a code', async () => {
    const storage = await kit.create()
    await storage.open(context)
    const pending = Array.from({ length: 5 }, () => operations(storage)).flat().map(async ([name, call]) => {
      const error = await kit.within(call().then(() => null, (error: unknown) => error), `${name} settles`)
      if (error === null) return
      assert.ok(error instanceof PushError, `${name} rejects with a PushError, not ${String(error)}`)
      if (storage.supports.certain) assert.notEqual(error.code, 'PUSH_STORAGE_UNKNOWN', `${name}: the adapter says it is certain`)
    })
    await Promise.all([kit.within(storage.close(), 'close settles'), ...pending])
  })

  kit.test('lifecycle: health never rejects and says whether operations would succeed', async () => {
    const storage = await kit.create()
    const isOk = async (): Promise<boolean> => {
      const { ok, reason } = await storage.health()
      assert.ok(['string', 'undefined'].includes(typeof reason), 'a reason is a text')
      return ok
    }
    assert.equal(await isOk(), false, 'before open')
    await storage.open(context)
    assert.equal(await isOk(), true, 'open')
    const closed = storage.close()
    assert.equal(await isOk(), false, 'after close was called')
    await closed
    assert.deepEqual(await Promise.all([isOk(), isOk()]), [false, false], 'after close')
  })

  kit.test('lifecycle: adapters that were created apart share nothing', async () => {
    const [one, two] = [await kit.create(), await kit.create()]
    await one.open(context)
    await two.open(context)
    await append(one, ROOM, 'a')
    const { generation } = await one.sessions.claim('s', LONG)
    await one.cursors.commit(ROOM, [{ session: 's', generation, number: 1, position: { epoch: 'e', offset: 1 }, ttl: LONG }])
    const page = await readAll(two)
    assert.equal(page.head, 0)
    assert.notEqual(page.epoch, (await readAll(one)).epoch, 'a log created anew has a new epoch')
    assert.equal(await two.sessions.find('s'), null)
    assert.equal(await two.cursors.load(ROOM, 's'), null)
    await one.close()
    assert.equal((await readAll(two)).head, 0, 'closing one leaves the other open')
    await two.close()
  })
}
