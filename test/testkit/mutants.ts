import { PushError } from '../../lib/core/errors.js'
import type { Page, StorageAdapter, FeedBatch, FeedListener, Retention, Draft, StoredRecord } from '../../types/storage.js'

/** An adapter broken in one way: its name, the part of the kit that must notice, and how to break a good one. */
export interface Mutant {
  readonly name: string
  readonly part: string
  readonly breakIt: (storage: StorageAdapter) => StorageAdapter
}

const FOREVER = 1e12
const context = { onError: () => {} }

/** A port with some of its operations replaced. */
function over<Port extends object> (port: Port, changes: Partial<Port>): Port {
  return new Proxy(port, {
    get (target, name) {
      const value: unknown = Reflect.get(name in changes ? changes : target, name)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}

function withLog (change: (log: StorageAdapter['log']) => Partial<StorageAdapter['log']>) {
  return (storage: StorageAdapter): StorageAdapter => ({ ...storage, log: over(storage.log, change(storage.log)) })
}

function withPage (change: (page: Page, query: { from: number, limit: number, bytes: number }) => Page) {
  return withLog((log) => ({ read: async (channel, query) => change(await log.read(channel, query), query) }))
}

function withRetention (change: (retention: Retention) => Retention) {
  return withLog((log) => ({ append: (channel, drafts, retention) => log.append(channel, drafts, change(retention)) }))
}

function withDraft (change: (draft: Draft) => Draft) {
  return withLog((log) => ({ append: (channel, drafts, retention) => log.append(channel, drafts.map(change), retention) }))
}

function withCursors (change: (cursors: StorageAdapter['cursors']) => Partial<StorageAdapter['cursors']>) {
  return (storage: StorageAdapter): StorageAdapter => ({ ...storage, cursors: over(storage.cursors, change(storage.cursors)) })
}

function withSessions (change: (sessions: StorageAdapter['sessions']) => Partial<StorageAdapter['sessions']>) {
  return (storage: StorageAdapter): StorageAdapter => ({ ...storage, sessions: over(storage.sessions, change(storage.sessions)) })
}

function withPresence (change: (presence: StorageAdapter['presence'], storage: StorageAdapter) => Partial<StorageAdapter['presence']>) {
  return (storage: StorageAdapter): StorageAdapter => ({ ...storage, presence: over(storage.presence, change(storage.presence, storage)) })
}

function withFeed (change: (feed: StorageAdapter['feed'], storage: StorageAdapter) => Partial<StorageAdapter['feed']>) {
  return (storage: StorageAdapter): StorageAdapter => ({ ...storage, feed: over(storage.feed, change(storage.feed, storage)) })
}

function hearing (change: (listener: FeedListener) => Partial<FeedListener>) {
  return withFeed((feed) => ({ join: (channel, listener) => feed.join(channel, over(listener, change(listener))) }))
}

const without = <Key extends keyof Draft>(key: Key) => (draft: Draft): Draft => {
  const { [key]: _, ...rest } = draft
  return rest as Draft
}

const asText = (body: Uint8Array): Uint8Array => new TextEncoder().encode(new TextDecoder().decode(body))
const isThere = ({ body }: StoredRecord): boolean => body !== null

const ofLifecycle: Array<[string, Mutant['breakIt']]> = [
  ['close is not honoured', (storage) => ({ ...storage, close: async () => {} })],
  ['close rejects when called twice', (storage) => {
    let closed = false
    return { ...storage, close: async () => { if (closed) throw new PushError('PUSH_STORAGE_CLOSED'); closed = true; await storage.close() } }
  }],
  ['open is not needed', (storage) => {
    storage.open(context).catch(() => {})
    return { ...storage, open: async () => {} }
  }],
  ['rejections have no code', withLog((log) => ({ recognise: (channel, key) => log.recognise(channel, key).catch(() => { throw new Error('closed') }) }))],
  ['rejections have another code', withSessions((sessions) => ({ find: (id) => sessions.find(id).catch(() => { throw new PushError('PUSH_STORAGE_UNAVAILABLE') }) }))],
  ['one operation is forgotten', withFeed((feed) => ({ broadcast: (channel, bodies) => feed.broadcast(channel, bodies).catch(() => {}) }))],
  ['health rejects', (storage) => ({ ...storage, health: async () => { if (!(await storage.health()).ok) throw new Error('ill'); return { ok: true } } })],
  ['health is always well', (storage) => ({ ...storage, health: async () => ({ ok: true }) })]
]

const ofLog: Array<[string, Mutant['breakIt']]> = [
  ['a read is off by one', withLog((log) => ({ read: (channel, query) => log.read(channel, { ...query, from: query.from + 1 }) }))],
  ['a page says another beginning', withPage((page, { from }) => ({ ...page, from }))],
  ['limit 0 reads one', withLog((log) => ({ read: (channel, query) => log.read(channel, { ...query, limit: Math.max(1, query.limit) }) }))],
  ['the bytes of a page are not bounded', withLog((log) => ({ read: (channel, query) => log.read(channel, { ...query, bytes: FOREVER }) }))],
  ['a page may be empty for want of bytes', withPage((page, { bytes }) => ({ ...page, records: page.records.filter(({ body }) => (body?.byteLength ?? 0) <= bytes) }))],
  ['runs are not atomic', withLog((log) => ({
    append: async (channel, drafts, retention) => {
      const outcomes = []
      for (const draft of drafts) outcomes.push(...await log.append(channel, [draft], retention))
      return outcomes
    }
  }))],
  ['the epoch is forgotten', withPage((page) => ({ ...page, epoch: `${page.epoch}${Math.random()}`.slice(0, 20) }))],
  ['all logs have one epoch', withPage((page) => ({ ...page, epoch: 'epoch' }))],
  ['bodies are texts', withDraft((draft) => ({ ...draft, body: asText(draft.body) }))],
  ['the QoS is forgotten', withDraft((draft) => ({ ...draft, qos: 1 }))],
  ['names are not case-sensitive', withLog((log) => ({
    append: (channel, drafts, retention) => log.append(channel.toLowerCase(), drafts, retention),
    read: (channel, query) => log.read(channel.toLowerCase(), query)
  }))],
  ['what is too large is stored', withRetention((retention) => ({ ...retention, bytes: FOREVER }))],
  ['what is too large is refused when half is done', withLog((log) => ({
    append: async (channel, drafts, retention) => {
      const fitting = drafts.filter(({ body }) => body.byteLength <= retention.bytes)
      if (fitting.length < drafts.length) await log.append(channel, fitting, retention)
      return log.append(channel, drafts, retention)
    }
  }))]
]

const ofRepeats: Array<[string, Mutant['breakIt']]> = [
  ['repeats of a publisher are stored', withDraft(without('publisher'))],
  ['repeats of an id are stored', withDraft(without('id'))],
  ['a conflict is taken for a repeat', withDraft((draft) => draft.id ? { ...draft, id: { ...draft.id, fingerprint: '' } } : draft)],
  ['every repeat has a position', withLog((log) => ({
    append: async (...run) => (await log.append(...run)).map((outcome) =>
      outcome.status === 'duplicate' ? { ...outcome, position: outcome.position ?? { epoch: 'e', offset: 1 } } : outcome)
  }))],
  ['a publisher is forgotten too soon', withDraft((draft) => draft.publisher ? { ...draft, publisher: { ...draft.publisher, ttl: draft.publisher.ttl / 2 } } : draft)],
  ['an id is forgotten too soon', withDraft((draft) => draft.id ? { ...draft, id: { ...draft.id, ttl: draft.id.ttl / 2 } } : draft)],
  ['a repeat by id leaves the publisher behind', withLog((log) => ({
    append: async (channel, drafts, retention) => {
      const known = await Promise.all(drafts.map(({ id }) => id ? log.recognise(channel, { id }) : null))
      return log.append(channel, drafts.map((draft, i) => known[i]?.status === 'duplicate' ? without('publisher')(draft) : draft), retention)
    }
  }))],
  ['the id is looked at before the publisher', withDraft((draft) => draft.id ? without('publisher')(draft) : draft)],
  ['recognise writes', withLog((log) => ({
    recognise: async (channel, key) => {
      const recognised = await log.recognise(channel, key)
      await log.append(channel, [{ body: new Uint8Array(), qos: 1, ...key }], { limit: 1000, bytes: 1000, ttl: FOREVER })
      return recognised
    }
  }))],
  ['recognise knows nothing', withLog(() => ({ recognise: async () => null }))]
]

const ofRetention: Array<[string, Mutant['breakIt']]> = [
  ['the limit is ignored', withRetention((retention) => ({ ...retention, limit: FOREVER }))],
  ['the bytes are ignored', withRetention((retention) => ({ ...retention, bytes: FOREVER }))],
  ['the age is ignored', withRetention((retention) => ({ ...retention, ttl: FOREVER }))],
  ['one record too few is kept', withRetention((retention) => ({ ...retention, limit: Math.max(1, retention.limit - 1) }))],
  ['the newest go first', (storage) => {
    let kept: Retention = { limit: FOREVER, bytes: FOREVER, ttl: FOREVER }
    const hoarding = withLog((log) => ({
      append: (channel, drafts, retention) => { kept = retention; return log.append(channel, drafts, { ...retention, limit: FOREVER }) }
    }))(storage)
    return withPage((page) => ({ ...page, records: page.records.slice(0, kept.limit) }))(hoarding)
  }],
  ['`first` stands still', withPage((page) => ({ ...page, first: 1 }))],
  ['a message does not run out', withDraft(without('ttl'))],
  ['a message that ran out is trimmed', withPage((page) => {
    const gone = page.records.filter((record) => !isThere(record)).length
    return { ...page, first: page.first + gone, from: page.from + gone, records: page.records.filter(isThere) }
  })]
]

const ofCursors: Array<[string, Mutant['breakIt']]> = [
  ['a cursor moves back', withCursors((cursors) => ({
    commit: async (channel, commits) => {
      for (const { session, generation } of commits) await cursors.remove(channel, session, generation)
      return cursors.commit(channel, commits)
    }
  }))],
  ['the fence is ignored', withCursors((cursors) => ({ commit: (channel, commits) => cursors.commit(channel, commits.map((commit) => ({ ...commit, generation: 1 }))) }))],
  ['a fenced commit is not told', withCursors((cursors) => ({ commit: async (...args) => (await cursors.commit(...args)).map(() => 'committed' as const) }))],
  ['who reached a position: another epoch counts', withCursors((cursors) => ({
    reached: async (channel, { position, ...query }) => [...await cursors.reached(channel, { position, ...query }), ...await cursors.reached(channel, { position: { ...position, epoch: 'other' }, ...query })].sort()
  }))],
  ['who reached a position: the page has no end', withCursors((cursors) => ({ reached: (channel, query) => cursors.reached(channel, { ...query, limit: 1000 }) }))],
  ['who reached a position: every page is the first', withCursors((cursors) => ({ reached: (channel, { position, limit }) => cursors.reached(channel, { position, limit }) }))],
  ['who reached a position: only who stands beyond it', withCursors((cursors) => ({
    reached: (channel, { position, ...query }) => cursors.reached(channel, { position: { ...position, offset: position.offset + 1 }, ...query })
  }))],
  ['remove ignores the fence', withCursors((cursors) => ({ remove: (channel, session) => cursors.remove(channel, session, FOREVER) }))],
  ['another epoch always wins', withCursors((cursors) => ({
    commit: async (channel, commits) => {
      for (const { session, generation, position } of commits) {
        if ((await cursors.load(channel, session))?.epoch !== position.epoch) await cursors.remove(channel, session, generation)
      }
      return cursors.commit(channel, commits)
    }
  }))],
  ['the first epoch always wins', withCursors((cursors) => ({
    commit: async (channel, commits) => {
      const stored = await Promise.all(commits.map(({ session }) => cursors.load(channel, session)))
      return cursors.commit(channel, commits.map((commit, i) => ({ ...commit, position: { ...commit.position, epoch: stored[i]?.epoch ?? commit.position.epoch } })))
    }
  }))],
  ['cursors do not expire', withCursors((cursors) => ({ commit: (channel, commits) => cursors.commit(channel, commits.map((commit) => ({ ...commit, ttl: FOREVER }))) }))],
  ['cursors expire too soon', withCursors((cursors) => ({ commit: (channel, commits) => cursors.commit(channel, commits.map((commit) => ({ ...commit, ttl: commit.ttl / 2 }))) }))],
  ['only the first session of a commit counts', withCursors((cursors) => ({
    commit: async (channel, commits) => {
      await cursors.commit(channel, commits.slice(0, 1))
      return commits.map(() => 'committed' as const)
    }
  }))]
]

const ofFeed: Array<[string, Mutant['breakIt']]> = [
  ['records are not announced', hearing(() => ({ records () {} }))],
  ['records are announced again out of order', hearing((listener) => {
    let before: FeedBatch | undefined
    return { records (batch) { listener.records(batch); if (before) listener.records(before); before = batch } }
  })],
  ['one batch in three is lost in silence', hearing((listener) => {
    let count = 0
    return { records (batch) { if (++count % 3 !== 0) listener.records(batch) } }
  })],
  ['the number of a batch is wrong', hearing((listener) => ({ records (batch) { listener.records({ ...batch, from: batch.from - 1 }) } }))],
  ['the epoch of a batch is wrong', hearing((listener) => ({ records (batch) { listener.records({ ...batch, epoch: 'e' }) } }))],
  ['a listener hears after its release', withFeed((feed) => ({ join: async (...args) => { await feed.join(...args); return async () => {} } }))],
  ['a listener hears of another channel', withFeed((feed) => ({ join: (channel, listener) => feed.join(channel.toLowerCase(), listener) }))],
  ['a listener joined twice hears once', (storage) => {
    const joined = new Set<FeedListener>()
    return withFeed((feed) => ({
      join: async (channel, listener) => {
        if (joined.has(listener)) return async () => {}
        joined.add(listener)
        return await feed.join(channel, listener)
      }
    }))(storage)
  }],
  ['volatile messages are lost', withFeed(() => ({ broadcast: async () => {} }))],
  ['volatile messages are stored', withFeed((_, { log }) => ({
    broadcast: async (channel, bodies) => { await log.append(channel, bodies.map((body) => ({ body, qos: 0 })), { limit: 9, bytes: 9999, ttl: FOREVER }) }
  }))]
]

const ofSessions: Array<[string, Mutant['breakIt']]> = [
  ['a generation is given twice', withSessions((sessions) => ({
    claim: async (session, ttl) => {
      const found = await sessions.find(session)
      if (found === null || !await sessions.touch(session, found.generation, ttl)) return sessions.claim(session, ttl)
      return found
    }
  }))],
  ['touch ignores who owns the session', withSessions((sessions) => ({
    touch: async (session, generation, ttl) => sessions.touch(session, (await sessions.find(session))?.generation ?? generation, ttl)
  }))],
  ['touch brings a session back', withSessions((sessions) => ({ touch: async (session, generation, ttl) => await sessions.touch(session, generation, ttl) || (await sessions.claim(session, ttl)).generation > 0 }))],
  ['touch does not prolong', withSessions((sessions) => ({ touch: async (session, generation) => (await sessions.find(session))?.generation === generation }))],
  ['remove ignores who owns the session', withSessions((sessions) => ({ remove: (session) => sessions.remove(session, FOREVER * FOREVER) }))],
  ['sessions do not expire', withSessions((sessions) => ({ claim: (session) => sessions.claim(session, FOREVER) }))],
  ['find makes a session', withSessions((sessions) => ({ find: async (session) => await sessions.find(session) ?? await sessions.claim(session, FOREVER) }))],
  ['claims are not told', withSessions(() => ({ watch: () => () => {} }))],
  ['claims are told after the release', withSessions((sessions) => ({ watch: (listener) => { sessions.watch(listener); return () => {} } }))]
]

const ofPresence: Array<[string, Mutant['breakIt']]> = [
  ['a reconnect is an update', withPresence((presence) => ({
    enter: async (channel, member, change) => {
      const entered = await presence.enter(channel, member, change)
      return entered.change === 'none' ? { ...entered, change: 'update' } : entered
    }
  }))],
  ['every change is appended as a join', withPresence((presence) => ({
    enter: (channel, member, change) => presence.enter(channel, member, { ...change, events: { join: change.events.join, back: change.events.join, update: change.events.join } })
  }))],
  ['the fence of entering is ignored', withPresence((presence) => ({
    enter: (channel, member, change) => presence.enter(channel, { ...member, generation: FOREVER }, change),
    leave: (channel, fence, change) => presence.leave(channel, { ...fence, generation: FOREVER }, change)
  }))],
  ['the fence of leaving is ignored', withPresence((presence) => ({ leave: (channel, fence, change) => presence.leave(channel, { ...fence, generation: FOREVER }, change) }))],
  ['the number does not count', withPresence((presence) => ({
    enter: (channel, member, change) => presence.enter(channel, { ...member, number: 1 }, change),
    leave: (channel, fence, change) => presence.leave(channel, { ...fence, number: 1 }, change)
  }))],
  ['who left is forgotten at once', withPresence((presence) => ({ leave: (channel, fence, change) => presence.leave(channel, fence, { ...change, remember: 0 }) }))],
  ['who left is remembered for ever', withPresence((presence) => ({ leave: (channel, fence, change) => presence.leave(channel, fence, { ...change, remember: FOREVER }) }))],
  ['whoever left comes back', withPresence((presence) => ({ leave: (channel, fence, change) => presence.leave(channel, fence, { ...change, cause: 'timeout' }) }))],
  ['nobody leaves', withPresence((presence) => ({ leave: async (channel) => ({ left: false, position: (await presence.list(channel, { after: null, limit: 0, bytes: 0 })).position }) }))],
  ['a leave without a member is told', withPresence((presence) => ({ leave: async (...args) => ({ ...await presence.leave(...args), left: true }) }))],
  ['events are not announced', hearing(() => ({ records () {} }))],
  ['events are in the channel\'s own log', withPresence((presence, { log }) => ({
    enter: async (channel, member, change) => {
      await log.append(channel, [{ body: change.events.join, qos: 1 }], change.retention)
      return presence.enter(channel, member, change)
    }
  }))],
  ['the retention is ignored', withPresence((presence) => ({
    enter: (channel, member, change) => presence.enter(channel, member, { ...change, retention: { limit: FOREVER, bytes: FOREVER, ttl: FOREVER } }),
    leave: (channel, fence, change) => presence.leave(channel, fence, { ...change, retention: { limit: FOREVER, bytes: FOREVER, ttl: FOREVER } })
  }))],
  ['the position is of before', withPresence((presence) => ({
    enter: async (channel, ...rest) => {
      const { position } = await presence.list(channel, { after: null, limit: 0, bytes: 0 })
      return { ...await presence.enter(channel, ...rest), position }
    }
  }))],
  ['a list and its position are read apart', withPresence((presence) => ({
    list: async (channel, query) => {
      const { position } = await presence.list(channel, query)
      await new Promise((resolve) => { setImmediate(resolve) })
      return { ...await presence.list(channel, query), position }
    }
  }))],
  ['anonymous members are one user', withPresence((presence) => ({ enter: (channel, member, change) => presence.enter(channel, { ...member, user: member.user ?? '' }, change) }))],
  ['users are counted by their members', withPresence((presence) => ({ list: async (channel, query) => { const page = await presence.list(channel, query); return { ...page, users: page.connections } } }))],
  ['pages are by number and not by key', withPresence((presence) => ({
    list: async (channel, { after, limit, bytes }) => {
      const from = Number(after ?? 0)
      const { members, ...page } = await presence.list(channel, { after: null, limit: limit && FOREVER, bytes: FOREVER })
      const wanted = members.slice(from, from + limit)
      return { ...page, members: wanted, next: from + limit < members.length && bytes > 0 ? `${from + limit}` : null }
    }
  }))],
  ['the bytes of a page are ignored', withPresence((presence) => ({ list: (channel, query) => presence.list(channel, { ...query, bytes: FOREVER }) }))],
  ['there is always a next page', withPresence((presence) => ({ list: async (...args) => { const page = await presence.list(...args); return { ...page, next: page.members.at(-1)?.key ?? null } } }))],
  ['limit 0 lists one', withPresence((presence) => ({ list: (channel, query) => presence.list(channel, { ...query, limit: Math.max(1, query.limit) }) }))],
  ['lists forget the user', withPresence((presence) => ({ list: async (...args) => { const page = await presence.list(...args); return { ...page, members: page.members.map((each) => ({ ...each, user: null })) } } }))],
  ['when the last one left is never known', withPresence(() => ({ lastSeen: async () => null }))],
  ['when the last one left is known for ever', withPresence((presence) => ({ leave: (channel, fence, change) => presence.leave(channel, fence, { ...change, seen: FOREVER }) }))],
  ['leases do not run out', withPresence((presence) => ({ renew: (node) => presence.renew(node, FOREVER) }))],
  ['leases run out too soon', withPresence((presence) => ({ renew: (node, ttl) => presence.renew(node, ttl / 2) }))],
  ['a lapsed lease is not told', withPresence((presence) => ({ renew: async (...args) => { await presence.renew(...args); return true } }))],
  ['there are no orphans', withPresence(() => ({ orphans: async () => [] }))],
  ['a member stays with its first node', withPresence((presence) => {
    const nodes = new Map<string, string>()
    return {
      enter: (channel, member, change) => {
        const node = nodes.get(member.key) ?? member.node
        nodes.set(member.key, node)
        return presence.enter(channel, { ...member, node }, change)
      }
    }
  })],
  ['names are not case-sensitive', withPresence((presence) => ({
    enter: (channel, ...rest) => presence.enter(channel.toLowerCase(), ...rest),
    list: (channel, query) => presence.list(channel.toLowerCase(), query)
  }))]
]

const parts: Array<[part: string, table: Array<[string, Mutant['breakIt']]>]> = [
  ['lifecycle', ofLifecycle], ['log', ofLog], ['repeats', ofRepeats], ['retention', ofRetention], ['cursors', ofCursors], ['feed', ofFeed], ['sessions', ofSessions], ['presence', ofPresence],
  ['supports', [['claims to be shared without a proof', (storage) => ({ ...storage, supports: { ...storage.supports, shared: true } })]]]
]

/** Adapters broken on purpose, one way each. */
export const mutants: Mutant[] = parts.flatMap(([part, table]) => table.map(([name, breakIt]) => ({ name, part, breakIt })))
