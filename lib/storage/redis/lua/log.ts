import { script } from './script.js'

/**
 * A channel's log: a hash of what is known of it as a whole, and a stream whose ids are the offsets. Fields of the hash:
 * `e` epoch; `h` head; `i` the incarnation of the server that wrote it; `o` what it was called when it was made; `c` the epochs it continues and where each ended, `epoch:end epoch:end`, the latest first;
 * `b` bytes of all bodies ever; `fb`, `fa` bytes before the first record, and its time, when last looked at (neither is greater than what is true now);
 * `rl`, `rb`, `rt` the retention. An entry of the stream has the field `m`, `time:bytes before it:qos:until`, and the field `b`, the body.
 */
export const LOG = `
local incarnation_is = nil
-- Which server this is, as far as its data go: it changes when the server is started again, and when a replica takes over.
local function incarnation ()
  if incarnation_is == nil then
    local info = redis.call('INFO', 'replication')
    local _, at = string.find(info, 'master_replid:', 1, true) -- far cheaper than to match a pattern
    incarnation_is = string.match(info, '^%w+', at + 1)
  end
  return incarnation_is
end

local IDLE = 600000
-- Epochs that a log remembers to continue: so often Redis may restart while somebody is away.
local REMEMBERED = 16

-- What is known of a channel's log; without an epoch where there is none.
local function known (meta, log)
  local m = redis.call('HMGET', meta, 'e', 'h', 'i', 'o', 'c', 'b', 'fb', 'fa', 'rl', 'rb', 'rt')
  return {
    meta = meta, log = log, epoch = m[1], head = tonumber(m[2]), incarnation = m[3], origin = m[4], continued = m[5] or '', bytes = tonumber(m[6]),
    before = tonumber(m[7]), since = tonumber(m[8]), limit = tonumber(m[9] or 0), most = tonumber(m[10] or 0), ttl = tonumber(m[11] or 0)
  }
end

-- A log as it is, or made anew. A log that another server wrote may lack its newest records: it goes on under a new epoch.
local function open (meta, log, candidate)
  local s = known(meta, log)
  if not s.epoch then
    redis.call('UNLINK', log)
    s.epoch, s.head, s.origin, s.bytes, s.before, s.since = candidate, 0, candidate, 0, 0, now()
    redis.call('HSET', meta, 'e', candidate, 'h', 0, 'i', incarnation(), 'o', candidate, 'b', 0, 'fb', 0, 'fa', int(s.since))
  elseif s.incarnation ~= incarnation() then
    local continued = { s.epoch .. ':' .. int(s.head) }
    for each in string.gmatch(s.continued, '%S+') do
      if #continued < REMEMBERED then continued[#continued + 1] = each end
    end
    s.continued, s.epoch = table.concat(continued, ' '), candidate
    redis.call('HSET', meta, 'e', candidate, 'i', incarnation(), 'c', s.continued)
  end
  return s
end

local function entry (found)
  local at, before, qos, till = string.match(found[2][2], '^(%d+):(%d+):(%d):(%d+)$')
  return tonumber(string.match(found[1], '^%d+')), tonumber(at), tonumber(before), qos, tonumber(till), found[2][4]
end

-- The first record from an offset on, and whether it may stay: it is not too old, and unless it is the newest, those from it on are not too many bytes.
local function look (s, offset)
  local found = redis.call('XRANGE', s.log, int(offset), '+', 'COUNT', 1)[1]
  if not found then return nil end
  local at_offset, at, before = entry(found)
  return { offset = at_offset, at = at, before = before, stays = now() - at < s.ttl and (s.bytes - before <= s.most or at_offset == s.head) }
end

-- The first record that may stay, or nil. Whoever may not has none before it that may: so it is looked for in ever larger steps, and then by halves.
local function first_to_stay (s)
  local found, gone, step = look(s, 0), 0, 1
  while found and not found.stays do
    gone = found.offset
    found = gone < s.head and look(s, math.min(gone + step, s.head)) or nil
    step = step * 2
  end
  if not found then return nil end
  local from = found.offset
  while gone + 1 < from do
    local middle = math.floor((gone + from) / 2)
    local between = look(s, middle)
    if between.stays then
      found, from = between, middle
    else
      gone = between.offset
    end
  end
  return found
end

-- Whether there may be a record that may not stay.
local function is_full (s)
  return s.bytes - s.before > s.most or now() - s.since >= s.ttl
end

-- Takes off the oldest records: those beyond the number, then those too old or, but for the newest, too many bytes.
local function trim (s)
  if s.limit == 0 then return end
  redis.call('XTRIM', s.log, 'MAXLEN', '=', int(s.limit))
  if not is_full(s) then return end
  local first = first_to_stay(s)
  redis.call('XTRIM', s.log, 'MINID', '=', int(first and first.offset or s.head + 1))
  s.before, s.since = first and first.before or s.bytes, first and first.at or now()
  redis.call('HSET', s.meta, 'fb', int(s.before), 'fa', int(s.since))
end

-- A retention holds from now on; what had its time under the one before is gone.
local function keep (s, limit, most, ttl)
  if s.limit ~= limit or s.most ~= most or s.ttl ~= ttl then
    trim(s)
    s.limit, s.most, s.ttl = limit, most, ttl
    redis.call('HSET', s.meta, 'rl', int(limit), 'rb', int(most), 'rt', int(ttl))
  end
end

-- What the entries of an append begin and end with.
local function stamp () return int(now()) .. ':' end
local function lasting (ttl) return ':' .. int(ttl > 0 and now() + ttl or 0) end

-- Beyond the limit as well: the oldest records are taken off afterwards, all at once.
local function put (s, body, qos, stamp, lasting)
  s.head = s.head + 1
  redis.call('XADD', s.log, int(s.head) .. '-0', 'm', stamp .. int(s.bytes) .. ':' .. qos .. lasting, 'b', body)
  s.bytes = s.bytes + #body
end

-- After the last put.
local function settle (s)
  redis.call('HSET', s.meta, 'h', int(s.head), 'b', int(s.bytes))
  trim(s)
  redis.call('PEXPIRE', s.log, int(s.ttl))
end

-- What is known of a log lives as long as its records, and for a while after it was last asked for.
local function least (s)
  return math.max(IDLE, s.ttl)
end

local function linger (s)
  if redis.call('PTTL', s.meta) < 0 then
    redis.call('PEXPIRE', s.meta, int(least(s)))
  else
    redis.call('PEXPIRE', s.meta, int(least(s)), 'GT')
  end
end

-- Whether it should be let live on before long.
local function wants_tending (s)
  return redis.call('PTTL', s.meta) < 0.75 * least(s)
end

-- Announces records, contiguous from an offset: R epoch, offset, and of each record its length, its qos and its body.
local function announce (command, channel, s, from, parts)
  if #parts > 0 then
    redis.call(command, channel, 'R' .. s.epoch .. ' ' .. int(from) .. '\\n' .. table.concat(parts))
  end
end

local function record (body, qos)
  return struct.pack('>I4B', #body, tonumber(qos)) .. body
end`

