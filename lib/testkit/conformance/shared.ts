import assert from 'node:assert/strict'
import { Ear, HALF, LONG, PAST, ROOM, TTL, append, by, draft, offsetOf, outcomesAre, readAll, texts, withId, type Kit } from './kit.js'

/** That several nodes may use the same data at once: logs, feed, cursors and sessions. */
export function shared (kit: Kit): void {
  logs(kit)
  sessionsAndCursors(kit)

  kit.together('supports: shared: closing one leaves the other open, and the data where they are', async (one, two) => {
    await append(one, ROOM, 'a')
    const ear = new Ear()
    await two.feed.join(ROOM, ear)
    await one.close()
    assert.equal((await two.health()).ok, true)
    outcomesAre(await append(two, ROOM, 'b'), ['stored 2'])
    await kit.until(() => ear.knows(2), 'the feed goes on')
  })
}

function logs (kit: Kit): void {
  kit.together('supports: shared: what one appends, both read and hear; a repeat is recognised on either', async (one, two) => {
    const [here, there] = [new Ear(), new Ear()]
    await one.feed.join(ROOM, here)
    await two.feed.join(ROOM, there)
    outcomesAre(await append(one, ROOM, draft('a', by('p', 1)), draft('b', withId('i', 'f'))), ['stored 1', 'stored 2'])
    outcomesAre(await append(two, ROOM, draft('a', by('p', 1)), draft('b', withId('i', 'f')), draft('?', withId('i', 'g')), draft('c')),
      ['duplicate 1', 'duplicate 2', 'conflict', 'stored 3'])
    outcomesAre([await one.log.recognise(ROOM, by('p', 1)), await two.log.recognise(ROOM, withId('i', 'g'))], ['duplicate 1', 'conflict'])
    await kit.until(() => [here, there].every((ear) => ear.interruptions > 0 || (ear.knows(2) && ear.knows(3))), 'both nodes hear of both')
    for (const ear of [here, there]) {
      if (ear.interruptions === 0) assert.deepEqual(ear.heard, ['1 a', '2 b', '3 c'])
    }
    const [page, other] = [await readAll(one), await readAll(two)]
    assert.deepEqual([other.epoch, other.head, other.first, texts(other.records)], [page.epoch, 3, 1, ['a', 'b', 'c']])
    await two.feed.broadcast(ROOM, [draft('v').body])
    await kit.until(() => here.volatiles.length > 0 || here.interruptions > 0, 'a broadcast reaches the other node')
  })

  kit.together('supports: shared: appends of two nodes at once never interleave, and both nodes hear one order', async (one, two) => {
    const ears = [new Ear(), new Ear()]
    await one.feed.join(ROOM, ears[0] as Ear)
    await two.feed.join(ROOM, ears[1] as Ear)
    const runs = await Promise.all(Array.from({ length: 20 }, (_, run) => append(run % 2 === 0 ? one : two, ROOM, `${run}.0`, `${run}.1`)))
    const { records, head } = await readAll(two)
    assert.equal(head, 40)
    runs.forEach((outcomes, run) => {
      const first = offsetOf(outcomes[0]) as number
      assert.deepEqual([offsetOf(outcomes[1]), texts(records.slice(first - 1, first + 1))], [first + 1, [`${run}.0`, `${run}.1`]])
    })
    await kit.until(() => ears.every((ear) => Array.from({ length: 40 }, (_, i) => i + 1).every((offset) => ear.knows(offset))), 'both nodes hear of all')
    for (const ear of ears) {
      if (ear.interruptions === 0) assert.deepEqual(ear.heard, texts(records).map((text, i) => `${i + 1} ${text}`))
    }
  })

  kit.together('supports: shared: of copies sent to two nodes at once, one is stored', async (one, two) => {
    const copies = await Promise.all(Array.from({ length: 10 }, (_, i) => append(i % 2 === 0 ? one : two, ROOM, draft('a', by('p', 1)))))
    outcomesAre(copies.flat().sort((a, b) => b.status.localeCompare(a.status)), ['stored 1', ...Array<string>(9).fill('duplicate 1')])
  })

  kit.together('supports: shared: two nodes that ask at once for a log that is not there make the same one', async (one, two) => {
    const pages = await Promise.all(Array.from({ length: 10 }, (_, i) => readAll(i % 2 === 0 ? one : two)))
    assert.equal(new Set(pages.map(({ epoch }) => epoch)).size, 1)
  })
}

