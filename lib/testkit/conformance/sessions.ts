import assert from 'node:assert/strict'
import { HALF, LONG, PAST, TTL, type Kit } from './kit.js'

const S = 'session-1'

/** Sessions: who owns them, and how long they live. */
export function sessions (kit: Kit): void {
  owning(kit)
  acquiring(kit)
  restoring(kit)
  living(kit)
}

function owning (kit: Kit): void {
  kit.open('sessions: found once claimed; finding changes nothing', async ({ sessions }) => {
    assert.equal(await sessions.find(S), null)
    assert.equal(await sessions.find(S), null)
    const { generation } = await sessions.claim(S, LONG)
    assert.ok(Number.isSafeInteger(generation) && generation >= 1)
    assert.deepEqual([await sessions.find(S), await sessions.find(S)], [{ generation }, { generation }])
    assert.equal(await sessions.find('Session-1'), null)
  })

  kit.open('sessions: each claim is a greater generation, given to nobody else, also at once', async ({ sessions }) => {
    const first = await sessions.claim(S, LONG)
    const claims = await Promise.all(Array.from({ length: 20 }, () => sessions.claim(S, LONG)))
    const generations = claims.map(({ generation }) => generation)
    assert.equal(new Set([first.generation, ...generations]).size, 21)
    assert.ok(Math.min(...generations) > first.generation)
    assert.deepEqual(await sessions.find(S), { generation: Math.max(...generations) })
    assert.ok((await sessions.claim(S, LONG)).generation > Math.max(...generations))
  })

  kit.open('sessions: only the latest generation touches, and a refused touch changes nothing', async ({ sessions }) => {
    const old = await sessions.claim(S, LONG)
    const now = await sessions.claim(S, LONG)
    assert.equal(await sessions.touch(S, now.generation, TTL), true)
    await kit.advance(HALF)
    assert.equal(await sessions.touch(S, old.generation, LONG), false)
    assert.deepEqual(await sessions.find(S), now)
    await kit.advance(PAST)
    assert.equal(await sessions.find(S), null, 'the refused touch did not prolong it')
    assert.equal(await sessions.touch('nobody', 1, LONG), false)
    assert.equal(await sessions.find('nobody'), null)
  })

  kit.open('sessions: remove ends it at once, unless a later generation owns it', async ({ sessions }) => {
    const old = await sessions.claim(S, LONG)
    const now = await sessions.claim(S, LONG)
    const other = await sessions.claim('other', LONG)
    await sessions.remove(S, old.generation)
    assert.deepEqual(await sessions.find(S), now)
    await sessions.remove(S, now.generation)
    assert.equal(await sessions.find(S), null)
    assert.equal(await sessions.touch(S, now.generation, LONG), false)
    assert.deepEqual(await sessions.find('other'), other)
    await sessions.remove('nobody', 1)
  })

  kit.open('sessions: whoever watches hears of each claim, until released', async ({ sessions }) => {
    const heard: string[] = []
    const others: string[] = []
    const release = sessions.watch((session, generation) => { heard.push(`${session} ${generation}`) })
    sessions.watch((session, generation) => { others.push(`${session} ${generation}`) })
    const expected: string[] = []
    for (const session of [S, 'b', S]) expected.push(`${session} ${(await sessions.claim(session, LONG)).generation}`)
    await kit.until(() => heard.length >= 3 && others.length >= 3, 'the claims are heard')
    const inOrder = (session: string, claims: readonly string[]): string[] => claims.filter((claim) => claim.startsWith(`${session} `))
    for (const session of [S, 'b']) assert.deepEqual(inOrder(session, heard), inOrder(session, expected), 'those of a session in their order')
    release()
    release()
    await sessions.claim(S, LONG)
    await kit.until(() => others.length >= 4, 'the other listener goes on')
    assert.equal(heard.length, 3)
  })
}

