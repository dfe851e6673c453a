import type { MemberPage } from '../../types/presence-store.js'
import { FOREVER, hearing, withPresence, type Break } from './breaking.js'

/** Who is where, broken. */
export const ofPresence: Array<[string, Break]> = [
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
  ['generations compare as texts', withPresence((presence) => {
    const asText = (generation: number): number => Number(`${generation}`.padEnd(15, '0').slice(0, 15))
    return {
      enter: (channel, member, change) => presence.enter(channel, { ...member, generation: asText(member.generation) }, change),
      leave: (channel, fence, change) => presence.leave(channel, { ...fence, generation: asText(fence.generation) }, change)
    }
  })],
  ['large numbers lose their last digits', withPresence((presence) => ({
    enter: (channel, member, change) => presence.enter(channel, { ...member, number: Math.fround(member.number) }, change),
    leave: (channel, fence, change) => presence.leave(channel, { ...fence, number: Math.fround(fence.number) }, change)
  }))],
  ['a timeout that found nobody is one to be back from', withPresence((presence) => {
    const gone = new Set<string>()
    return {
      enter: async (channel, member, change) => {
        const entered = await presence.enter(channel, member, change)
        return entered.change === 'join' && gone.delete(member.key) ? { ...entered, change: 'back' } : entered
      },
      leave: async (channel, fence, change) => {
        const outcome = await presence.leave(channel, fence, change)
        if (!outcome.left && change.cause === 'timeout') gone.add(fence.key)
        return outcome
      }
    }
  })],
  ['who is back may say nothing else', withPresence((presence) => {
    const bodies = new Map<string, string>()
    return {
      enter: async (channel, member, change) => {
        const entered = await presence.enter(channel, member, change)
        const isOther = bodies.get(member.key) !== `${member.body}`
        bodies.set(member.key, `${member.body}`)
        return entered.change === 'back' && isOther ? { ...entered, change: 'join' } : entered
      }
    }
  })],
  ['who left twice may enter as before', withPresence((presence) => {
    const left = new Set<string>()
    return {
      leave: async (channel, fence, change) => {
        if (left.has(fence.key)) return { left: false }
        left.add(fence.key)
        return await presence.leave(channel, fence, change)
      }
    }
  })],
  ['an event is announced before the list has changed', withPresence((presence) => {
    let before: Promise<MemberPage> | null = null
    const asBefore = async <Outcome>(channel: string, change: () => Promise<Outcome>): Promise<Outcome> => {
      before = presence.list(channel, { after: null, limit: FOREVER, bytes: FOREVER })
      try {
        return await change()
      } finally {
        before = null
      }
    }
    return {
      enter: (channel, ...rest) => asBefore(channel, () => presence.enter(channel, ...rest)),
      leave: (channel, ...rest) => asBefore(channel, () => presence.leave(channel, ...rest)),
      list: (...args) => before ?? presence.list(...args)
    }
  })],
  ['a member stays its first user\'s', withPresence((presence) => {
    const users = new Map<string, string | null>()
    return {
      enter: (channel, member, change) => {
        if (!users.has(member.key)) users.set(member.key, member.user)
        return presence.enter(channel, { ...member, user: users.get(member.key) ?? null }, change)
      }
    }
  })],
  ['a refused member holds all the same', withPresence((presence) => ({
    enter: (channel, member, change) => presence.enter(channel, member, change).catch(async (error: unknown) => {
      await presence.leave(channel, { ...member, number: FOREVER }, { cause: 'leave', event: new Uint8Array(), retention: change.retention, remember: FOREVER, seen: 0 })
      throw error
    })
  }))],
  ['a leave that found nobody is the last one seen', withPresence((presence) => {
    let seen: number | null = null
    return {
      leave: async (...args) => {
        const outcome = await presence.leave(...args)
        if (!outcome.left) seen = 1e13
        return outcome
      },
      lastSeen: async (channel) => seen ?? await presence.lastSeen(channel)
    }
  })],
  ['a page begins only after a key that is there', withPresence((presence) => ({
    list: async (channel, query) => {
      const { members } = await presence.list(channel, { after: null, limit: FOREVER, bytes: FOREVER })
      return presence.list(channel, { ...query, after: members.some(({ key }) => key === query.after) ? query.after : null })
    }
  }))],
  ['pages are in the order of entering', withPresence((presence) => ({
    list: async (...args) => {
      const { members, ...page } = await presence.list(...args)
      return { ...page, members: [...members].reverse() }
    }
  }))],
  ['orphans of one channel are found', withPresence((presence) => ({ orphans: async (limit) => (await presence.orphans(limit)).filter(({ channel }, _, all) => channel === all[0]?.channel) }))],
  ['who left is forgotten at once', withPresence((presence) => ({ leave: (channel, fence, change) => presence.leave(channel, fence, { ...change, remember: 0 }) }))],
  ['who left is remembered for ever', withPresence((presence) => ({ leave: (channel, fence, change) => presence.leave(channel, fence, { ...change, remember: FOREVER }) }))],
  ['whoever left comes back', withPresence((presence) => ({ leave: (channel, fence, change) => presence.leave(channel, fence, { ...change, cause: 'timeout' }) }))],
  ['nobody leaves', withPresence(() => ({ leave: async () => ({ left: false }) }))],
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
  ['counts are of the known ones only', withPresence((presence) => ({ counts: async (channels) => (await presence.counts(channels)).filter((count) => count > 0) }))],
  ['counts are of each channel once', withPresence((presence) => ({ counts: (channels) => presence.counts([...new Set(channels)]) }))],
  ['lists forget the user', withPresence((presence) => ({ list: async (...args) => { const page = await presence.list(...args); return { ...page, members: page.members.map((each) => ({ ...each, user: null })) } } }))],
  ['when the last one left is never known', withPresence(() => ({ lastSeen: async () => null }))],
  ['when the last one left is known for ever', withPresence((presence) => ({ leave: (channel, fence, change) => presence.leave(channel, fence, { ...change, seen: FOREVER }) }))],
  ['leases do not run out', withPresence((presence) => ({ renew: (node) => presence.renew(node, FOREVER) }))],
  ['leases run out too soon', withPresence((presence) => ({ renew: (node, ttl) => presence.renew(node, ttl / 2) }))],
  ['a lapsed lease is not told', withPresence((presence) => ({ renew: async (...args) => { await presence.renew(...args); return true } }))],
  ['a node holds nobody', withPresence(() => ({ held: async () => ({ members: [], next: null }) }))],
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
