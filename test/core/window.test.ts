import t from 'tap'
import { InflightWindow } from '../../lib/core/window.js'

t.test('bounds what is sent and not acknowledged', async (t) => {
  const window = new InflightWindow(3, 10, 10)
  t.equal(window.limit, 13)
  t.same([window.room(10), window.room(12), window.room(13)], [3, 1, 0])
  t.equal(window.acknowledge(11, 13), 'advanced')
  t.equal(window.room(13), 1)
})

t.test('acknowledgements are cumulative: a stale one moves nothing', async (t) => {
  const window = new InflightWindow(3, 10, 10)
  t.equal(window.acknowledge(12, 13), 'advanced')
  t.equal(window.acknowledge(12, 13), 'stale')
  t.equal(window.acknowledge(11, 13), 'stale')
  t.same([window.acknowledged, window.limit], [12, 15])
})

t.test('an acknowledgement beyond the head moves nothing; one beyond what was sent but within the head does', async (t) => {
  const window = new InflightWindow(3, 10, 10)
  t.equal(window.acknowledge(14, 13), 'beyond')
  t.same([window.acknowledged, window.limit], [10, 13])
  t.equal(window.acknowledge(13, 13), 'advanced')
  t.same([window.acknowledged, window.limit], [13, 16])
})

t.test('what is acknowledged may lie before where sending starts; the limit never goes back', async (t) => {
  const window = new InflightWindow(3, 10, 4)
  t.equal(window.limit, 13)
  t.equal(window.acknowledge(5, 20), 'advanced')
  t.same([window.acknowledged, window.limit], [5, 13])
  window.skip(12)
  t.equal(window.limit, 15)
  window.skip(1)
  t.equal(window.limit, 15)
  t.equal(new InflightWindow(3, 0, -1).acknowledge(0, 0), 'advanced', 'nothing is known to be acknowledged, not even the beginning')
})

t.test('starts over in another epoch', async (t) => {
  const window = new InflightWindow(3, 10, 10)
  window.reset(0, -1)
  t.same([window.acknowledged, window.limit, window.size], [-1, 3, 3])
})