function acquiring (kit: Kit): void {
  kit.open('sessions: acquire takes what nobody has: before any claim, after a remove, after its time', async ({ sessions }) => {
    const first = await sessions.acquire(S, LONG)
    assert.ok(first !== null)
    assert.deepEqual(await sessions.find(S), first)
    assert.equal(await sessions.touch(S, first.generation, LONG), true)
    await sessions.remove(S, first.generation)
    const second = await sessions.acquire(S, TTL)
    assert.ok(second !== null && second.generation > first.generation)
    await kit.advance(HALF)
    assert.deepEqual(await sessions.find(S), second)
    await kit.advance(PAST)
    assert.equal(await sessions.find(S), null, 'it lives for its ttl')
    const third = await sessions.acquire(S, LONG)
    assert.ok(third !== null && third.generation > second.generation)
    assert.ok((await sessions.claim(S, LONG)).generation > third.generation)
  })

  kit.open('sessions: acquire of what somebody has is null and changes nothing', async ({ sessions }) => {
    const claimed = await sessions.claim(S, LONG)
    assert.equal(await sessions.acquire(S, LONG), null)
    assert.deepEqual(await sessions.find(S), claimed)
    assert.ok(await sessions.acquire('other', LONG) !== null, 'another session is another one')
    await sessions.touch(S, claimed.generation, TTL)
    await kit.advance(HALF)
    assert.equal(await sessions.acquire(S, LONG), null)
    await kit.advance(PAST)
    assert.equal(await sessions.find(S), null, 'the refused acquire did not prolong it')
    const acquired = await sessions.acquire(S, LONG)
    assert.equal(await sessions.acquire(S, LONG), null, 'nor is what was acquired there for a second one')
    assert.deepEqual(await sessions.find(S), acquired)
  })

  kit.open('sessions: acquire from a generation takes what nobody later has', async ({ sessions }) => {
    const first = await sessions.acquire(S, TTL, 7)
    assert.ok(first !== null, 'nobody has it')
    const second = await sessions.acquire(S, TTL, first.generation)
    assert.ok(second !== null && second.generation > first.generation)
    assert.equal(await sessions.acquire(S, LONG, first.generation), null, 'a later one has it')
    assert.equal(await sessions.acquire(S, LONG, second.generation - 1), null)
    assert.deepEqual(await sessions.find(S), second)
    await kit.advance(HALF)
    await kit.advance(PAST)
    assert.equal(await sessions.find(S), null, 'the refused acquire did not prolong it')
    assert.ok(await sessions.acquire(S, LONG, first.generation) !== null, 'nobody has it any more')
  })

  kit.open('sessions: of many who acquire from one generation exactly one gets it', async ({ sessions }) => {
    const { generation } = await sessions.claim(S, LONG)
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => sessions.acquire(S, LONG, generation)))
    const [taken, ...more] = outcomes.filter((outcome) => outcome !== null)
    assert.equal(more.length, 0)
    assert.deepEqual(await sessions.find(S), taken)
  })

  kit.open('sessions: of many who acquire at once exactly one gets it', async ({ sessions }) => {
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => sessions.acquire(S, LONG)))
    const [taken, ...more] = outcomes.filter((outcome) => outcome !== null)
    assert.equal(more.length, 0)
    assert.deepEqual(await sessions.find(S), taken)
  })

  kit.open('sessions: whoever watches hears of what was acquired, and not of what was not', async ({ sessions }) => {
    const heard: string[] = []
    sessions.watch((session, generation) => { heard.push(`${session} ${generation}`) })
    const first = await sessions.acquire(S, LONG)
    assert.equal(await sessions.acquire(S, LONG), null)
    const second = await sessions.claim(S, LONG)
    await kit.until(() => heard.length >= 2, 'both are heard')
    assert.deepEqual(heard, [`${S} ${first?.generation}`, `${S} ${second.generation}`])
  })
}

