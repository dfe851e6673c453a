import { script } from './script.js'

// Generations are times, in microseconds: a session made anew is later than its forerunner, although nothing of that one is left.
const NEXT = `
local function next_generation (last)
  local time = redis.call('TIME')
  return math.max(time[1] * 1000000 + time[2], (tonumber(last) or 0) + 1)
end`

/** Keys: the session. Reply: its generation, or ''. */
export const FIND = script('find', 'read', `
  return redis.call('GET', key()) or ''`)

/** Takes a session over, and tells all nodes. Keys: the session. Arguments: channel to tell on, name, ttl. Reply: the generation. */
export const CLAIM = script('claim', 'write', `
  local session, channel, name, ttl = key(), arg(), arg(), number()
  local generation = int(next_generation(redis.call('GET', session)))
  redis.call('SET', session, generation, 'PX', int(ttl))
  redis.call('PUBLISH', channel, generation .. ' ' .. name)
  return generation`, NEXT)

/** The same, only where nobody has it, or nobody later than a generation, the last argument. Reply: the generation, or ''. */
export const ACQUIRE = script('acquire', 'write', `
  local session, channel, name, ttl, from = key(), arg(), arg(), number(), number()
  local last = tonumber(redis.call('GET', session) or nil)
  if last and last > from then return '' end
  local generation = int(next_generation(last))
  redis.call('SET', session, generation, 'PX', int(ttl))
  redis.call('PUBLISH', channel, generation .. ' ' .. name)
  return generation`, NEXT)

/** Makes a session what it was, and tells all nodes; not where a later generation has it. Keys: the session. Arguments: channel to tell on, name, ttl, generation. Reply: `1`, or `0`. */
export const RESTORE = script('restore', 'write', `
  local session, channel, name, ttl, generation = key(), arg(), arg(), number(), number()
  local last = tonumber(redis.call('GET', session) or nil)
  if last and last > generation then return 0 end
  redis.call('SET', session, int(generation), 'PX', int(ttl))
  redis.call('PUBLISH', channel, int(generation) .. ' ' .. name)
  return 1`)

/** Lets a session live on. Keys: the session. Arguments: generation, ttl. Reply: `1`, or `0` if it is another's. */
export const TOUCH = script('touch', 'write', `
  local session, generation, ttl = key(), arg(), arg()
  if redis.call('GET', session) ~= generation then return 0 end
  return redis.call('PEXPIRE', session, ttl)`)

/** Ends a session. Keys: the session. Arguments: generation. Reply: `0`. */
export const REMOVE = script('remove', 'write', `
  local session, generation = key(), number()
  local found = tonumber(redis.call('GET', session) or nil)
  if found and found <= generation then redis.call('DEL', session) end
  return 0`)
