import { LOG, REPEATS } from './log.js'
import { script } from './script.js'

const APPENDS = `
-- Bytes of a group, beyond which ids that are asked for by name are not noted in it: more than a node makes of one group. Who chooses ids of a node's group on purpose can fill it,
-- and then a call of the node's own that comes after its retry is stored again.
local GROUP_BYTES = 8192

-- Notes names of a group, with their fingerprints, as the next records. What was known of the group before is false where it was nothing.
local function note (s, group, before, names, remembered)
  local line = '\\n' .. int(s.head + 1) .. ' ' .. s.origin .. ' ' .. names
  if not before then
    redis.call('SET', group, line, 'PX', remembered)
  else
    redis.call('APPEND', group, line)
    redis.call('PEXPIRE', group, remembered, 'GT')
  end
end

-- Fresh ids are new, unless their call came twice, or came so late that somebody had tried again meanwhile. Which ones are known, by their place: 1 or 2, and the offset; or nil. The others are noted.
local function fresh (s, group, remembered, names)
  local before, known = redis.call('GET', group), nil
  if before then
    local others, at = {}, 0
    for name, print in string.gmatch(names, '(%S+) (%S+)') do
      local status, offset = by_group(s, before, name, print)
      at = at + 1
      if status == 0 then
        others[#others + 1] = name .. ' ' .. print
      else
        known = known or {}
        known[at] = { status, offset }
      end
    end
    if known then names = table.concat(others, ' ') end
  end
  if names ~= '' then note(s, group, before, names, remembered) end
  return known
end

local QOS = { [0] = '0', '1', '2' }

-- Puts the records of a run, none of which is a repeat.
local function put_run (s, run, count, stamp, lasting)
  local at, size, qos = 1, nil, nil
  for _ = 1, count do
    size, qos, at = struct.unpack('>I4B', run, at)
    put(s, string.sub(run, at, at + size - 1), QOS[qos], stamp, lasting)
    at = at + size
  end
end

-- What is known of one draft, which has a publisher or an id: 1 or 2, and its offset; or nil. A new one is remembered as the next record. After a conflict its publisher is one of those
-- that are stopped: what is new of it is a conflict too.
local function recall (s, kind, stopped)
  local status, offset = 0, 0
  local publisher, sequence, lives, last, at
  if kind ~= 'i' then
    publisher, sequence, lives = key(), number(), number()
    status, offset, last, at = by_publisher(s, publisher, sequence)
    if status == 0 and stopped[publisher] then status = 2 end
  end
  if kind ~= 'p' then
    local id, print, remembered, name = key(), arg(), int(number()), arg()
    local group = name ~= '' and key()
    local known = group and redis.call('GET', group)
    if status == 0 then status, offset = by_group(s, known, name, print) end
    if status == 0 then
      status, offset = by_id(s, redis.call('SET', id, print .. ' ' .. int(s.head + 1) .. ' ' .. s.origin, 'NX', 'GET', 'PX', remembered), print)
      -- The call of the node that made it may still come.
      if status == 0 and group and #(known or '') < GROUP_BYTES then note(s, group, known, name .. ' ' .. print, remembered) end
    end
    if status == 1 and group then redis.call('PEXPIRE', group, remembered, 'GT') end
    if status == 1 and by_id(s, redis.call('GET', id), print) == 1 then redis.call('PEXPIRE', id, remembered, 'GT') end
  end
  if status == 0 then offset = s.head + 1 end
  if publisher and status == 2 then
    stopped[publisher] = true
  elseif publisher then
    local longest = math.max(lives, redis.call('PTTL', publisher))
    local newest = (last and last >= sequence) and last or sequence
    local position = (last and last >= sequence) and at or offset
    redis.call('SET', publisher, int(newest) .. ' ' .. int(position) .. ' ' .. s.origin, 'PX', int(longest))
  end
  return status > 0 and { { status, offset } } or nil
end

-- Answers those of a run that are known. Returns the others, and how many they are.
local function answer (reply, nth, run, count, known)
  local others, at = {}, 1
  for i = 1, count do
    local from = at
    at = at + 5 + struct.unpack('>I4', run, at)
    if known[i] then
      local status, offset = known[i][1], known[i][2]
      reply[#reply + 1] = nth + i - 1
      reply[#reply + 1] = status
      reply[#reply + 1] = status == 2 and 0 or offset
    else
      others[#others + 1] = string.sub(run, from, at - 1)
    end
  end
  return table.concat(others), #others
end`

/**
 * Appends runs of drafts. Keys: the log's two, then those of each run. Arguments: an epoch, the command and the channel to announce with, the retention (limit, bytes, ttl), how many runs;
 * each: how many drafts, their records as they are announced, ttl or 0, and what they are recognised by: `-` nothing; `f` fresh ids of one group (its key; how long, names with fingerprints);
 * or, of a single draft, `p`, `i`, `b` for its publisher, its id or both (publisher's key; sequence, ttl; id's key; fingerprint, ttl, and its name in a group, or '', with the key of that).
 * Reply: the epoch, the first offset that was stored, then of each draft that was not: which one, `1` duplicate or `2` conflict, and its offset, or 0.
 */
export const APPEND = script('append', 'grow', `
  local s = open(key(), key(), arg())
  local command, channel = arg(), arg()
  keep(s, number(), number(), number())
  local stamp, from = stamp(), s.head + 1
  local reply, parts, nth, stopped = { s.epoch, from }, {}, 0, {}
  for _ = 1, number() do
    local count, run, ttl, kind = number(), arg(), number(), arg()
    local new, known = count, nil
    if kind == 'f' then
      known = fresh(s, key(), int(number()), arg())
    elseif kind ~= '-' then
      known = recall(s, kind, stopped)
    end
    if known then run, new = answer(reply, nth, run, count, known) end
    if new > 0 then
      put_run(s, run, new, stamp, lasting(ttl))
      parts[#parts + 1] = run
    end
    nth = nth + count
  end
  settle(s)
  linger(s)
  announce(command, channel, s, from, parts)
  return reply`, LOG, REPEATS, APPENDS)
