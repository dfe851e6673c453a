import assert from 'node:assert/strict'
import type { StorageAdapter } from '../../../types/storage.js'
import { Ear, HALF, LONG, PAST, ROOM, TTL, type Kit } from './kit.js'
import { entering, events, leaving, logOf, member, roster } from './members.js'

/** That several nodes may hold members of the same channels. */
export function sharedPresence (kit: Kit): void {
  lists(kit)
  leases(kit)
}

const enter = async ({ presence }: StorageAdapter, ...given: Parameters<typeof member>): Promise<string> => (await presence.enter(ROOM, member(...given), entering)).change

function lists (kit: Kit): void {
  kit.together('supports: shared: members of both nodes are in one list, at one position, and both nodes hear of each', async (one, two) => {
    const ears = [new Ear(), new Ear()]
    await one.feed.join(logOf(ROOM), ears[0] as Ear)
    await two.feed.join(logOf(ROOM), ears[1] as Ear)
    await enter(one, 'a', 1, 1, { node: 'n1', user: 'u' })
    await enter(two, 'b', 1, 1, { node: 'n2', user: 'u' })
    await two.presence.leave(ROOM, member('a', 1, 2), leaving('leave'))
    await enter(one, 'c', 1, 1, { node: 'n1', user: 'v' })
    const expected = { members: ['b b', 'c c'], users: 2, connections: 2, offset: 4 }
    assert.deepEqual([await roster(one), await roster(two)], [expected, expected])
    assert.deepEqual(await events(two), ['join', 'join', 'leave', 'join'])
    await kit.until(() => ears.every((ear) => [1, 2, 3, 4].every((offset) => ear.knows(offset))), 'both nodes hear of all')
    for (const ear of ears) {
      if (ear.interruptions === 0) assert.deepEqual(ear.heard, ['1 join', '2 join', '3 leave', '4 join'])
    }
  })

  kit.together('supports: shared: changes of two nodes at once take one offset each, and every list holds at its position', async (one, two) => {
    const nodes = [one, two] as const
    const changes = Array.from({ length: 20 }, async (_, i) => {
      const { position } = await nodes[i % 2 as 0 | 1].presence.enter(ROOM, member(`k${i}`, 1, 1), entering)
      const page = await nodes[(i + 1) % 2 as 0 | 1].presence.list(ROOM, { after: null, limit: 100, bytes: 10_000 })
      assert.equal(page.position.offset, page.members.length, 'each event is one member')
      assert.ok(page.position.offset >= position.offset, 'what one did, the other sees')
      return position.epoch
    })
    assert.equal(new Set(await Promise.all(changes)).size, 1)
    assert.equal((await roster(one)).offset, 20)
  })

  kit.together('supports: shared: a member that enters on two nodes at once is one member, of the later one', async (one, two) => {
    const changes = await Promise.all(Array.from({ length: 10 }, (_, i) => enter(i % 2 === 0 ? one : two, 'm', i + 1, 1, { node: `n${i % 2}` })))
    assert.equal(changes.filter((change) => change === 'join').length, 1)
    assert.equal((await one.presence.leave(ROOM, member('m', 9, 2), leaving('timeout'))).left, false, 'an earlier one on its own node')
    const { members } = await one.presence.list(ROOM, { after: null, limit: 9, bytes: 99 })
    assert.deepEqual(members.map(({ node, generation }) => [node, generation]), [['n1', 10]])
    assert.deepEqual(await events(one), ['join'])
  })

  kit.together('supports: shared: what one remembers of who left, the other knows', async (one, two) => {
    await enter(one, 'm', 1, 1)
    await two.presence.leave(ROOM, member('m', 1, 5), leaving('timeout'))
    assert.ok(await one.presence.lastSeen(ROOM) !== null)
    assert.equal(await one.presence.lastSeen(ROOM), await two.presence.lastSeen(ROOM))
    assert.equal(await enter(one, 'm', 1, 4), 'fenced')
    assert.equal(await enter(one, 'm', 1, 6), 'back')
    assert.equal(await two.presence.lastSeen(ROOM), null)
    await one.presence.leave(ROOM, member('n', 2, 1), leaving('leave'))
    assert.equal(await enter(two, 'n', 1, 9), 'fenced', 'also where it found nobody')
  })
}

function leases (kit: Kit): void {
  const orphansOf = async ({ presence }: StorageAdapter): Promise<string[]> => (await presence.orphans(99)).map(({ channel, member: { key } }) => `${channel} ${key}`).sort()

  kit.together('supports: shared: a lease renewed on one node is seen by the other, and so is its end', async (one, two) => {
    await one.presence.renew('n1', LONG)
    await two.presence.renew('n2', LONG)
    await enter(one, 'a', 1, 1, { node: 'n1' })
    await one.presence.enter('other', member('a', 1, 1, { node: 'n1' }), entering)
    await enter(two, 'b', 1, 1, { node: 'n2' })
    assert.deepEqual([await orphansOf(one), await orphansOf(two)], [[], []])
    await kit.advance(HALF)
    assert.equal(await one.presence.renew('n1', TTL), true)
    await kit.advance(HALF + HALF / 2)
    assert.deepEqual(await orphansOf(two), [], 'prolonged')
    await kit.advance(PAST)
    assert.deepEqual([await orphansOf(one), await orphansOf(two)], [['other a', `${ROOM} a`], ['other a', `${ROOM} a`]])
    assert.equal(await one.presence.renew('n1', LONG), false)
    assert.deepEqual(await orphansOf(two), [])
  })

  kit.together('supports: shared: it does no harm if two nodes let the same orphans leave', async (one, two) => {
    for (const key of ['a', 'b', 'c']) await enter(one, key, 1, 1, { node: 'gone' })
    const orphans = [...await one.presence.orphans(9), ...await two.presence.orphans(9)]
    assert.equal(orphans.length, 6)
    const left = await Promise.all(orphans.map(({ channel, member: held }, i) => (i % 2 === 0 ? one : two).presence.leave(channel, held, leaving('timeout'))))
    assert.equal(left.filter((each) => each.left).length, 3)
    assert.deepEqual(await events(two), ['join', 'join', 'join', 'timeout', 'timeout', 'timeout'])
  })

  kit.together('supports: shared: who has come to another node is no orphan of its old one, nor does it leave as one', async (one, two) => {
    await two.presence.renew('n2', LONG)
    await enter(one, 'a', 1, 1, { node: 'gone' })
    const [orphan] = await two.presence.orphans(9)
    assert.ok(orphan !== undefined)
    assert.equal(await enter(two, 'a', 2, 1, { node: 'n2' }), 'none')
    assert.equal((await one.presence.leave(ROOM, orphan.member, leaving('timeout'))).left, false)
    assert.deepEqual([await orphansOf(one), await events(one), (await roster(one)).members], [[], ['join'], ['a a']])
  })
}
