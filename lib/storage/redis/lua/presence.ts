import { LOG } from './log.js'
import { script } from './script.js'

/**
 * A channel's members: a hash by key of `generation number node user`, a line break, the body; a sorted set of the keys; one of `node`, a zero byte and the key, to find
 * what a node holds; a hash of how many members each user has, nobody's as those of `-`. Of who left: `generation number cause`.
 */
const MEMBERS = `
local function parse (text)
  local g, n, node, user, body = string.match(text or '', '^(%d+) (%d+) (%S+) (%S+)\\n(.*)$')
  if g then return { generation = tonumber(g), number = tonumber(n), node = node, user = user, body = body } end
end

local function is_later (g, n, than_g, than_n)
  return g > than_g or (g == than_g and n > than_n)
end

local function count (users, user, by)
  if redis.call('HINCRBY', users, user, by) <= 0 then redis.call('HDEL', users, user) end
end

local function users_in (users)
  return redis.call('HLEN', users) - redis.call('HEXISTS', users, '-')
end

local function is_whole (members, order, holders, users)
  local there = redis.call('HLEN', members)
  return there == redis.call('ZCARD', order) and there == redis.call('ZCARD', holders) and math.min(there, 1) == redis.call('EXISTS', users)
end

-- What is kept together is lost together: where a part is missing, nobody is a member, and the log begins anew.
local function keep_whole (meta, log, ...)
  if not is_whole(...) then redis.call('UNLINK', meta, log, ...) end
end

local function fits (event, most)
  if #event > most then error({ err = 'FULL the event is larger than its log' }) end
end

local function tell (s, event, command, channel)
  put(s, event, '1', stamp(), lasting(0))
  settle(s)
  announce(command, channel, s, s.head, { record(event, '1') })
end`

/** What of a channel says who is a member: the log's two keys, members, order, holders, users; and an epoch. */
const WHOLE = `local meta, log, members, order, holders, users = key(), key(), key(), key(), key(), key()
  local candidate = arg()`

/** The keys of both changes: the log's two, members, order, holders, users, departed, seen. */
const KEYS = `${WHOLE}
  local departed, seen = key(), key()
  local command, channel, limit, most, ttl = arg(), arg(), number(), number(), number()
  keep_whole(meta, log, members, order, holders, users)`

/**
 * Enters a member. Arguments: an epoch, the command and channel to announce with, the retention, the member's key, generation, number, node, user or `-`, body, and the events
 * of joining, coming back and changing. Reply: the change, the epoch and the head of the presence log.
 */
export const ENTER = script('enter', 'grow', `
  ${KEYS}
  local s = open(meta, log, candidate)
  linger(s)
  local name, g, n, node, user, body = arg(), number(), number(), arg(), arg(), arg()
  local events = { join = arg(), back = arg(), update = arg() }
  local held, change = parse(redis.call('HGET', members, name)), 'join'
  if held then
    if is_later(held.generation, held.number, g, n) then
      change = 'fenced'
    else
      change = held.body == body and 'none' or 'update'
    end
  else
    local left_g, left_n, cause = string.match(redis.call('GET', departed) or '', '^(%d+) (%d+) (%S+)$')
    if left_g and not is_later(g, n, tonumber(left_g), tonumber(left_n)) then
      change = 'fenced'
    elseif cause == 'timeout' then
      change = 'back'
    end
  end
  if events[change] then fits(events[change], most) end
  if change ~= 'fenced' then
    redis.call('HSET', members, name, int(g) .. ' ' .. int(n) .. ' ' .. node .. ' ' .. user .. '\\n' .. body)
    redis.call('ZADD', order, 0, name)
    if held and held.node ~= node then redis.call('ZREM', holders, held.node .. '\\0' .. name) end
    redis.call('ZADD', holders, 0, node .. '\\0' .. name)
    if not held or held.user ~= user then
      if held then count(users, held.user, -1) end
      count(users, user, 1)
    end
    redis.call('DEL', departed, seen)
    if change ~= 'none' then
      keep(s, limit, most, ttl)
      tell(s, events[change], command, channel)
      linger(s)
    end
  end
  return { change, s.epoch, s.head }`, LOG, MEMBERS)

/**
 * Lets a member leave. Arguments: an epoch, the command and channel to announce with, the retention, the member's key, generation, number, cause, event, for how long it is remembered,
 * and for how long it is known when the last one left, or 0. Reply: `1` if it left.
 */
export const LEAVE = script('leave', 'write', `
  ${KEYS}
  local name, g, n, cause, event, remember, known = arg(), number(), number(), arg(), arg(), arg(), number()
  local held, left = parse(redis.call('HGET', members, name)), 0
  if not held then
    local left_g, left_n, before = string.match(redis.call('GET', departed) or '', '^(%d+) (%d+) (%S+)$')
    if not left_g or is_later(g, n, tonumber(left_g), tonumber(left_n)) then
      redis.call('SET', departed, int(g) .. ' ' .. int(n) .. ' ' .. (before or 'none'), 'PX', remember)
    end
  elseif not is_later(held.generation, held.number, g, n) then
    fits(event, most)
    local s = open(meta, log, candidate)
    left = 1
    redis.call('HDEL', members, name)
    redis.call('ZREM', order, name)
    redis.call('ZREM', holders, held.node .. '\\0' .. name)
    count(users, held.user, -1)
    redis.call('SET', departed, int(g) .. ' ' .. int(n) .. ' ' .. cause, 'PX', remember)
    if known > 0 and redis.call('HLEN', members) == 0 then redis.call('SET', seen, int(now()), 'PX', int(known)) end
    keep(s, limit, most, ttl)
    tell(s, event, command, channel)
    linger(s)
  end
  return left`, LOG, MEMBERS)

