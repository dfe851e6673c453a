import t from 'tap'
import { memoryStore, ScriptedPlatform, setUp } from '../client/helpers.js'

// A message that no process has sent before its death has no number in the store. The process that sends it gives it one, and may die as well.

t.test('[P-5.6] at QoS 2 a restored message is sent under the same number by every process that sends it', async (t) => {
  const store = memoryStore()
  const first = setUp({ store })
  first.client.channel('room/1').publish('hi', { qos: 2 })
  await first.pass(1_000) // saved, and never sent: there is no connection

  const sent = []
  for (let i = 0; i < 2; i++) {
    const platform = new ScriptedPlatform()
    platform.secret = () => `secret-of-process-${i}-000`
    const { pass } = setUp({ store }, platform)
    await pass() // and it dies: its clock stands still for ever
    sent.push(platform.last.welcome().of('publish')[0])
  }
  t.ok(sent[0]?.publisher, 'it was sent')
  t.strictSame(sent[1], sent[0], 'and again under the same publisher and sequence')
})