function sessionsAndCursors (kit: Kit): void {
  kit.together('supports: shared: claims of two nodes at once are given to nobody else, and the latest owns the session', async (one, two) => {
    const claims = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? one : two).sessions.claim('s', LONG)))
    const generations = claims.map(({ generation }) => generation)
    assert.equal(new Set(generations).size, 20)
    const latest = Math.max(...generations)
    for (const { sessions } of [one, two]) assert.deepEqual(await sessions.find('s'), { generation: latest })
    for (const [i, generation] of generations.entries()) assert.equal(await (i % 2 === 0 ? two : one).sessions.touch('s', generation, LONG), generation === latest)
    await one.sessions.remove('s', latest)
    assert.ok((await two.sessions.claim('s', LONG)).generation > latest, 'made anew on the other node')
  })

  kit.together('supports: shared: of two nodes that acquire at once one gets it, and the other one not before it is removed', async (one, two) => {
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? one : two).sessions.acquire('s', LONG)))
    const [taken, ...more] = outcomes.filter((outcome) => outcome !== null)
    assert.deepEqual([more, await two.sessions.find('s')], [[], taken])
    await one.sessions.remove('s', taken?.generation as number)
    assert.notEqual(await two.sessions.acquire('s', LONG), null)
    assert.equal(await one.sessions.acquire('s', LONG), null)
  })

  kit.together('supports: shared: a claim on one node is heard on the other, and fences there', async (one, two) => {
    const heard: number[] = []
    two.sessions.watch((_, generation) => { heard.push(generation) })
    const { epoch } = await readAll(one)
    const first = await one.sessions.claim('s', LONG)
    const second = await two.sessions.claim('s', LONG)
    assert.ok(second.generation > first.generation)
    await kit.until(() => heard.includes(first.generation) && heard.includes(second.generation), 'the claims are heard on the other node')
    const commit = (number: number, offset: number) => ({ session: 's', number, position: { epoch, offset }, ttl: LONG })
    await two.cursors.commit(ROOM, [{ ...second, ...commit(1, 1) }])
    assert.deepEqual(await one.cursors.commit(ROOM, [{ ...first, ...commit(9, 2) }]), ['fenced'])
    assert.deepEqual(await one.cursors.load(ROOM, 's'), { epoch, offset: 1 })
    assert.deepEqual(await one.cursors.reached(ROOM, { position: { epoch, offset: 1 }, limit: 9 }), ['s'])
    await one.cursors.remove(ROOM, 's', first.generation)
    assert.deepEqual(await two.cursors.load(ROOM, 's'), { epoch, offset: 1 }, 'nor is it removed by an earlier one')
  })

  kit.together('supports: shared: time is one for all nodes', async (one, two) => {
    const { generation } = await one.sessions.claim('s', TTL)
    await one.cursors.commit(ROOM, [{ session: 's', generation, number: 1, position: { epoch: 'e', offset: 1 }, ttl: TTL }])
    await kit.advance(HALF)
    assert.equal(await two.sessions.touch('s', generation, TTL), true)
    assert.deepEqual(await two.cursors.load(ROOM, 's'), { epoch: 'e', offset: 1 })
    await kit.advance(HALF + HALF / 2)
    assert.deepEqual(await one.sessions.find('s'), { generation }, 'prolonged by the other node')
    assert.equal(await two.cursors.load(ROOM, 's'), null)
    await kit.advance(PAST)
    assert.equal(await two.sessions.find('s'), null)
    assert.equal(await two.sessions.touch('s', generation, TTL), false)
  })
}
