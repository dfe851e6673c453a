import type { Mutation } from '../../helpers/mutate.js'

/** The adapter with one of its rules broken. */
export interface Mutant {
  readonly name: string
  readonly mutations: readonly Mutation[]
  /** How the name of the test begins that must find it. */
  readonly test: string
}

type Row = readonly [name: string, search: string, replace: string, test: string]

const of = (file: string, rows: readonly Row[]): Mutant[] => rows.map(([name, search, replace, test]) => ({ name, mutations: [{ file: `storage/redis/${file}.js`, search, replace }], test }))

const ofRepeats = of('lua/log', [
  ['a repeat by sequence is stored', 'if sequence > last then', 'if true then', 'repeats: a sequence up to the last one of its publisher'],
  ['an older repeat is told the position of the last', 'return 1, sequence == last and offset or 0,', 'return 1, offset,', 'repeats: a sequence up to the last one of its publisher'],
  ['a repeat by id is stored', 'if not remembered then return 0, 0 end', 'if true then return 0, 0 end', 'repeats: an id is a duplicate with the same fingerprint'],
  ['a conflict is taken for a repeat', 'same == print and 1 or 2, origin == s.origin and tonumber(offset) or 0', '1, origin == s.origin and tonumber(offset) or 0', 'repeats: an id is a duplicate with the same fingerprint'],
  ['a fresh id is not known again', 'if each == name then return', 'if false then return', 'repeats: fresh ids are remembered as any other'],
  ['what is recognised by its id is new', "if status == 0 then status, offset = by_id(s, redis.call('GET', id), print) end", '', 'recognise: says what append would say']
])

const ofAppends = of('lua/append', [
  ['a conflict moves the publisher on', 'if publisher and status == 2 then\n    stopped[publisher] = true\n  elseif publisher then', 'if publisher then', 'repeats: a duplicate by id moves the publisher on'],
  ['the id is looked at where the publisher knows better', '    if status == 0 then\n      status, offset = by_id(s', '    do\n      status, offset = by_id(s', 'repeats: the publisher is looked at before the id'],
  ['an id is not remembered anew', "redis.call('PEXPIRE', id, remembered, 'GT')", '', 'repeats: an id is remembered for its ttl at least'],
  ['an id runs out at once', "'NX', 'GET', 'PX', remembered), print)", "'NX', 'GET', 'PX', 1), print)", 'repeats: an id is remembered for its ttl at least'],
  ['a sequence is remembered for a shorter time than was said', "math.max(lives, redis.call('PTTL', publisher))", 'lives', 'repeats: a shorter ttl does not shorten'],
  ['a late sequence moves the publisher back', 'local newest = (last and last >= sequence) and last or sequence', 'local newest = sequence', 'repeats: a sequence up to the last one of its publisher'],
  ['a run of fresh ids that comes again is stored again', 'known = fresh(', 'fresh(', 'repeats: an append of fresh ids that comes twice'],
  ['who asks for an id leaves nothing for its late append', "if status == 0 and group and #(known or '') < GROUP_BYTES then", 'if false then', 'repeats: a fresh id whose append comes after'],
  ['of a run the wrong ones are left', 'string.sub(run, from, at - 1)', 'string.sub(run, 1, at - from)', 'repeats: a fresh id whose append comes after'],
  ['a group is remembered for as long as its latest id', "redis.call('PEXPIRE', group, remembered, 'GT')\n  end\nend", "redis.call('PEXPIRE', group, remembered)\n  end\nend", 'repeats: a fresh id is remembered for its ttl at least'],
  ['what follows a conflict is stored', 'if status == 0 and stopped[publisher] then status = 2 end', '', 'repeats: after a conflict nothing new'],
  ['appends are not announced', 'announce(command, channel, s, from, parts)\n  return', 'return', 'feed: every append after joining'],
  ['appends are announced one too early', 'announce(command, channel, s, from, parts)', 'announce(command, channel, s, from - 1, parts)', 'feed: every append after joining'],
  ['repeats are announced', 'if known then run, new =', 'if known then parts[#parts + 1] = run run, new =', 'feed: a duplicate, a conflict and an empty run']
])

const ofLog = of('lua/log', [
  ['the head that is read is not the newest', 'local reply = { s.epoch, s.head, first,', 'local reply = { s.epoch, first, first,', 'log: numbers records'],
  ['a read begins at the first record', 'from = math.max(from, first)', 'from = first', 'log: a page starts at `from`'],
  ['the bytes of a page are not bounded', 'if bytes < 0 and taken > 0 then', 'if false then', 'log: a page has at most `bytes`'],
  ['a read makes another log each time', 'if not s.epoch then', 'if not s.epoch or s.head == 0 then', 'log: of a channel that has no log, a read makes one'],
  ['the number of what is kept is not bounded', "redis.call('XTRIM', s.log, 'MAXLEN', '=', int(s.limit))", '', 'retention: keeps the newest `limit` records'],
  ['the size of what is kept is not bounded', 'return s.bytes - s.before > s.most or now()', 'return now()', 'retention: keeps at most `bytes`'],
  ['the age of what is kept is not bounded', 's.most or now() - s.since >= s.ttl', 's.most', 'retention: keeps no record for longer'],
  ['a retention holds for what came after it alone', 'if s.limit ~= limit or', 'if s.limit < limit or', 'retention: each append says it anew'],
  ['a message does not run out', 'if till > 0 and now() >= till then', 'if false then', 'message ttl: the slot stays'],
  ['what is said of the log goes with its records', 'return math.max(IDLE, s.ttl)', 'return s.ttl', 'retention: limit 0 tells `first`']
])