/** How repeats are recognised. */
export const REPEATS = `
-- What a message of this sequence is by its publisher: 0 new or 1 a repeat, and its offset, or 0; then the last sequence there was, and its offset.
local function by_publisher (s, publisher, sequence)
  local last, offset, origin = string.match(redis.call('GET', publisher) or '', '^(%d+) (%d+) (.+)$')
  if last == nil then return 0, 0 end
  last, offset = tonumber(last), origin == s.origin and tonumber(offset) or 0
  if sequence > last then return 0, 0, last, offset end
  return 1, sequence == last and offset or 0, last, offset
end

-- The same by what is known of its id: 0, 1, or 2 for another message.
local function by_id (s, remembered, print)
  if not remembered then return 0, 0 end
  local same, offset, origin = string.match(remembered, '^(%S*) (%d+) (.+)$')
  return same == print and 1 or 2, origin == s.origin and tonumber(offset) or 0
end

-- The same by what is known of its group, if anything is: of each run a line, the first offset, the origin, and each name with its fingerprint.
local function by_group (s, known, name, print)
  -- A new name is in none of the lines, and there are many.
  if not known or not string.find(known, ' ' .. name .. ' ', 1, true) then return 0, 0 end
  for first, origin, names in string.gmatch(known, '\\n(%d+) (%S+) ([^\\n]+)') do
    local offset = tonumber(first)
    for each, same in string.gmatch(names, '(%S+) (%S+)') do
      if each == name then return same == print and 1 or 2, origin == s.origin and offset or 0 end
      offset = offset + 1
    end
  end
  return 0, 0
end`