/**
 * Members in the order of their keys; writes nothing. Keys: the log's two, members, order, holders, users. Arguments: an epoch, after which key or '', how many, how many bytes.
 * Reply: nothing where they are not whole, or there is no log, or it wants a new epoch. Otherwise epoch, head, members there are, users there are, the next key to go on after or '', `1`
 * where they want tending; then of each its key and its text.
 */
export const LIST = script('list', 'read', `
  ${WHOLE}
  local after, limit, bytes = arg(), number(), number()
  if not is_whole(members, order, holders, users) then return '' end
  local s = known(meta, log)
  -- Where only the numbers are asked for, no log is made.
  if not s.epoch and limit == 0 then return { candidate, 0, redis.call('ZCARD', order), users_in(users), '', 0 } end
  if not s.epoch or s.incarnation ~= incarnation() then return '' end
  local reply = { s.epoch, s.head, redis.call('ZCARD', order), users_in(users), '', wants_tending(s) and 1 or 0 }
  if limit == 0 then return reply end
  local names = redis.call('ZRANGEBYLEX', order, after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, int(limit + 1))
  for i, name in ipairs(names) do
    local text = redis.call('HGET', members, name)
    local size = #text - string.find(text, '\\n', 1, true)
    bytes = bytes - size
    if i > limit or (bytes < 0 and i > 1) then
      reply[5] = names[i - 1]
      return reply
    end
    reply[#reply + 1] = name
    reply[#reply + 1] = text
  end
  return reply`, LOG, MEMBERS)

/** Makes members whole, and their log, or gives it its new epoch, and lets it live on. Keys and argument: as those of a list. Reply: `0`. */
export const TEND_MEMBERS = script('tend-members', 'write', `
  ${WHOLE}
  keep_whole(meta, log, members, order, holders, users)
  linger(open(meta, log, candidate))
  return 0`, LOG, MEMBERS)

/**
 * What a node holds of a channel. Keys: members, holders. Arguments: node, after which key or '', how many, how many bytes. Reply: the next key to go on after or ''; then of each its key
 * and its text.
 */
export const HELD = script('held', 'read', `
  local members, holders, node, after, limit, bytes = key(), key(), arg(), arg(), number(), number()
  local found = redis.call('ZRANGEBYLEX', holders, '(' .. node .. '\\0' .. after, '(' .. node .. '\\1', 'LIMIT', 0, int(limit))
  local reply, last = { '' }, ''
  for _, held in ipairs(found) do
    local name = string.sub(held, #node + 2)
    local text = redis.call('HGET', members, name)
    if text then
      bytes = bytes - #text
      if bytes < 0 and #reply > 1 then
        reply[1] = last
        return reply
      end
      reply[#reply + 1] = name
      reply[#reply + 1] = text
    end
    last = name
  end
  if #found == limit then reply[1] = last end
  return reply`)

/** Lets a node's lease run from now. Keys: the leases, a sorted set of nodes by when they end. Arguments: node, ttl. Reply: `1` if it had one. */
export const RENEW = script('renew', 'write', `
  local leases, node, ttl = key(), arg(), number()
  local till = tonumber(redis.call('ZSCORE', leases, node) or nil)
  redis.call('ZADD', leases, int(now() + ttl), node)
  return till and till > now() and 1 or 0`)

/** Notes that a node may have a lease. Keys: the leases. Arguments: node. Reply: `0`. */
export const KNOW = script('know', 'write', `
  redis.call('ZADD', key(), 'NX', 0, arg())
  return 0`)

/** Nodes without a lease. Keys: the leases. Arguments: how many. Reply: the nodes. */
export const LAPSED = script('lapsed', 'read', `
  return redis.call('ZRANGEBYSCORE', key(), '-inf', int(now()), 'LIMIT', 0, arg())`)

/** Forgets a node whose lease ended long ago. Keys: the leases. Arguments: node, how long ago. Reply: `0`. */
export const FORGET_NODE = script('forget-node', 'write', `
  local leases, node, ago = key(), arg(), number()
  local till = tonumber(redis.call('ZSCORE', leases, node) or nil)
  if till and till < now() - ago then redis.call('ZREM', leases, node) end
  return 0`)

/** Notes that a node has members in a channel. Keys: the channels of the node, a sorted set by when this was noted. Arguments: channel. Reply: `0`. */
export const HOLD = script('hold', 'write', `
  redis.call('ZADD', key(), int(now()), arg())
  return 0`)

/** Forgets it, unless it was noted within some time. Keys: the channels of the node. Arguments: channel, how long. Reply: `0`. */
export const UNHOLD = script('unhold', 'write', `
  local channels, channel, ago = key(), arg(), number()
  local at = tonumber(redis.call('ZSCORE', channels, channel) or nil)
  if at and at < now() - ago then redis.call('ZREM', channels, channel) end
  return 0`)

/** The channels in which a node may have members. Keys: the channels of the node. Arguments: how many to leave out, how many. Reply: the channels. */
export const CHANNELS = script('channels', 'read', `
  local channels, from, limit = key(), number(), number()
  return redis.call('ZRANGE', channels, int(from), int(from + limit - 1))`)

/** When the last member left. Keys: seen. Reply: milliseconds since 1970, or ''. */
export const SEEN = script('seen', 'read', `
  return redis.call('GET', key()) or ''`)

/** How many members a channel has. Keys: order. Reply: the number. */
export const COUNT = script('count', 'read', `
  return redis.call('ZCARD', key())`)
