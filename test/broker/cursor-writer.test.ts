import t from 'tap'
import { CursorWriter } from '../../lib/broker/cursor-writer.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import type { CursorCommit, CursorStore } from '../../types/storage.js'
import { settled } from '../helpers/node.js'

function make () {
  const clock = new ManualClock()
  const errors: unknown[] = []
  const batches: [string, string[]][] = []
  const removed: string[] = []
  const control = { fail: 0, outcome: 'committed' as 'committed' | 'fenced', held: null as (() => void)[] | null }
  const store: CursorStore = {
    load: async () => null,
    reached: async () => [],
    async commit (channel, commits) {
      batches.push([channel, commits.map(({ session, position }) => `${session}@${position.offset}`)])
      const { held } = control
      if (held !== null) await new Promise<void>((resolve) => { held.push(resolve) })
      if (control.fail-- > 0) throw new Error('down')
      return commits.map(() => control.outcome)
    },
    async remove (channel, session) { removed.push(`${channel} ${session}`) }
  }
  const writer = new CursorWriter(store, clock, setImmediate, (error) => { errors.push(error) })
  const outcomes: string[] = []
  const write = (session: string, offset: number, channel = 'a') => {
    const commit: CursorCommit = { session, generation: 1, number: offset, position: { epoch: 'e', offset }, ttl: 1000 }
    writer.write(channel, commit, (outcome, position) => { outcomes.push(`${session}@${position.offset} ${outcome}`) })
  }
  return { writer, write, clock, errors, batches, removed, control, outcomes }
}

t.test('commits of a tick are one call a channel, the newest of each session', async (t) => {
  const { write, batches, outcomes } = make()
  write('s', 1)
  write('r', 1)
  write('s', 2)
  write('s', 9, 'b')
  t.same(batches, [])
  await settled()
  t.same(batches, [['a', ['s@2', 'r@1']], ['b', ['s@9']]])
  t.same(outcomes, ['s@2 committed', 'r@1 committed', 's@9 committed'])
})

t.test('while one is under way the next ones gather', async (t) => {
  const { write, batches, control, outcomes } = make()
  control.held = []
  write('s', 1)
  await settled()
  for (const offset of [2, 3, 4]) write('s', offset)
  await settled()
  t.same(batches, [['a', ['s@1']]])
  const held = control.held
  control.held = null
  held.forEach((proceed) => proceed())
  await settled()
  t.same(batches, [['a', ['s@1']], ['a', ['s@4']]])
  t.same(outcomes, ['s@1 committed', 's@4 committed'])
})

t.test('a failure is tried again after a pause, with what is newest by then', async (t) => {
  const { write, batches, control, clock, errors, outcomes } = make()
  control.fail = 1
  write('s', 1)
  write('r', 1)
  await settled()
  write('s', 2)
  await settled()
  t.equal(batches.length, 1)
  await clock.advanceAsync(500)
  await settled()
  t.same(batches[1], ['a', ['s@2', 'r@1']])
  t.same(outcomes, ['s@2 committed', 'r@1 committed'])
  t.equal(errors.length, 1)
})

t.test('what failed is not given up for less of the same cursor', async (t) => {
  const { write, batches, control, clock } = make()
  control.held = []
  control.fail = 1
  write('user', 5)
  await settled()
  write('user', 3)
  const held = control.held
  control.held = null
  held.forEach((proceed) => proceed())
  await settled()
  await clock.advanceAsync(500)
  await settled()
  t.same(batches.slice(1), [['a', ['user@5']]])
})

t.test('fenced is told', async (t) => {
  const { write, control, outcomes } = make()
  control.outcome = 'fenced'
  write('s', 1)
  await settled()
  t.same(outcomes, ['s@1 fenced'])
})

t.test('remove comes after what is under way, and takes what waits', async (t) => {
  const { writer, write, control, removed, batches, clock } = make()
  control.held = []
  control.fail = 1
  write('s', 1)
  await settled()
  write('s', 2)
  const done = writer.remove('a', 's', 1)
  await settled()
  t.same(removed, [])
  const held = control.held
  control.held = null
  held.forEach((proceed) => proceed())
  await settled()
  await clock.advanceAsync(500)
  await done
  t.same(removed, ['a s'])
  t.notOk(batches.flat(2).includes('s@2'))
  await writer.remove('b', 's', 1)
  t.same(removed, ['a s', 'b s'])
  write('s', 3)
  const last = writer.remove('a', 's', 1)
  await last
  await settled()
  t.notOk(batches.flat(2).includes('s@3'))
})

t.test('a channel that is acknowledged without pause lets nobody wait for more than the own commits', async (t) => {
  const { writer, write, control, removed, batches } = make()
  const held: (() => void)[] = control.held = []
  let offset = 0
  // The next one of another session is always there before a call has ended.
  const proceed = async () => {
    write('busy', ++offset)
    held.splice(0).forEach((go) => go())
    await settled()
  }
  write('s', 1)
  await proceed()
  write('r', 1)
  const done: string[] = []
  const waits = [
    writer.written('a', 's').then(() => done.push('s is written')),
    writer.written('a', 'r').then(() => done.push('r is written')),
    writer.written('a', 'nobody').then(() => done.push('nobody has nothing to wait for')),
    writer.remove('a', 's', 1).then(() => done.push('s is removed'))
  ]
  await settled()
  t.same(done.splice(0), ['nobody has nothing to wait for'])
  await proceed()
  t.same(done.splice(0), ['s is written', 's is removed'])
  await proceed()
  t.same(done, ['r is written'])
  t.same(batches, [['a', ['s@1', 'busy@1']], ['a', ['r@1', 'busy@2']], ['a', ['busy@3']]])
  t.same(removed, ['a s'])
  while (held.length > 0) {
    held.splice(0).forEach((go) => go())
    await settled()
  }
  await Promise.all(waits)
})

t.test('close writes what is left, and does not try for ever', async (t) => {
  const { writer, write, batches, control, errors, outcomes } = make()
  write('s', 1)
  await writer.close()
  t.same(batches, [['a', ['s@1']]])
  write('s', 2)
  await settled()
  t.equal(batches.length, 1, 'nothing is taken any more')
  t.same(outcomes, ['s@1 committed'])
  const failing = make()
  failing.control.fail = 5
  failing.write('s', 1)
  await failing.writer.close()
  t.equal(failing.batches.length, 1)
  t.equal(failing.errors.length, 1)
  t.same([control.fail, errors], [-1, []])
})
