import { PushError } from '../../lib/core/errors.js'
import type { FeedBatch, FeedListener, Page, Retention, StorageAdapter, StoredRecord } from '../../types/storage.js'
import { FOREVER, hearing, withCursors, withDraft, withFeed, withLog, withPage, withRetention, withSessions, without, type Break, type Mutant } from './breaking.js'
import { ofPresence } from './presence-mutants.js'

const context = { onError: () => {} }

const asText = (body: Uint8Array): Uint8Array => new TextEncoder().encode(new TextDecoder().decode(body))
const isThere = ({ body }: StoredRecord): boolean => body !== null

const opened = new Set<StorageAdapter>()

const ofLifecycle: Array<[string, Break]> = [
  ['closing one closes all', (storage) => {
    opened.add(storage)
    return { ...storage, close: async () => { for (const each of opened) await each.close() } }
  }],
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
  ['close does not end what is under way', (storage) => {
    let isClosed = false
    return withSessions((sessions) => ({
      find: async (session) => {
        const begun = !isClosed
        await new Promise((resolve) => { setImmediate(resolve) })
        return begun && isClosed ? await new Promise(() => {}) : await sessions.find(session)
      }
    }))({ ...storage, close: async () => { isClosed = true; await storage.close() } })
  }],
  ['close ends what is under way without a code', withLog((log) => ({
    recognise: async (...args) => {
      await log.recognise(...args)
      await new Promise((resolve) => { setImmediate(resolve) })
      return await log.recognise(...args).catch(() => { throw new Error('gone') })
    }
  }))],
  ['what is called certain is not', withLog((log) => ({
    recognise: async (...args) => {
      await log.recognise(...args)
      await new Promise((resolve) => { setImmediate(resolve) })
      return await log.recognise(...args).catch(() => { throw new PushError('PUSH_STORAGE_UNKNOWN') })
    }
  }))],
  ['open goes on after close', (storage) => ({
    ...storage,
    open: async (given) => { await new Promise((resolve) => { setImmediate(resolve) }); await storage.open(given).catch(() => { throw new Error('closed') }) }
  })],
  ['health is late', (storage) => {
    let last: Promise<{ ok: boolean }> | null = null
    return { ...storage, health: async () => { const known = last; last = storage.health(); return await (known ?? last) } }
  }],
  ['health rejects', (storage) => ({ ...storage, health: async () => { if (!(await storage.health()).ok) throw new Error('ill'); return { ok: true } } })],
  ['health is always well', (storage) => ({ ...storage, health: async () => ({ ok: true }) })]
]

