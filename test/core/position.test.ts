import t from 'tap'
import { isPosition, later, resume, samePosition, verdict } from '../../lib/core/position.js'
import type { LogState } from '../../types/storage.js'
import { follow, type Rule } from './follower.js'

const at = (offset: number, epoch = 'e') => ({ epoch, offset })

t.test('verdict: the four rows of the rule', async (t) => {
  t.equal(verdict(at(5), 'other', 6), 'reset')
  t.equal(verdict(at(5), 'e', 4), 'duplicate')
  t.equal(verdict(at(5), 'e', 5), 'duplicate')
  t.equal(verdict(at(5), 'e', 6), 'deliver')
  t.equal(verdict(at(5), 'e', 7), 'behind')
  t.equal(verdict(at(0), 'e', 1), 'deliver')
})

t.test('resume: goes on where nothing is missing', async (t) => {
  const state: LogState = { epoch: 'e', head: 9, first: 4 }
  for (const offset of [3, 4, 8, 9]) t.same(resume(at(offset), state), { position: at(offset) })
  t.same(resume(at(9), { epoch: 'e', head: 9, first: 10 }), { position: at(9) }, 'nothing is kept, nothing is missed')
  t.same(resume(at(0), { epoch: 'e', head: 0, first: 1 }), { position: at(0) })
})

t.test('resume: names what retention took', async (t) => {
  t.same(resume(at(1), { epoch: 'e', head: 9, first: 4 }), { position: at(3), gap: { reason: 'retention', from: 2, to: 3, count: 2 } })
  t.same(resume(at(0), { epoch: 'e', head: 9, first: 10 }), { position: at(9), gap: { reason: 'retention', from: 1, to: 9, count: 9 } })
})

t.test('resume: a position that the log cannot have given goes back to the head, said aloud', async (t) => {
  t.same(resume(at(10), { epoch: 'e', head: 9, first: 4 }), { position: at(9), gap: { reason: 'unverified', from: null, to: null, count: null } })
})

t.test('resume: another epoch starts before its first record, or continues the one it names', async (t) => {
  const uncounted = { from: null, to: null, count: null }
  t.same(resume(at(7, 'old'), { epoch: 'e', head: 9, first: 4 }), { position: at(3), gap: { reason: 'epoch', ...uncounted } })
  const state: LogState = { epoch: 'e', head: 9, first: 4, continues: [{ epoch: 'old', end: 6 }, { epoch: 'older', end: 7 }, { epoch: 'oldest', end: 5 }] }
  const goesOn = (offset: number) => resume(at(offset, 'old'), state)
  t.same(goesOn(5), { position: at(5), gap: { reason: 'unverified', ...uncounted } }, 'up to the end: goes on')
  t.same(goesOn(8), { position: at(6), gap: { reason: 'unverified', ...uncounted } }, 'beyond the end: goes back')
  t.same(goesOn(1), { position: at(3), gap: { reason: 'unverified', ...uncounted } }, 'not before the first record')
  t.same(resume(at(9, 'older'), state), { position: at(6), gap: { reason: 'unverified', ...uncounted } }, 'what a later epoch lost is lost')
  t.same(resume(at(9, 'oldest'), state), { position: at(5), gap: { reason: 'unverified', ...uncounted } }, 'so is what its own lost')
  t.same(resume(at(5, 'unheard of'), state), { position: at(3), gap: { reason: 'epoch', ...uncounted } })
})

t.test('later, samePosition and isPosition', async (t) => {
  t.same(later(at(3), at(5)), at(5))
  t.same(later(at(5), at(3)), at(5))
  t.same(later(at(3), at(5, 'other')), at(3))
  t.same(later(at(3), null), at(3))
  t.ok(samePosition(at(3), at(3)))
  t.notOk(samePosition(at(3), at(4)))
  t.notOk(samePosition(at(3), at(3, 'other')))
  for (const value of [at(0), at(Number.MAX_SAFE_INTEGER), at(1, 'x'.repeat(64))]) t.ok(isPosition(value))
  for (const value of [null, undefined, 5, 'e', [], {}, at(-1), at(1.5), at(NaN), at(2 ** 53), at(1, ''), at(1, 'x'.repeat(65)), { epoch: 1, offset: 1 }, { epoch: 'e', offset: '1' }]) {
    t.notOk(isPosition(value), JSON.stringify(value))
  }
})

const RUNS = 1500
const rule: Rule = { verdict, resume }

t.test('the rule holds on random interleavings of loss, repetition, disorder, trims, new epochs and paged reads', async (t) => {
  const first = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  for (let seed = first; seed < first + RUNS; seed++) {
    const wrong = follow(rule, seed)
    if (wrong !== null) return t.fail(`SEED=${seed}: ${wrong}`)
  }
  t.pass(`${RUNS} runs from SEED=${first}`)
})

t.test('each broken variant of the rule is caught', async (t) => {
  const broken: Record<string, Partial<Rule>> = {
    'a duplicate is delivered': { verdict: (cursor, epoch, offset) => verdict(cursor, epoch, offset) === 'duplicate' ? 'deliver' : verdict(cursor, epoch, offset) },
    'the record at the position is delivered': { verdict: (cursor, epoch, offset) => epoch === cursor.epoch && offset === cursor.offset ? 'deliver' : verdict(cursor, epoch, offset) },
    'a hole is stepped over': { verdict: (cursor, epoch, offset) => verdict(cursor, epoch, offset) === 'behind' ? 'deliver' : verdict(cursor, epoch, offset) },
    'what is ahead is dropped': { verdict: (cursor, epoch, offset) => verdict(cursor, epoch, offset) === 'deliver' ? 'duplicate' : verdict(cursor, epoch, offset) },
    'another epoch is not noticed': { verdict: (cursor, _, offset) => verdict(cursor, cursor.epoch, offset) },
    'a gap is silent': { resume: (cursor, state) => ({ position: resume(cursor, state).position }) },
    'a gap is one too short': {
      resume: (cursor, state) => {
        const { position, gap } = resume(cursor, state)
        return gap?.to == null ? { position, ...gap && { gap } } : { position, gap: { ...gap, to: gap.to - 1 } }
      }
    },
    'a new epoch goes on with the old number': { resume: (cursor, state) => cursor.epoch === state.epoch ? resume(cursor, state) : { ...resume(cursor, state), position: { epoch: state.epoch, offset: cursor.offset } } },
    'a continued log is read from its beginning': { resume: (cursor, { continues: _, ...state }) => resume(cursor, state) },
    'only the latest end counts': { resume: (cursor, { continues = [], ...state }) => resume(cursor, { ...state, continues: continues.map(({ epoch }) => ({ epoch, end: continues[0]?.end ?? 0 })) }) },
    'a new epoch starts at the head': { resume: (cursor, state) => cursor.epoch === state.epoch ? resume(cursor, state) : { ...resume(cursor, state), position: { epoch: state.epoch, offset: state.head } } }
  }
  for (const [name, change] of Object.entries(broken)) {
    let seed = 1
    while (seed < RUNS && follow({ ...rule, ...change }, seed) === null) seed++
    t.ok(seed < RUNS, `${name}: seed ${seed}`)
  }
})
