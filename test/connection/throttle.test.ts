import t from 'tap'
import { Throttle } from '../../lib/connection/throttle.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import { FakeSocket } from '../helpers/node.js'

function make (limits: object = {}) {
  const clock = new ManualClock()
  const socket = new FakeSocket()
  const excesses: [string, number][] = []
  const settings = { limits: { framesPerSecond: 100, bytesPerSecond: 1000, silence: 60_000, ...limits } }
  const throttle = new Throttle(socket, { clock, settings }, { tooMuch: (limit, ms) => { excesses.push([limit, ms]) } })
  return { clock, socket, throttle, excesses }
}

t.test('whoever sends too many frames is not read until it is within the rate again', async (t) => {
  const { clock, socket, throttle, excesses } = make()
  for (let i = 0; i < 100; i++) throttle.frame(1)
  t.equal(socket.paused, false)
  for (let i = 0; i < 50; i++) throttle.frame(1) // in one read
  t.equal(socket.paused, true)
  clock.advance(499)
  t.equal(socket.paused, true)
  clock.advance(20)
  t.equal(socket.paused, false)
  t.equal(clock.pending, 0)
  throttle.frame(1)
  t.equal(socket.paused, false)
  t.same(excesses, [])
})

t.test('bytes count as they come, whatever they are part of', async (t) => {
  const { clock, socket, throttle } = make()
  for (let i = 0; i < 10; i++) throttle.came(100)
  t.equal(socket.paused, false)
  throttle.came(500)
  t.equal(socket.paused, true)
  clock.advance(500)
  t.equal(socket.paused, false)
})

t.test('a frame counts for what it holds, if that is more than came', async (t) => {
  const { socket, throttle } = make()
  throttle.came(100)
  throttle.frame(80)
  throttle.came(80)
  throttle.frame(100)
  throttle.frame(820)
  t.equal(socket.paused, false, '1,000 of each')
  throttle.frame(1)
  t.equal(socket.paused, true)
})

t.test('what no pause makes up for ends the connection', async (t) => {
  const { clock, socket, throttle, excesses } = make({ silence: 2000 })
  throttle.came(3001)
  t.same(excesses, [['bytesPerSecond', 2001]])
  t.equal(socket.paused, true)
  t.equal(clock.pending, 0)
})

t.test('the same where it came in the read that was not over', async (t) => {
  const { clock, excesses, throttle } = make({ silence: 2000 })
  throttle.came(1100)
  for (let i = 0; i < 500; i++) throttle.frame(1)
  clock.advance(100)
  t.match(excesses, [['framesPerSecond', 3900]])
})

t.test('says while it pauses, so that nobody else lets the socket be read', async (t) => {
  const { clock, throttle } = make()
  t.equal(throttle.pausing, false)
  throttle.came(1500)
  t.equal(throttle.pausing, true)
  clock.advance(520)
  t.equal(throttle.pausing, false)
})

t.test('at the end it reads on, so that the handshake can end, but no flood', async (t) => {
  const { clock, socket, throttle, excesses } = make()
  throttle.came(1100)
  t.equal(socket.paused, true)
  throttle.release()
  t.equal(socket.paused, false)
  t.equal(clock.pending, 0)
  throttle.came(1)
  t.equal(socket.paused, true)
  t.equal(clock.pending, 0, 'for good')
  t.same(excesses, [])
})
