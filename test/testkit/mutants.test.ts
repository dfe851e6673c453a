import t from 'tap'
import { memoryStorage } from '../../lib/storage/memory/index.js'
import { ManualClock, storageConformance } from '../../lib/testkit/index.js'
import type { StorageAdapter } from '../../types/storage.js'
import { mutants, type Mutant } from './mutants.js'

/** Runs the tests of the kit whose name begins with one of `parts`. Returns the names of those that failed. */
async function failures (breakIt: Mutant['breakIt'], parts: readonly string[], createPeer?: (storage: StorageAdapter) => StorageAdapter): Promise<string[]> {
  const clock = new ManualClock()
  const tests: Array<[name: string, body: () => Promise<void>]> = []
  storageConformance({
    test: (name, body) => tests.push([name, body]),
    create: () => breakIt(memoryStorage({ clock })),
    advance: (ms) => clock.advance(ms),
    seed: 1,
    patience: 20,
    ...createPeer && { createPeer }
  })
  const failed: string[] = []
  for (const [name, body] of tests) {
    if (!parts.some((part) => name.startsWith(`${part}:`))) continue
    await body().catch(() => failed.push(name))
  }
  return failed
}

const ALL = ['lifecycle', 'log', 'repeats', 'recognise', 'retention', 'message ttl', 'cursors', 'feed', 'sessions', 'presence', 'supports', 'random']

t.test('an adapter that is not broken passes', async (t) => {
  t.same(await failures((storage) => storage, ALL), [])
  t.same(await failures((storage) => ({ ...storage }), ALL), [], 'also as a mixed one')
})

t.test('every broken adapter is caught, by the part of the kit that it breaks', async (t) => {
  t.ok(mutants.length >= 20)
  const also: Record<string, string[]> = { repeats: ['recognise'], retention: ['message ttl'] }
  for (const { name, part, breakIt } of mutants) {
    const failed = await failures(breakIt, [part, ...also[part] ?? []])
    t.not(failed.length, 0, `${part}: ${name}: ${failed.length} tests fail`)
  }
})

t.test('an adapter that says it is shared or durable is held to it', async (t) => {
  const says = (supports: Partial<StorageAdapter['supports']>) => (storage: StorageAdapter): StorageAdapter => ({ ...storage, supports: { ...storage.supports, ...supports } })
  const sameData = (storage: StorageAdapter): StorageAdapter => ({ ...storage, open: async () => {}, close: async () => {} })
  t.same(await failures(says({ shared: true }), ['supports'], sameData), [])
  t.equal((await failures(says({ shared: true }), ['supports'], () => memoryStorage())).length, 1)
  t.equal((await failures(says({ durable: true }), ['supports'], () => memoryStorage())).length, 1)
  t.same(await failures(says({}), ['supports'], () => memoryStorage()), [], 'who says nothing need not prove it')
})

t.test('the random tests alone catch what breaks log and cursors', async (t) => {
  const names = ['a read is off by one', 'repeats of a publisher are stored', 'a conflict is taken for a repeat', 'the limit is ignored', 'the age is ignored',
    'a message does not run out', 'a cursor moves back', 'the fence is ignored', 'another epoch always wins', 'one batch in three is lost in silence']
  for (const { name, breakIt } of mutants.filter(({ name }) => names.includes(name))) {
    t.not((await failures(breakIt, ['random'])).length, 0, name)
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
