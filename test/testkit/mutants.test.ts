import t from 'tap'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { storageConformance } from '../../lib/testkit/index.js'
import type { Break } from './breaking.js'
import { declared, failures } from './failures.js'
import { mutants } from './mutants.js'

const broken = (breakIt: Break, parts: readonly string[], more = {}): Promise<string[]> => failures(parts, (clock) => breakIt(memoryStorage({ clock })), more)
/** Only a failing test waits so long. */
const patient = { patience: 5000 }

const ALL = ['lifecycle', 'log', 'repeats', 'recognise', 'retention', 'message ttl', 'cursors', 'feed', 'sessions', 'presence', 'supports', 'random']

t.test('an adapter that is not broken passes', async (t) => {
  t.same(await broken((storage) => storage, ALL, patient), [])
  t.same(await broken((storage) => ({ ...storage }), ALL, patient), [], 'also as a mixed one')
})

t.test('every broken adapter is caught, by the part of the kit that it breaks', async (t) => {
  t.ok(mutants.length >= 20)
  const also: Record<string, string[]> = { repeats: ['recognise'], retention: ['message ttl'] }
  const idle = new Set(declared())
  for (const { name, part, breakIt } of mutants) {
    const failed = await broken(breakIt, [part, ...also[part] ?? []])
    for (const test of failed) idle.delete(test)
    t.not(failed.length, 0, `${part}: ${name}: ${failed.length} tests fail`)
  }
  t.same([...idle], [], 'no test of the kit is one that cannot fail')
})

t.test('the random tests alone catch what breaks log, cursors and presence', async (t) => {
  const names = ['a read is off by one', 'repeats of a publisher are stored', 'a conflict is taken for a repeat', 'the limit is ignored', 'the age is ignored',
    'a message does not run out', 'a cursor moves back', 'the fence is ignored', 'another epoch always wins', 'one batch in three is lost in silence',
    'the number does not count', 'who left is forgotten at once', 'who left is remembered for ever', 'whoever left comes back', 'a leave without a member is told', 'users are counted by their members',
    'a member stays with its first node', 'when the last one left is known for ever', 'leases run out too soon', 'leases do not run out', 'a list and its position are read apart',
    'a page begins only after a key that is there', 'a timeout that found nobody is one to be back from']
  for (const { name, breakIt } of mutants.filter(({ name }) => names.includes(name))) {
    t.not((await broken(breakIt, ['random'])).length, 0, name)
  }
})

t.test('the seed is in the names and replays them', async (t) => {
  const names = (seed?: number): string[] => {
    const found: string[] = []
    storageConformance({
      test: (name) => { if (name.startsWith('random:')) found.push(name) },
      create: () => memoryStorage(),
      advance: () => {},
      ...(seed === undefined ? {} : { seed })
    })
    return found
  }
  t.same(names(7), names(7))
  t.ok(names(7)[0]?.includes('seed 7'))
  t.match(names()[0], /seed \d+/)
})
