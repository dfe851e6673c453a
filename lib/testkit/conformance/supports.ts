import assert from 'node:assert/strict'
import type { StorageAdapter } from '../../../types/storage.js'
import { Ear, LONG, ROOM, append, by, draft, outcomesAre, readAll, texts, type Kit } from './kit.js'

const context = { onError: () => {} }

/** That an adapter does what its `supports` says. */
export function supports (kit: Kit): void {
  kit.test('supports: says whether it is durable, shared and certain; the first two are proved with a peer', async () => {
    const storage = await kit.create()
    const { durable, shared, certain } = storage.supports
    for (const said of [durable, shared, certain]) assert.equal(typeof said, 'boolean')
    assert.ok(kit.createPeer !== undefined || (!durable && !shared), 'createPeer is needed')
    await storage.close()
  })

  const { createPeer } = kit
  if (createPeer === undefined) return

  kit.open('supports: shared: several nodes use the same data at once', async (storage) => {
    if (!storage.supports.shared) return
    const peer = await createPeer(storage)
    await peer.open(context)
    try {
      await share(kit, storage, peer)
    } finally {
      await peer.close()
    }
    await readAll(storage)
  })

  kit.test('supports: durable: logs, cursors and sessions outlive the adapter', async () => {
    const storage = await kit.create()
    if (!storage.supports.durable) return await storage.close()
    await storage.open(context)
    await append(storage, ROOM, draft('a', by('p', 1)))
    const { epoch } = await readAll(storage)
    const session = await storage.sessions.claim('s', LONG)
    await storage.cursors.commit(ROOM, [{ session: 's', ...session, number: 1, position: { epoch, offset: 1 }, ttl: LONG }])
    await storage.close()
    const peer = await createPeer(storage)
    await peer.open(context)
    const page = await readAll(peer)
    assert.deepEqual([page.epoch, page.head, texts(page.records)], [epoch, 1, ['a']])
    assert.deepEqual(await peer.cursors.load(ROOM, 's'), { epoch, offset: 1 })
    assert.deepEqual(await peer.sessions.find('s'), session)
    outcomesAre(await append(peer, ROOM, draft('a', by('p', 1))), ['duplicate 1'])
    await peer.close()
  })
}

async function share (kit: Kit, one: StorageAdapter, two: StorageAdapter): Promise<void> {
  const [here, there] = [new Ear(), new Ear()]
  const claims: number[] = []
  await one.feed.join(ROOM, here)
  await two.feed.join(ROOM, there)
  two.sessions.watch((_, generation) => { claims.push(generation) })
  outcomesAre(await append(one, ROOM, draft('a', by('p', 1))), ['stored 1'])
  outcomesAre(await append(two, ROOM, draft('a', by('p', 1)), draft('b')), ['duplicate 1', 'stored 2'])
  await kit.until(() => [here, there].every((ear) => ear.interruptions > 0 || (ear.knows(1) && ear.knows(2))), 'both nodes hear of both')
  for (const ear of [here, there]) {
    if (ear.interruptions === 0) assert.deepEqual(ear.heard, ['1 a', '2 b'])
  }
  assert.deepEqual(texts((await readAll(one)).records), texts((await readAll(two)).records))
  const { epoch } = await readAll(one)
  const first = await one.sessions.claim('s', LONG)
  const second = await two.sessions.claim('s', LONG)
  assert.ok(second.generation > first.generation)
  assert.equal(await one.sessions.touch('s', first.generation, LONG), false)
  await kit.until(() => claims.includes(first.generation), 'a claim is heard on the other node')
  await two.cursors.commit(ROOM, [{ session: 's', ...second, number: 1, position: { epoch, offset: 1 }, ttl: LONG }])
  assert.deepEqual(await one.cursors.commit(ROOM, [{ session: 's', ...first, number: 9, position: { epoch, offset: 2 }, ttl: LONG }]), ['fenced'])
  assert.deepEqual(await one.cursors.load(ROOM, 's'), { epoch, offset: 1 })
  await two.feed.broadcast(ROOM, [draft('v').body])
  await kit.until(() => here.volatiles.length > 0 || here.interruptions > 0, 'a broadcast reaches the other node')
}