const ofLog: Array<[string, Break]> = [
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

const ofRepeats: Array<[string, Break]> = [
  ['repeats of a publisher are stored', withDraft(without('publisher'))],
  ['all publishers are one', withDraft((draft) => draft.publisher ? { ...draft, publisher: { ...draft.publisher, id: 'p' } } : draft)],
  ['repeats of an id are stored', withDraft(without('id'))],
  ['a conflict is taken for a repeat', withDraft((draft) => draft.id ? { ...draft, id: { ...draft.id, fingerprint: '' } } : draft)],
  ['every repeat has a position', withLog((log) => ({
    append: async (...run) => (await log.append(...run)).map((outcome) =>
      outcome.status === 'duplicate' ? { ...outcome, position: outcome.position ?? { epoch: 'e', offset: 1 } } : outcome)
  }))],
  ['what follows a conflict is stored', withLog((log) => ({
    append: async (channel, drafts, retention) => {
      const outcomes = []
      for (const draft of drafts) outcomes.push(...await log.append(channel, [draft], retention))
      return outcomes
    }
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

const ofRetention: Array<[string, Break]> = [
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
  ['a page changes after it was read', (storage) => {
    let last: Page | null = null
    return withPage((page) => {
      page.records.forEach(({ body }, i) => { if (body === null && last !== null) Object.assign(last.records[i] ?? {}, { body }) })
      last = { ...page, records: page.records.map((record) => ({ ...record })) }
      return last
    })(storage)
  }],
  ['a message that ran out is trimmed', withPage((page) => {
    const gone = page.records.filter((record) => !isThere(record)).length
    return { ...page, first: page.first + gone, from: page.from + gone, records: page.records.filter(isThere) }
  })]
]

const ofCursors: Array<[string, Break]> = [
  ['a cursor moves back', withCursors((cursors) => ({
    commit: async (channel, commits) => {
      for (const { session, generation } of commits) await cursors.remove(channel, session, generation)
      return cursors.commit(channel, commits)
    }
  }))],
  ['a commit of nothing is refused', withCursors((cursors) => ({ commit: async (channel, commits) => { if (commits.length === 0) throw new PushError('PUSH_INVALID'); return await cursors.commit(channel, commits) } }))],
  ['cursors go with the records', (storage) => withCursors((cursors) => ({
    load: async (channel, session) => {
      const { head, records } = await storage.log.read(channel, { from: 1, limit: 1, bytes: 1 })
      return head > 0 && records.length === 0 ? null : await cursors.load(channel, session)
    }
  }))(storage)],
  ['the fence is ignored', withCursors((cursors) => ({ commit: (channel, commits) => cursors.commit(channel, commits.map((commit) => ({ ...commit, generation: 1 }))) }))],
  ['a fenced commit is not told', withCursors((cursors) => ({ commit: async (...args) => (await cursors.commit(...args)).map(() => 'committed' as const) }))],
  ['who reached a position: another epoch counts', withCursors((cursors) => ({
    reached: async (channel, { position, ...query }) => [...await cursors.reached(channel, { position, ...query }), ...await cursors.reached(channel, { position: { ...position, epoch: 'other' }, ...query })].sort()
  }))],
  ['who reached a position: expired cursors take places on the page', (storage) => {
    const committed = new Set<string>()
    return withCursors((cursors) => ({
      commit: (channel, commits) => { for (const { session } of commits) committed.add(session); return cursors.commit(channel, commits) },
      reached: async (channel, { limit, after = '', position }) => {
        const all = await cursors.reached(channel, { position, after, limit: 1000 })
        return [...committed].filter((name) => name > after).sort().slice(0, limit).filter((name) => all.includes(name))
      }
    }))(storage)
  }],
  ['who reached a position: offsets compare as texts', withCursors((cursors) => ({
    reached: async (channel, { position, ...query }) => {
      const all = await cursors.reached(channel, { ...query, position: { ...position, offset: 0 }, limit: 1000 })
      const stored = await Promise.all(all.map(async (name) => `${(await cursors.load(channel, name))?.offset}`))
      return all.filter((_, i) => stored[i] as string >= `${position.offset}`).slice(0, query.limit)
    }
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

const ofFeed: Array<[string, Break]> = [
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

const ofSessions: Array<[string, Break]> = [
  ['a generation is given twice', withSessions((sessions) => ({
    claim: async (session, ttl) => {
      const found = await sessions.find(session)
      if (found === null || !await sessions.touch(session, found.generation, ttl)) return sessions.claim(session, ttl)
      return found
    }
  }))],
  ['a session made anew begins at the first generation', (storage) => {
    const base = new Map<string, number>()
    const own = (session: string, generation: number): number => generation - (base.get(session) ?? 0)
    return withSessions((sessions) => ({
      claim: async (session, ttl) => {
        const isNew = await sessions.find(session) === null
        const { generation } = await sessions.claim(session, ttl)
        if (isNew) base.set(session, generation - 1)
        return { generation: own(session, generation) }
      },
      find: async (session) => { const found = await sessions.find(session); return found && { generation: own(session, found.generation) } },
      touch: (session, generation, ttl) => sessions.touch(session, generation + (base.get(session) ?? 0), ttl),
      remove: (session, generation) => sessions.remove(session, generation + (base.get(session) ?? 0))
    }))(storage)
  }],
  ['a shorter ttl does not shorten', withSessions((sessions) => ({ touch: async (session, generation, ttl) => await sessions.touch(session, generation, Math.max(ttl, 3600)) }))],
  ['touch ignores who owns the session', withSessions((sessions) => ({
    touch: async (session, generation, ttl) => sessions.touch(session, (await sessions.find(session))?.generation ?? generation, ttl)
  }))],
  ['touch brings a session back', withSessions((sessions) => ({ touch: async (session, generation, ttl) => await sessions.touch(session, generation, ttl) || (await sessions.claim(session, ttl)).generation > 0 }))],
  ['touch does not prolong', withSessions((sessions) => ({ touch: async (session, generation) => (await sessions.find(session))?.generation === generation }))],
  ['remove ignores who owns the session', withSessions((sessions) => ({ remove: (session) => sessions.remove(session, FOREVER * FOREVER) }))],
  ['sessions do not expire', withSessions((sessions) => ({ claim: (session) => sessions.claim(session, FOREVER) }))],
  ['find makes a session', withSessions((sessions) => ({ find: async (session) => await sessions.find(session) ?? await sessions.claim(session, FOREVER) }))],
  ['claims are not told', withSessions(() => ({ watch: () => () => {} }))],
  ['what somebody has is acquired', withSessions((sessions) => ({ acquire: (session, ttl) => sessions.claim(session, ttl) }))],
  ['acquire asks for no generation', withSessions((sessions) => ({ acquire: (session, ttl, from) => from === undefined ? sessions.acquire(session, ttl) : sessions.claim(session, ttl) }))],
  ['acquire takes from nobody', withSessions((sessions) => ({ acquire: (session, ttl) => sessions.acquire(session, ttl) }))],
  ['several acquire at once', withSessions((sessions) => ({ acquire: async (session, ttl, from = 0) => ((await sessions.find(session))?.generation ?? 0) <= from ? sessions.claim(session, ttl) : null }))],
  ['a refused acquire prolongs', withSessions((sessions) => ({
    acquire: async (session, ttl, from) => {
      const found = await sessions.find(session)
      if (found !== null) await sessions.touch(session, found.generation, ttl)
      return sessions.acquire(session, ttl, from)
    }
  }))],
  ['what was removed cannot be acquired', withSessions((sessions) => {
    const known = new Set<string>()
    return { acquire: async (session, ttl, from) => known.has(session) && from === undefined ? null : (known.add(session), sessions.acquire(session, ttl, from)) }
  })],
  ['what is acquired does not expire', withSessions((sessions) => ({ acquire: (session, _, from) => sessions.acquire(session, FOREVER, from) }))],
  ['restore gives a new generation', withSessions((sessions) => ({ restore: async (session, _, ttl) => (await sessions.claim(session, ttl)).generation > 0 }))],
  ['a later generation is restored over', withSessions((sessions) => ({
    restore: async (session, generation, ttl) => {
      await sessions.remove(session, FOREVER * FOREVER)
      return sessions.restore(session, generation, ttl)
    }
  }))],
  ['what is restored is not told', withSessions((sessions) => {
    let isDeaf = false
    return {
      restore: (session, generation, ttl) => {
        isDeaf = true
        return sessions.restore(session, generation, ttl).finally(() => { isDeaf = false })
      },
      watch: (listener) => sessions.watch((...claim) => { if (!isDeaf) listener(...claim) })
    }
  })],
  ['claims are told after the release', withSessions((sessions) => ({ watch: (listener) => { sessions.watch(listener); return () => {} } }))]
]

const parts: Array<[part: string, table: Array<[string, Break]>]> = [
  ['lifecycle', ofLifecycle], ['log', ofLog], ['repeats', ofRepeats], ['retention', ofRetention], ['cursors', ofCursors], ['feed', ofFeed], ['sessions', ofSessions], ['presence', ofPresence],
  ['supports', [['claims to be shared without a proof', (storage) => ({ ...storage, supports: { ...storage.supports, shared: true } })]]]
]

/** Adapters broken on purpose, one way each. */
export const mutants: Mutant[] = parts.flatMap(([part, table]) => table.map(([name, breakIt]) => ({ name, part, breakIt })))