function restoring (kit: Kit): void {
  kit.open('sessions: restore makes what is lost, or of an earlier generation, what it was', async ({ sessions }) => {
    const early = await sessions.claim(S, LONG)
    const late = await sessions.claim(S, LONG)
    await sessions.remove(S, late.generation)
    assert.equal(await sessions.restore(S, early.generation, LONG), true, 'nobody has it')
    assert.deepEqual(await sessions.find(S), early)
    assert.equal(await sessions.restore(S, late.generation, LONG), true, 'an earlier one has it')
    assert.deepEqual(await sessions.find(S), late)
    assert.equal(await sessions.restore(S, late.generation, TTL), true, 'again')
    assert.deepEqual(await sessions.find(S), late)
    assert.equal(await sessions.touch(S, early.generation, LONG), false)
    await kit.advance(HALF)
    assert.deepEqual(await sessions.find(S), late)
    await kit.advance(PAST)
    assert.equal(await sessions.find(S), null, 'it lives for its ttl')
  })

  kit.open('sessions: restore of what a later generation has changes nothing', async ({ sessions }) => {
    const early = await sessions.claim(S, LONG)
    const late = await sessions.claim(S, TTL)
    assert.equal(await sessions.restore(S, early.generation, LONG), false)
    assert.deepEqual(await sessions.find(S), late)
    await kit.advance(HALF)
    await kit.advance(PAST)
    assert.equal(await sessions.find(S), null, 'nor was it prolonged')
  })

  kit.open('sessions: whoever takes over what was restored is later', async ({ sessions }) => {
    const { generation } = await sessions.claim(S, LONG)
    await sessions.remove(S, generation)
    const later = generation + 1_000_000_000 // of a server whose clock was ahead
    assert.equal(await sessions.restore(S, later, LONG), true)
    assert.equal(await sessions.acquire(S, LONG, generation), null)
    assert.ok((await sessions.claim(S, LONG)).generation > later)
  })

  kit.open('sessions: whoever watches hears of what was restored, and not of what was not', async ({ sessions }) => {
    const heard: string[] = []
    const { generation } = await sessions.claim(S, LONG)
    await sessions.remove(S, generation)
    sessions.watch((session, generation) => { heard.push(`${session} ${generation}`) })
    await sessions.restore(S, generation, LONG)
    await sessions.restore(S, generation - 1, LONG)
    const later = await sessions.claim(S, LONG)
    const restored = `${S} ${generation}`
    const claimed = `${S} ${later.generation}`
    await kit.until(() => heard.includes(claimed), 'the claim is heard')
    assert.deepEqual(heard.slice(heard.indexOf(restored)), [restored, claimed])
  })
}

function living (kit: Kit): void {
  kit.open('sessions: live for their ttl from the latest claim or touch', async ({ sessions }) => {
    const { generation } = await sessions.claim(S, TTL)
    await kit.advance(HALF)
    assert.equal(await sessions.touch(S, generation, TTL), true)
    await kit.advance(HALF + HALF / 2)
    assert.deepEqual(await sessions.find(S), { generation })
    const again = await sessions.claim(S, TTL)
    await kit.advance(HALF)
    assert.deepEqual(await sessions.find(S), again)
    await kit.advance(PAST)
    assert.equal(await sessions.find(S), null)
    assert.equal(await sessions.touch(S, again.generation, TTL), false)
    assert.equal(await sessions.find(S), null)
  })

  kit.open('sessions: one that has expired can be claimed anew', async ({ sessions }) => {
    await sessions.claim(S, TTL)
    await kit.advance(TTL + HALF)
    const anew = await sessions.claim(S, TTL)
    assert.deepEqual(await sessions.find(S), anew)
    assert.ok((await sessions.claim(S, TTL)).generation > anew.generation)
  })

  kit.open('sessions: one made anew after its end, by time or by removal, has a greater generation than any before', async ({ sessions }) => {
    for (let i = 0; i < 5; i++) await sessions.claim(S, TTL)
    const first = await sessions.claim(S, TTL)
    await kit.advance(TTL + HALF)
    const second = await sessions.claim(S, LONG)
    assert.ok(second.generation > first.generation, 'after it has expired')
    await sessions.remove(S, second.generation)
    const third = await sessions.claim(S, LONG)
    assert.ok(third.generation > second.generation, 'after it was removed')
    assert.equal(await sessions.touch(S, first.generation, LONG), false)
    await sessions.remove(S, second.generation)
    assert.deepEqual(await sessions.find(S), third)
  })

  kit.open('sessions: the latest ttl counts, a shorter one too', async ({ sessions }) => {
    await sessions.claim(S, LONG)
    const { generation } = await sessions.claim(S, TTL)
    const other = await sessions.claim('other', LONG)
    assert.equal(await sessions.touch('other', other.generation, TTL), true)
    await kit.advance(HALF)
    assert.deepEqual([await sessions.find(S), await sessions.find('other')], [{ generation }, other])
    await kit.advance(PAST)
    assert.deepEqual([await sessions.find(S), await sessions.find('other')], [null, null])
  })
}
