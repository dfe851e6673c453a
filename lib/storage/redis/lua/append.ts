import { LOG, REPEATS } from './log.js'
import { script } from './script.js'

const APPENDS = `
-- Names of fresh ids that all come again, because the call itself came twice: the offset of the first one, or 0. Otherwise nil, and they are remembered.
local function fresh (s, group, remembered, names)
  local line = '\\n' .. int(s.head + 1) .. ' ' .. s.origin .. ' ' .. names
  local known = redis.call('SET', group, line, 'NX', 'GET', 'PX', remembered)
  if not known then return nil end
  for first, origin, same in string.gmatch(known, '\\n(%d+) (%S+) ([^\\n]+)') do
    if same == names then return origin == s.origin and tonumber(first) or 0 end
  end
  redis.call('SET', group, known .. line, 'PX', remembered)
end

local QOS = { [0] = '0', '1', '2' }

-- Puts the records of one run, none of which is a repeat.
local function put_run (s, run, count, stamp, lasting)
  local at, size, qos = 1, nil, nil
  for _ = 1, count do
    size, qos, at = struct.unpack('>I4B', run, at)
    put(s, string.sub(run, at, at + size - 1), QOS[qos], stamp, lasting)
    at = at + size
  end
end

-- What is known of one draft, which has a publisher or an id: 0, 1 or 2, and its offset. A new one is remembered as the next record.
local function recall (s, kind)
  local status, offset = 0, 0
  local publisher, sequence, lives, last, at
  if kind ~= 'i' then
    publisher, sequence, lives = key(), number(), number()
    status, offset, last, at = by_publisher(s, publisher, sequence)
  end
  if kind ~= 'p' then
    local id, print, remembered, name = key(), arg(), int(number()), arg()
    local group = name ~= '' and key()
    if status == 0 and group then status, offset = by_group(s, group, name, print) end
    if status == 0 then
      status, offset = by_id(s, redis.call('SET', id, print .. ' ' .. int(s.head + 1) .. ' ' .. s.origin, 'NX', 'GET', 'PX', remembered), print)
    end
    if status == 1 and group then redis.call('PEXPIRE', group, remembered, 'GT') end
    if status == 1 and by_id(s, redis.call('GET', id), print) == 1 then redis.call('PEXPIRE', id, remembered, 'GT') end
  end
  if status == 0 then offset = s.head + 1 end
  if publisher and status ~= 2 then
    local longest = math.max(lives, redis.call('PTTL', publisher))
    local newest = (last and last >= sequence) and last or sequence
    local position = (last and last >= sequence) and at or offset
    redis.call('SET', publisher, int(newest) .. ' ' .. int(position) .. ' ' .. s.origin, 'PX', int(longest))
  end
  return status, offset
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
  local reply, parts, nth = { s.epoch, from }, {}, 0
  local function refused (status, offset)
    reply[#reply + 1] = nth
    reply[#reply + 1] = status
    reply[#reply + 1] = status == 2 and 0 or offset
    nth = nth + 1
  end
  for _ = 1, number() do
    local count, run, ttl, kind = number(), arg(), number(), arg()
    local status, offset = 0, nil
    if kind == 'f' then
      offset = fresh(s, key(), int(number()), arg())
      if offset then status = 1 end
    elseif kind ~= '-' then
      status, offset = recall(s, kind)
    end
    if status == 0 then
      put_run(s, run, count, stamp, lasting(ttl))
      parts[#parts + 1] = run
      nth = nth + count
    else
      for i = 0, count - 1 do refused(status, offset > 0 and offset + i or 0) end
    end
  end
  settle(s)
  linger(s)
  announce(command, channel, s, from, parts)
  return reply`, LOG, REPEATS, APPENDS)
