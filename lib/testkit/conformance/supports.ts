import assert from 'node:assert/strict'
import type { StorageAdapter } from '../../../types/storage.js'
import { HALF, LONG, PAST, ROOM, TTL, append, by, draft, outcomesAre, readAll, texts, withId, type Kit } from './kit.js'
import { entering, events, leaving, member, roster } from './members.js'

const context = { onError: () => {} }

/** That an adapter does what its `supports` says; of `shared` see there. */
export function supports (kit: Kit): void {
  kit.test('supports: says whether it is durable, shared and certain; the first two are proved with a peer', async () => {
    const storage = await kit.create()
    const { durable, shared, certain } = storage.supports
    for (const said of [durable, shared, certain]) assert.equal(typeof said, 'boolean')
    assert.ok(kit.createPeer !== undefined || (!durable && !shared), 'createPeer is needed')
    await storage.close()
  })

  outliving(kit, 'logs, cursors and sessions', async (storage) => {
    await append(storage, ROOM, draft('a', by('p', 1)), draft('b', withId('i', 'f')))
    const { epoch } = await readAll(storage)
    const session = await storage.sessions.claim('s', LONG)
    await storage.sessions.claim('ended', LONG)
    const ended = await storage.sessions.claim('ended', LONG)
    await storage.sessions.remove('ended', ended.generation)
    await storage.cursors.commit(ROOM, [{ session: 's', ...session, number: 5, position: { epoch, offset: 1 }, ttl: LONG }])
    return async (peer) => {
      const page = await readAll(peer)
      assert.deepEqual([page.epoch, page.head, texts(page.records)], [epoch, 2, ['a', 'b']])
      assert.deepEqual(await peer.cursors.load(ROOM, 's'), { epoch, offset: 1 })
      assert.deepEqual(await peer.cursors.reached(ROOM, { position: { epoch, offset: 1 }, limit: 9 }), ['s'])
      assert.deepEqual(await peer.cursors.commit(ROOM, [{ session: 's', generation: session.generation - 1, number: 9, position: { epoch, offset: 2 }, ttl: LONG }]), ['fenced'])
      assert.deepEqual(await peer.sessions.find('s'), session)
      assert.ok((await peer.sessions.claim('ended', LONG)).generation > ended.generation, 'greater than any before it')
      outcomesAre(await append(peer, ROOM, draft('a', by('p', 1)), draft('b', withId('i', 'f')), draft('?', withId('i', 'g'))), ['duplicate 1', 'duplicate 2', 'conflict'])
    }
  })

  outliving(kit, 'members, their log, and what is remembered of those who left', async (storage) => {
    const { presence } = storage
    for (const key of ['a', 'b', 'c']) await presence.enter(ROOM, member(key, 1, 1, { user: 'u' }), entering)
    await presence.leave(ROOM, member('b', 1, 2), leaving('timeout'))
    await presence.leave(ROOM, member('c', 1, 2), leaving('leave'))
    await presence.enter('left', member('a', 1, 1), entering)
    await presence.leave('left', member('a', 1, 2), leaving('leave'))
    const seen = await presence.lastSeen('left')
    return async (peer) => {
      assert.deepEqual(await roster(peer), { members: ['a a'], users: 1, connections: 1, offset: 5 })
      assert.deepEqual(await events(peer), ['join', 'join', 'join', 'timeout', 'leave'])
      assert.equal(await peer.presence.lastSeen('left'), seen)
      assert.equal((await peer.presence.enter(ROOM, member('b', 1, 1), entering)).change, 'fenced')
      assert.equal((await peer.presence.enter(ROOM, member('b', 1, 3), entering)).change, 'back')
      assert.equal((await peer.presence.enter(ROOM, member('c', 1, 3), entering)).change, 'join')
      assert.equal((await peer.presence.enter(ROOM, member('a', 1, 2), entering)).change, 'none')
    }
  })

  outliving(kit, 'leases, and the members that are left when they run out', async (storage) => {
    await storage.presence.renew('node', TTL)
    await storage.presence.renew('other', LONG)
    await storage.presence.enter(ROOM, member('a', 1, 1), entering)
    await storage.presence.enter(ROOM, member('b', 1, 1, { node: 'other' }), entering)
    return async (peer) => {
      await kit.advance(HALF + PAST)
      const orphans = await peer.presence.orphans(9)
      assert.deepEqual(orphans.map((orphan) => `${orphan.channel} ${orphan.member.key}`), [`${ROOM} a`], 'the other lease runs on')
      for (const orphan of orphans) assert.equal((await peer.presence.leave(orphan.channel, orphan.member, leaving('timeout'))).left, true)
      assert.deepEqual(await events(peer), ['join', 'join', 'timeout'])
    }
  })
}

/** A test that what `before` did to an adapter is there for another one after the first has closed, if it says that it is durable. */
function outliving (kit: Kit, what: string, before: (storage: StorageAdapter) => Promise<(peer: StorageAdapter) => Promise<void>>): void {
  const { createPeer } = kit
  if (createPeer === undefined) return
  kit.test(`supports: durable: ${what} outlive the adapter`, async () => {
    const storage = await kit.create()
    if (!storage.supports.durable) return await storage.close()
    await storage.open(context)
    const after = await before(storage)
    await storage.close()
    const peer = await createPeer(storage)
    await peer.open(context)
    try {
      await after(peer)
    } finally {
      await peer.close()
    }
  })
}