/**
 * What an append would say of a key. Makes no log where there is none. Keys and arguments: as a draft of it, after the log's two keys and an epoch. Reply: the epoch; `0` new, `1` or `2`;
 * the offset, or 0.
 */
export const RECOGNISE = script('recognise', 'write', `
  local meta, log, candidate = key(), key(), arg()
  local s = known(meta, log)
  if s.epoch then
    s = open(meta, log, candidate)
    linger(s)
  end
  local keys, status, offset = arg(), 0, 0
  if keys == 'p' or keys == 'b' then status, offset = by_publisher(s, key(), number(), arg()) end
  if status == 0 and (keys == 'i' or keys == 'b') then
    local id, print, _, name = key(), arg(), arg(), arg()
    if name ~= '' then status, offset = by_group(s, redis.call('GET', key()), name, print) end
    if status == 0 then status, offset = by_id(s, redis.call('GET', id), print) end
  end
  return { s.epoch or candidate, status, offset }`, LOG, REPEATS)

/**
 * Reads forward, and writes nothing. Keys: the log's two. Arguments: where to begin, how many, how many bytes. Reply: nothing where there is no log, or it wants a new epoch. Otherwise
 * epoch, head, first, what it continues or '', where the page begins, `1` where it wants tending; then of each record its qos and its body, or `-` before the qos and '' where its
 * time is over.
 */
export const READ = script('read', 'read', `
  local s = known(key(), key())
  if not s.epoch or s.incarnation ~= incarnation() then return '' end
  local oldest, tend = look(s, 0), wants_tending(s)
  if oldest and s.limit > 0 and is_full(s) then oldest, tend = first_to_stay(s), true end
  local first = oldest and oldest.offset or s.head + 1
  local from, limit, bytes = number(), number(), number()
  from = math.max(from, first)
  local reply = { s.epoch, s.head, first, s.continued, from, tend and 1 or 0 }
  local taken, next, step = 0, from, 2
  while taken < limit and next <= s.head do
    local found = redis.call('XRANGE', s.log, int(next), '+', 'COUNT', int(math.min(limit - taken, step)))
    for _, each in ipairs(found) do
      local offset, _, _, qos, till, body = entry(each)
      if offset ~= next then return reply end -- records were taken out by hand
      if till > 0 and now() >= till then qos, body = '-' .. qos, '' end
      bytes = bytes - #body
      if bytes < 0 and taken > 0 then return reply end
      reply[#reply + 1] = qos
      reply[#reply + 1] = body
      taken, next = taken + 1, next + 1
    end
    if #found == 0 then return reply end
    step = math.min(32, step * 2)
  end
  return reply`, LOG)

/** Makes a log, or gives it its new epoch; takes off what has had its time, and lets the rest live on. Keys: the log's two. Argument: an epoch. Reply: `0`. */
export const TEND = script('tend', 'write', `
  local s = open(key(), key(), arg())
  trim(s)
  linger(s)
  return 0`, LOG)
