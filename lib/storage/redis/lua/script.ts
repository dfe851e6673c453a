import { createHash } from 'node:crypto'

/** A script for Redis. It does a list of operations of one kind, each by itself, in one call. */
export interface Script {
  readonly name: string
  readonly lua: string
  /** What `EVALSHA` knows it by. */
  readonly sha: string
}

/**
 * What an operation does, and so where Redis refuses it before anything is written: `grow` where no memory is left; `write` where Redis may not write at all, as without its
 * replicas or its disk; `read`, which writes nothing, never.
 */
export type Kind = 'grow' | 'write' | 'read'

const FLAGS: Readonly<Record<Kind, string>> = { grow: '', write: ' flags=allow-oom', read: ' flags=no-writes' }

/**
 * Makes a script of one operation: the body of a Lua function that takes its keys with `key()` and its arguments with `arg()`, and returns its reply.
 * An operation that fails fails alone: its reply is then its error. By Redis' rules what it wrote before stays; so each operation looks before it writes.
 */
export function script (name: string, kind: Kind, operation: string, ...parts: readonly string[]): Script {
  const lua = [
    `#!lua${FLAGS[kind]}`,
    COMMON,
    ...parts,
    `local function operation ()\n${operation}\nend`,
    RUN
  ].join('\n')
  return { name, lua, sha: createHash('sha1').update(lua).digest('hex') }
}

// What has been taken of KEYS and ARGV is known to an operation that failed as well: each of them says how many it has.
const COMMON = `
local keyed, argued, now_is = 0, 1, nil
local function key () keyed = keyed + 1 return KEYS[keyed] end
local function arg () argued = argued + 1 return ARGV[argued] end
local function number () return tonumber(arg()) end
local format = string.format
local function int (n) return format('%d', n) end
local function now ()
  if now_is == nil then
    local time = redis.call('TIME')
    now_is = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return now_is
end`

const RUN = `
local replies = {}
for i = 1, tonumber(ARGV[1]) do
  local last_key, last_arg = keyed + number(), number()
  last_arg = argued + last_arg
  local ok, reply = pcall(operation)
  if ok then
    replies[i] = reply
  else
    replies[i] = { err = type(reply) == 'table' and reply.err or 'ERR ' .. tostring(reply) }
  end
  keyed, argued = last_key, last_arg
end
return replies`

/** Whether Redis answers, and may write. Keys: any. Reply: `0`. */
export const PING = script('ping', 'write', 'key()\nreturn 0')
