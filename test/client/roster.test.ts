import t from 'tap'
import { Roster, type LogEvent, type RosterChange } from '../../lib/client/roster.js'
import type { PresenceCause } from '../../types/presence.js'

const member = (id: string, data?: unknown) => ({ id, clientId: id, ...(data === undefined ? {} : { data }) })
const at = (offset: number, epoch = 'e') => ({ epoch, offset })
const event = (offset: number, cause: PresenceCause, id: string, data?: unknown): LogEvent => ({ cause, member: member(id, data), position: at(offset) })
const told = (changes: readonly RosterChange[]) => changes.map(({ event, member, cause }) => `${event} ${member.id} ${JSON.stringify(member.data) ?? '-'} ${cause}`)

t.test('the list, and the events since the subscription on it', async (t) => {
  const roster = new Roster()
  roster.begin()
  t.same(told(roster.stand(at(5))), [])
  t.same(told(roster.page([member('a', 1)], false, at(6))), [])
  t.same(told(roster.take(event(6, 'join', 'a', 1))), [])
  t.notOk(roster.complete)
  t.same(told(roster.page([member('c')], true, at(8))), [], 'it waits for what the list had already')
  t.same(told(roster.take(event(7, 'join', 'b'))), [])
  t.same(told(roster.take(event(8, 'leave', 'b'))), ['join a 1 join', 'join c - list'], 'who came and went meanwhile is not told')
  t.ok(roster.complete)
  t.same(told(roster.take(event(9, 'update', 'a', 2))), ['update a 2 update'])
  t.same(told(roster.take(event(10, 'back', 'd'))), ['join d - back'])
  t.same(told(roster.take(event(11, 'timeout', 'a'))), ['leave a 2 timeout'], 'with the last data')
  t.same([...roster.members].map(({ id }) => id), ['c', 'd'])
})

t.test('what the list had already changes nothing', async (t) => {
  const roster = new Roster()
  roster.stand(at(0))
  roster.begin()
  t.same(told(roster.page([], true, at(0))), [])
  for (const each of [event(1, 'join', 'a', 1), event(2, 'join', 'a', 1), event(3, 'leave', 'x')]) roster.take(each)
  t.equal(roster.size, 1)
})

t.test('after a gap the list is read again, and the difference told', async (t) => {
  const roster = new Roster()
  roster.begin()
  roster.stand(at(1))
  roster.page([member('a'), member('b', 1), member('c')], true, at(1))
  roster.begin()
  roster.stand(at(50))
  t.same(told(roster.page([member('b', 2), member('d')], false, at(50))), [])
  t.equal(roster.size, 3, 'until then what was known holds')
  roster.take(event(51, 'timeout', 'd'))
  t.same(told(roster.page([member('e')], true, at(51))), ['leave a - list', 'leave c - list', 'update b 2 list', 'join e - list'])
})

t.test('a list of another epoch is not taken', async (t) => {
  const roster = new Roster()
  roster.begin()
  roster.stand(at(1))
  t.same(told(roster.page([member('a')], true, at(0, 'f'))), [])
  roster.begin()
  roster.stand(at(0, 'f'))
  t.same(told(roster.page([member('b')], true, at(0, 'f'))), ['join b - list'])
})
