import t from 'tap'
import type { Server } from '../../../lib/storage/redis/connection.js'
import { Pulse } from '../../../lib/storage/redis/pulse.js'

/** Beats by the states in which a server is then found, and returns with which beat its connection was dropped; `null`: never. */
async function beat (states: readonly string[], answers: boolean): Promise<number | null> {
  let beats = 0
  let dropped: number | null = null
  const server: Server = {
    get status () { return states[beats++] ?? 'end' },
    disconnect () { dropped = beats },
    callBuffer: async () => answers ? 0 : await new Promise(() => {})
  }
  const pulse = new Pulse(() => beats < states.length ? [server] : [], 2)
  pulse.start()
  while (beats < states.length) await new Promise((resolve) => { setTimeout(resolve, 1) })
  pulse.stop()
  return dropped
}

t.test('a server that gives no sign of life twice in a row is left', async (t) => {
  t.equal(await beat(['ready', 'ready', 'ready'], false), 3)
  t.equal(await beat(['connect', 'connect', 'connect'], true), 3, 'one that does not greet, too')
  t.equal(await beat(['ready', 'ready', 'ready', 'ready', 'ready'], true), null)
})

t.test('one that greets late has given a sign of life', async (t) => {
  t.equal(await beat(['connect', 'connect', 'ready', 'ready', 'ready'], true), null)
})

t.test('what is not connected is not asked', async (t) => {
  t.equal(await beat(['ready', 'reconnecting', 'ready', 'ready', 'close', 'ready'], false), null)
})
