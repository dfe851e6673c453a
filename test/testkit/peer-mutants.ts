import type { StorageAdapter } from '../../types/storage.js'
import { over, withCursors, withFeed, withLog, withPresence, withSessions, without, type Break } from './breaking.js'

/** How a second adapter on the same data may be broken. `apart` is one on other data. */
export type BreakPeer = (peer: StorageAdapter, apart: StorageAdapter) => StorageAdapter

const simply = (breakIt: Break): BreakPeer => (peer) => breakIt(peer)

/** What holds for two adapters at the same time, broken. */
export const ofShared: Array<[name: string, breakIt: BreakPeer]> = [
  ['logs are each node\'s own', (peer, { log }) => ({ ...peer, log })],
  ['repeats are recognised by the node that stored them', simply(withLog((log) => ({ append: (channel, drafts, retention) => log.append(channel, drafts.map(without('publisher')), retention) })))],
  ['the feed is each node\'s own', (peer, { feed }) => ({ ...peer, feed })],
  ['a node is not told what another broadcasts', simply(withFeed(() => ({ broadcast: async () => {} })))],
  ['cursors are each node\'s own', (peer, { cursors }) => ({ ...peer, cursors })],
  ['sessions are each node\'s own', (peer, { sessions }) => ({ ...peer, sessions })],
  ['generations are given by each node', (peer, { sessions }) => ({ ...peer, sessions: over(peer.sessions, { claim: async (...args) => { await peer.sessions.claim(...args); return await sessions.claim(...args) } }) })],
  ['claims are told on their own node', simply(withSessions(() => ({ watch: () => () => {} })))],
  ['each node has a time of its own', simply(withSessions((sessions) => ({ touch: (session, generation, ttl) => sessions.touch(session, generation, ttl / 4) })))],
  ['members are each node\'s own', (peer, { presence }) => ({ ...peer, presence })],
  ['leases are each node\'s own', (peer, { presence }) => ({ ...peer, presence: over(peer.presence, { renew: (...args) => presence.renew(...args) }) })],
  ['orphans are let go by their own node', simply(withPresence(() => ({ orphans: async () => [] })))],
  ['leases are seen by their own node', (peer) => {
    const known = new Map<string, { readonly channel: string, readonly member: Parameters<StorageAdapter['presence']['enter']>[1] }>()
    const keep = peer.presence
    return {
      ...peer,
      presence: over(keep, {
        enter: (channel, member, change) => { known.set(`${channel} ${member.key}`, { channel, member }); return keep.enter(channel, member, change) },
        orphans: async (limit) => [...await keep.orphans(limit), ...(await keep.list('room/1', { after: null, limit: 100, bytes: 10_000 })).members.map((member) => ({ channel: 'room/1', member }))
          .filter(({ member }) => !known.has(`room/1 ${member.key}`))]
      })
    }
  }],
  ['who left is remembered by the node that let it', simply(withPresence((presence) => ({ leave: (channel, fence, change) => presence.leave(channel, fence, { ...change, remember: 0 }) })))],
  ['when the last one left is known to its own node', simply(withPresence(() => ({ lastSeen: async () => null })))],
  ['a list lags behind what another node did', simply(withPresence((presence) => ({
    list: async (channel, query) => {
      const page = await presence.list(channel, query)
      return { ...page, position: { ...page.position, offset: Math.max(0, page.position.offset - 1) } }
    }
  })))],
  ['each node fences its own members', simply(withPresence((presence) => ({ enter: (channel, member, change) => presence.enter(channel, { ...member, generation: 1e9 }, change) })))],
  ['of two nodes that let an orphan leave, both have', simply(withPresence((presence) => ({ leave: async (...args) => ({ ...await presence.leave(...args), left: true }) })))]
]

/** What outlives an adapter, broken. */
export const ofDurable: Array<[name: string, breakIt: BreakPeer]> = [
  ['logs are forgotten', (peer, { log, feed, presence }) => ({ ...peer, log, feed, presence })],
  ['publishers are forgotten', simply(withLog((log) => ({ append: (channel, drafts, retention) => log.append(channel, drafts.map(without('publisher')), retention) })))],
  ['ids are forgotten', simply(withLog((log) => ({ append: (channel, drafts, retention) => log.append(channel, drafts.map(without('id')), retention) })))],
  ['cursors are forgotten', (peer, { cursors }) => ({ ...peer, cursors })],
  ['which generation wrote a cursor is forgotten', simply(withCursors((cursors) => ({ commit: (channel, commits) => cursors.commit(channel, commits.map((commit) => ({ ...commit, generation: 1e20 }))) })))],
  ['sessions are forgotten', (peer, { sessions }) => ({ ...peer, sessions })],
  ['which generations were given is forgotten', simply(withSessions((sessions) => ({ claim: async (...args) => { await sessions.claim(...args); return { generation: 1 } } })))],
  ['members are forgotten', (peer, { presence }) => ({ ...peer, presence })],
  ['how a member left is forgotten', simply(withPresence((presence) => ({
    enter: async (...args) => { const entered = await presence.enter(...args); return entered.change === 'back' ? { ...entered, change: 'join' } : entered }
  })))],
  ['that a member left is forgotten', simply(withPresence((presence) => ({ enter: (channel, member, change) => presence.enter(channel, { ...member, number: member.number + 9 }, change) })))],
  ['when the last member left is forgotten', simply(withPresence(() => ({ lastSeen: async () => null })))],
  ['leases are forgotten', simply(withPresence((presence) => ({
    orphans: async () => (await presence.list('room/1', { after: null, limit: 100, bytes: 10_000 })).members.map((member) => ({ channel: 'room/1', member }))
  })))],
  ['orphans are forgotten', simply(withPresence(() => ({ orphans: async () => [] })))]
]