const ofCursors = of('lua/cursors', [
  ['a cursor is not fenced', 'if g and g > generation then', 'if false then', 'cursors: what a later generation wrote fences'],
  ['a cursor moves back', 'offset = math.max(offset, o)', '', 'cursors: within an epoch the greater offset stays'],
  ['another epoch always wins', 'elseif not later then', 'elseif false then', 'cursors: across epochs the later'],
  ['the number of a commit does not count', 'generation > g or count > n', 'generation > g', 'cursors: across epochs the later'],
  ['generations compare as texts', 'if g and g > generation then', 'if g and tostring(g) > tostring(generation) then', 'cursors: generations compare as numbers'],
  ['a cursor does not run out', 'return till and tonumber(till) > now() and text', 'return text', 'cursors: each lives for its ttl'],
  ['one cursor takes the others with it', "redis.call('PEXPIRE', each, int(longest), 'GT')", "redis.call('PEXPIRE', each, int(longest))", 'cursors: each lives for its ttl'],
  ['whoever asks removes a cursor', 'if g and tonumber(g) <= generation then', 'if g then', 'cursors: remove forgets, unless'],
  ['who stands at a position has not reached it', 'tonumber(at) >= offset', 'tonumber(at) > offset', 'cursors: who stands at or beyond'],
  ['who has run out has reached a position', 'tonumber(at) >= offset and tonumber(till) > now()', 'tonumber(at) >= offset', 'cursors: who stands at or beyond']
])

const ofSessions = of('lua/sessions', [
  ['claims at once are one generation', 'return math.max(time[1] * 1000000 + time[2], (tonumber(last) or 0) + 1)', 'return time[1] * 1000000', 'sessions: each claim is a greater generation'],
  ['a session made anew begins anew', 'return math.max(time[1] * 1000000 + time[2], (tonumber(last) or 0) + 1)', 'return (tonumber(last) or 0) + 1', 'sessions: one made anew after its end'],
  ['a session does not run out', "next_generation(redis.call('GET', session)))\n  redis.call('SET', session, generation, 'PX', int(ttl))", "next_generation(redis.call('GET', session)))\n  redis.call('SET', session, generation)", 'sessions: live for their ttl'],
  ['a session that is had is acquired', "if last and last > from then return '' end", '', 'sessions: acquire of what somebody has'],
  ['a later generation is restored over', 'if last and last > generation then return 0 end', '', 'sessions: restore of what a later generation has'],
  ['what was restored does not run out', "redis.call('SET', session, int(generation), 'PX', int(ttl))", "redis.call('SET', session, int(generation))", 'sessions: restore makes what is lost'],
  ['what is restored is not told', "redis.call('PUBLISH', channel, int(generation) .. ' ' .. name)", '', 'sessions: whoever watches hears of what was restored'],
  ['an earlier generation touches', "if redis.call('GET', session) ~= generation then", "if not redis.call('GET', session) then", 'sessions: only the latest generation touches'],
  ['an earlier generation ends a session', 'if found and found <= generation then', 'if found then', 'sessions: remove ends it at once, unless'],
  ['claims are not told', "redis.call('GET', session)))\n  redis.call('SET', session, generation, 'PX', int(ttl))\n  redis.call('PUBLISH', channel, generation .. ' ' .. name)", "redis.call('GET', session)))\n  redis.call('SET', session, generation, 'PX', int(ttl))", 'sessions: whoever watches hears of each claim']
])

