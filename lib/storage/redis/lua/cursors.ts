import { script } from './script.js'

/**
 * Moves cursors. Keys: the channel's cursors, a hash by session of `generation number offset until epoch`, and what is known of its log. Arguments: how many; each: session, generation,
 * number, offset, ttl, epoch. Reply: of each `0` committed or `1` fenced.
 */
export const COMMIT = script('commit', 'write', `
  local cursors, meta, commits, replies, longest = key(), key(), number(), {}, 0
  for i = 1, commits do
    local session, generation, count, offset, ttl, epoch = arg(), number(), number(), number(), number(), arg()
    local g, n, o, till, e = string.match(redis.call('HGET', cursors, session) or '', '^(%d+) (%d+) (%d+) (%d+) (.+)$')
    g, n, o = tonumber(g), tonumber(n), tonumber(o)
    if g and tonumber(till) <= now() then g = nil end
    if g and g > generation then
      replies[i] = 1
    else
      local later = not g or generation > g or count > n
      if g and e == epoch then
        offset = math.max(offset, o)
      elseif not later then
        offset, epoch = o, e
      end
      if not later then generation, count = g, n end
      redis.call('HSET', cursors, session, int(generation) .. ' ' .. int(count) .. ' ' .. int(offset) .. ' ' .. int(now() + ttl) .. ' ' .. epoch)
      longest = math.max(longest, ttl)
      replies[i] = 0
    end
  end
  if longest > 0 then
    -- A cursor is of use only as long as its log has its name.
    for _, each in ipairs({ cursors, meta }) do
      if redis.call('PTTL', each) == -1 then redis.call('PEXPIRE', each, int(longest)) end
      redis.call('PEXPIRE', each, int(longest), 'GT')
    end
    -- Those that have had their time go bit by bit: looked for twice as often as some are made, so they are never more than those that live.
    local some = redis.call('HRANDFIELD', cursors, int(-2 * commits), 'WITHVALUES')
    for i = 1, #some, 2 do
      if tonumber(string.match(some[i + 1], '^%d+ %d+ %d+ (%d+)')) <= now() then redis.call('HDEL', cursors, some[i]) end
    end
  end
  return replies`)

/** Forgets a cursor. Keys: the cursors. Arguments: session, generation. Reply: `0`. */
export const FORGET = script('forget', 'write', `
  local cursors, session, generation = key(), arg(), number()
  local g = string.match(redis.call('HGET', cursors, session) or '', '^%d+')
  if g and tonumber(g) <= generation then redis.call('HDEL', cursors, session) end
  return 0`)

/** The cursor of a session. Keys: the cursors. Arguments: session. Reply: its text if it lives, or ''. */
export const LOAD = script('load', 'read', `
  local text = redis.call('HGET', key(), arg())
  local till = text and string.match(text, '^%d+ %d+ %d+ (%d+)')
  return till and tonumber(till) > now() and text or ''`)

/** A part of the cursors that stand at or beyond a position. Keys: the cursors. Arguments: where the last part ended or `0`, epoch, offset. Reply: where this one ended or `0`, then sessions. */
export const SCAN = script('scan', 'read', `
  local cursors, from, epoch, offset = key(), arg(), arg(), number()
  local part = redis.call('HSCAN', cursors, from, 'COUNT', 1000)
  local reply = { part[1] }
  for i = 1, #part[2], 2 do
    local at, till, e = string.match(part[2][i + 1], '^%d+ %d+ (%d+) (%d+) (.+)$')
    if e == epoch and tonumber(at) >= offset and tonumber(till) > now() then reply[#reply + 1] = part[2][i] end
  end
  return reply`)
