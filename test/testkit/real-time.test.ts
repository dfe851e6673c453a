import t from 'tap'
import { RealTime } from '../../lib/testkit/conformance/real-time.js'

/** A time whose clock is in the test's hands, and what `run` said of its attempts. */
function start (): { time: RealTime, pass: (ms: number) => void, again: string[], run: (body: (attempt: number) => Promise<void>) => Promise<number> } {
  let now = 0
  const again: string[] = []
  const time = new RealTime(() => now)
  async function run (body: (attempt: number) => Promise<void>): Promise<number> {
    let attempts = 0
    await time.run(() => body(++attempts), ({ message }) => again.push(message))
    return attempts
  }
  return { time, pass: (ms) => { now += ms }, again, run }
}

t.test('time is waited for, and what the operations took is part of it', async (t) => {
  const time = new RealTime()
  const began = performance.now()
  await time.run(async () => {
    await new Promise((resolve) => { setTimeout(resolve, 30) })
    await time.advance(50)
    t.ok(performance.now() - began >= 45)
  }, () => {})
  await t.rejects(time.advance(1), /outside of a test/)
})

t.test('a test that fails after more time than it let pass is run again', async (t) => {
  const { time, pass, again, run } = start()
  t.equal(await run(async (attempt) => {
    pass(attempt < 3 ? 450 : 350)
    await time.advance(1)
    if (attempt < 3) throw new Error('expired')
  }), 3)
  t.same(again, ['too slow for this test: 450 ms late in attempt 1 of 6', 'too slow for this test: 450 ms late in attempt 2 of 6'])
})

t.test('it is late at its end too; not by what opening took', async (t) => {
  const { time, pass, run } = start()
  t.equal(await run(async (attempt) => {
    pass(5000)
    time.begin()
    await time.advance(1)
    if (attempt === 2) return
    pass(450)
    throw new Error('expired')
  }), 2)
  await t.rejects(run(async () => {
    pass(5000)
    time.begin()
    await time.advance(1)
    throw new Error('right')
  }), { message: 'right' })
})

t.test('a failure that lateness does not explain counts at once', async (t) => {
  const failing = async (body: (world: ReturnType<typeof start>) => Promise<void>): Promise<void> => {
    const world = start()
    await t.rejects(world.run(async () => {
      await body(world)
      throw new Error('wrong')
    }), { message: 'wrong' })
    t.same(world.again, [])
  }
  await failing(async ({ time, pass }) => { pass(300); await time.advance(1) })
  await failing(async ({ pass }) => { pass(9000) })
  await failing(async ({ time, pass }) => { await time.advance(1); pass(9000); time.conclude() })
})

t.test('a machine that stays too slow fails the test, and says so', async (t) => {
  const { time, pass, again, run } = start()
  const cause = new Error('expired')
  await t.rejects(run(async () => {
    pass(600)
    await time.advance(1)
    throw cause
  }), { message: /^too slow .* attempt 6 of 6$/, cause })
  t.equal(again.length, 5)
})

t.test('a test can know that it is behind, and that it is no longer so once it has let time pass', async (t) => {
  const { time, pass, run } = start()
  t.equal(time.isBehind, false, 'outside of a test')
  await run(async () => {
    pass(150)
    t.equal(time.isBehind, false)
    pass(100)
    t.equal(time.isBehind, true)
    await time.advance(100)
    t.equal(time.isBehind, false)
  })
})