const ofMembers = of('lua/presence', [
  ['an earlier one enters', '    if is_later(held.generation, held.number, g, n) then', '    if false then', 'presence: a later one holds the member'],
  ['an earlier one leaves', 'elseif not is_later(held.generation, held.number, g, n) then', 'else', 'presence: a later one holds the member'],
  ['who left is forgotten at once', "redis.call('SET', departed, int(g) .. ' ' .. int(n) .. ' ' .. cause, 'PX', remember)", '', 'presence: who left with timeout comes back'],
  ['who left is remembered for ever', ".. cause, 'PX', remember)", '.. cause)', 'presence: who left with timeout comes back'],
  ['whoever left comes back', "elseif cause == 'timeout' then", 'elseif cause then', 'presence: who left with timeout comes back'],
  ['who did not find anybody fences nobody', "redis.call('SET', departed, int(g) .. ' ' .. int(n) .. ' ' .. (before or 'none'), 'PX', remember)", '', 'presence: an enter that comes after the leave of a later one'],
  ['a member counts as its first user', 'if not held or held.user ~= user then', 'if not held then', 'presence: entering again is counted as the user'],
  ['who leaves is counted on', "    redis.call('ZREM', holders, held.node .. '\\\\0' .. name)\n    count(users, held.user, -1)", "    redis.call('ZREM', holders, held.node .. '\\\\0' .. name)", 'presence: users are counted once each'],
  ['a member stays with its first node too', "if held and held.node ~= node then redis.call('ZREM', holders, held.node .. '\\\\0' .. name) end", '', 'presence: a member is its latest node'],
  ['when the last one left is known although there is one', "redis.call('DEL', departed, seen)", "redis.call('DEL', departed)", 'presence: when the last member left'],
  ['changes are not announced', 'announce(command, channel, s, s.head,', 'local nothing = (function () end)(', 'presence: events are announced'],
  ['an event may be larger than its log', 'if #event > most then', 'if false then', 'presence: what cannot be kept is refused'],
  ['a page begins with the last of the one before', "'(' .. after", "'[' .. after", 'presence: pages are in the order of the keys'],
  ['a lease does not run out', "redis.call('ZADD', leases, int(now() + ttl), node)", "redis.call('ZADD', leases, '+inf', node)", 'presence: whose node has no lease'],
  ['what a node holds begins anew with each page', "'(' .. node .. '\\\\0' .. after", "'(' .. node .. '\\\\0'", 'presence: what a node holds is told'],
  ['a lease runs out at once', "redis.call('ZADD', leases, int(now() + ttl), node)", "redis.call('ZADD', leases, 0, node)", 'presence: whose node has no lease']
])

const ofTheRest = [
  ...of('../epoch', [['all logs have one epoch', 'return names.slice(from, at);', "return 'epoch';", 'log: each log has an epoch of its own']]),
  ...of('log', [
    ['what is larger than all that is kept is stored', 'body.byteLength > retention.bytes', 'false', 'log: a draft larger than the retention']
  ]),
  ...of('keys', [
    ['channels that look alike are one', '{${of', '{${of.toLowerCase()', 'log: channels whose names look alike'],
    ['a channel and its presence log are one', 'root = isPresence ?', 'root = false ?', 'presence: events are announced']
  ]),
  ...of('lanes', [['what is appended at once has one retention', 'each.retention !== retention || ', '', 'retention: of appends at once']]),
  ...of('feed', [
    ['who left is told on', '!listeners.delete(entry) || ', '', 'feed: after its release was called'],
    ['broadcasts are not sent', 'await operations.write(BROADCAST,', 'void (BROADCAST,', 'feed: a broadcast reaches']
  ]),
  ...of('presence', [
    ['in which channels a node has members is not noted', 'await this.#note(node, channel);', '', 'presence: whose node has no lease']
  ])
]

/** What the kit must find. */
export const mutants = [...ofRepeats, ...ofAppends, ...ofLog, ...ofCursors, ...ofSessions, ...ofMembers, ...ofTheRest]

/** What the tests of faults must find. */
export const ofFaults = [
  ...of('lua/log', [
    ['a log that another server wrote goes on as it was', 'elseif s.incarnation ~= incarnation() then', 'elseif false then', 'Redis is killed and comes back with its file'],
    ['a log does not say what it continues', 'first, s.continued, from', "first, '', from", 'Redis is killed and comes back with its file'],
    ['records stay that nothing is known of any more', "redis.call('UNLINK', log)", '', 'data that somebody deletes'],
    ['a repeat has a position in a log that is gone', 'same == print and 1 or 2, origin == s.origin and tonumber(offset) or 0', 'same == print and 1 or 2, tonumber(offset)', 'data that somebody deletes']
  ]),
  ...of('keys', [
    ['the prefix does not count', 'tag = `${this.#prefix', "tag = `${'push'", 'prefixes keep services apart'],
    ['a session chooses its slot', 'session:{${escape(key)', 'session:{${(key)', 'all keys of a channel are in one slot']
  ]),
  ...of('options', [['the prefix of the host does not count', "client.options.keyPrefix ?? ''", "''", 'prefixes keep services apart']]),
  ...of('feed', [['what was heard is never found wanting', 'before?.epoch === epoch && before.next > head', 'true', 'announcements that were lost without a sign']]),
  ...of('subscriber', [['an interruption is not told', 'this.#context.onRestored([...restored])', ';', 'a connection that only listens and is killed']]),
  ...of('operations', [
    ['a script that Redis has forgotten fails', "!error.message.startsWith('NOSCRIPT')", 'true', 'scripts that Redis has forgotten'],
    ['what is unknown is called undone', 'pending.writes && pending.sent', 'false', 'an answer that is lost'],
    ['any work may wait', 'this.#pending.size >= this.#options.inFlight', 'false', 'more work than may wait']
  ]),
  ...of('replicas', [['replicas are not waited for', 'if (having < replicas)', 'if (false)', 'durability: acknowledged when replicas have it']]),
  ...of('lua/cursors', [['a log forgets its name before its cursors', 'ipairs({ cursors, meta })', 'ipairs({ cursors })', 'a log keeps its name for as long as a cursor']]),
  ...of('lua/script', [['memory is no bound', "grow: ''", "grow: ' flags=allow-oom'", 'no memory left']])
]
