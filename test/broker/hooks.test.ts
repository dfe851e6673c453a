import t from 'tap'
import { ChannelHooks, HookScope, Hooks, NO_HOOKS } from '../../lib/broker/hooks.js'
import { PushError } from '../../lib/core/errors.js'
import { ManualClock } from '../../lib/testkit/manual-clock.js'
import type { HookName, PublishEvent } from '../../types/hooks.js'
import { settled } from '../helpers/node.js'

const client = { clientId: 'phone', userId: 'alice' }
const subscribing = { channel: 'room/1', params: { id: '1' }, client, qos: 1 as const, by: 'client' as const }
const publishing: PublishEvent = { channel: 'room/1', params: { id: '1' }, data: 'a', id: 'x', qos: 1, client }
const told: HookName[] = ['onUnsubscribe', 'onPresence', 'onDeliver', 'onAck', 'onRedeliver', 'onDrop', 'onGap']

function make () {
  const clock = new ManualClock()
  const errors: unknown[] = []
  const hooks = new Hooks({ clock, timeout: 100, onError: (error) => { errors.push(error) } })
  const of = (scope: HookScope, own = {}) => {
    const compiled = new ChannelHooks()
    hooks.attach(compiled, scope, own)
    return compiled
  }
  return { clock, errors, hooks, of }
}

t.test('nobody registered anything: there is nothing to call', async (t) => {
  const { hooks, of } = make()
  const compiled = of(hooks.root)
  t.same(Object.values(compiled), Object.values(NO_HOOKS))
  t.ok(Object.values(compiled).every((each) => each === null))
  t.same([hooks.connect, hooks.disconnect], [null, null])
})

t.test('only what was registered is called, and each by its name', async (t) => {
  const fields: Record<string, keyof ChannelHooks> = { onUnsubscribe: 'unsubscribe', onPresence: 'presence', onDeliver: 'deliver', onAck: 'ack', onRedeliver: 'redeliver', onDrop: 'drop', onGap: 'gap' }
  for (const name of told) {
    const { hooks, of } = make()
    const heard: unknown[] = []
    hooks.add(hooks.root, name, (event: unknown) => { heard.push(event) })
    const compiled = of(hooks.root)
    const field = fields[name] as keyof ChannelHooks
    for (const [key, value] of Object.entries(compiled)) t.equal(value === null, key !== field, `${name}: ${key}`)
    ;(compiled[field] as (event: unknown) => void)({ channel: 'a' })
    t.same(heard, [{ channel: 'a' }])
  }
})

t.test('the outer ones first, then in the order added, then the channel’s own; added later too', async (t) => {
  const { hooks, of } = make()
  const order: string[] = []
  const note = (name: string) => async () => { order.push(name) }
  const inner = new HookScope(hooks.root)
  const sibling = new HookScope(hooks.root)
  hooks.add(inner, 'onSubscribe', note('inner 1'))
  const compiled = of(inner, { onSubscribe: note('own') })
  hooks.add(inner, 'onSubscribe', note('inner 2'))
  hooks.add(sibling, 'onSubscribe', note('sibling'))
  hooks.add(hooks.root, 'onSubscribe', note('outer'))
  await compiled.subscribe?.(subscribing)
  t.same(order.splice(0), ['outer', 'inner 1', 'inner 2', 'own'])
  await of(hooks.root).subscribe?.(subscribing)
  t.same(order.splice(0), ['outer'])
})

t.test('each waits for the one before it, and a refusal ends the row', async (t) => {
  const { hooks, of } = make()
  const order: string[] = []
  hooks.add(hooks.root, 'onSubscribe', async () => {
    await settled()
    order.push('slow')
  })
  hooks.add(hooks.root, 'onSubscribe', () => {
    order.push('no')
    throw Object.assign(new Error('no'), { statusCode: 403 })
  })
  hooks.add(hooks.root, 'onSubscribe', () => { order.push('never') })
  await t.rejects(async () => of(hooks.root).subscribe?.(subscribing), { code: 'PUSH_FORBIDDEN' })
  t.same(order, ['slow', 'no'])
})

t.test('what a throw means, and who hears of it', async (t) => {
  const cases: [unknown, string, number][] = [
    [Object.assign(new Error('not yours'), { statusCode: 404 }), 'PUSH_FORBIDDEN', 0],
    [new PushError('PUSH_INVALID'), 'PUSH_INVALID', 0],
    [new Error('bug'), 'PUSH_UNAVAILABLE', 1],
    [undefined, 'PUSH_UNAVAILABLE', 1]
  ]
  for (const [error, code, reported] of cases) {
    for (const hook of [() => { throw error }, () => Promise.reject(error)]) {
      const { hooks, of, errors } = make()
      hooks.add(hooks.root, 'onPublish', hook)
      await t.rejects(async () => of(hooks.root).publish?.(publishing), { code })
      t.equal(errors.length, reported, code)
    }
  }
})

t.test('a hook that does not answer refuses in time, leaves no timer, and the next one is not asked', async (t) => {
  const { hooks, of, clock, errors } = make()
  let asked = 0
  hooks.add(hooks.root, 'onSubscribe', () => new Promise(() => {}))
  hooks.add(hooks.root, 'onSubscribe', () => { asked++ })
  const refused = t.rejects(async () => of(hooks.root).subscribe?.(subscribing), { code: 'PUSH_UNAVAILABLE' })
  await clock.advanceAsync(99)
  t.equal(errors.length, 0)
  await clock.advanceAsync(1)
  await refused
  t.equal(clock.pending, 0)
  t.equal(asked, 0)
  t.match(errors, [{ message: /onSubscribe/ }])
})

t.test('a hook that answers at once costs no timer', async (t) => {
  const { hooks, of, clock } = make()
  hooks.add(hooks.root, 'onPublish', () => {
    t.equal(clock.pending, 0)
    return 'b'
  })
  t.equal(await of(hooks.root).publish?.(publishing), 'b')
})

t.test('onPublish: each gets what the one before it made of the data', async (t) => {
  const { hooks, of } = make()
  const seen: unknown[] = []
  const note = (event: PublishEvent) => { seen.push(event.data) }
  hooks.add(hooks.root, 'onPublish', async ({ data }: PublishEvent) => `${data}b`)
  hooks.add(hooks.root, 'onPublish', note)
  hooks.add(hooks.root, 'onPublish', () => null)
  const compiled = of(hooks.root, { onPublish: note })
  t.equal(await compiled.publish?.(publishing), null)
  t.same(seen, ['ab', null])
  t.equal(publishing.data, 'a')
})

t.test('what is told never throws, and does not keep others from hearing', async (t) => {
  const { hooks, of, errors } = make()
  let heard = 0
  hooks.add(hooks.root, 'onAck', () => { throw new Error('one') })
  hooks.add(hooks.root, 'onAck', () => Promise.reject(new Error('two')))
  hooks.add(hooks.root, 'onAck', () => ({ then: () => { throw new Error('three') } }))
  hooks.add(hooks.root, 'onAck', () => { heard++ })
  of(hooks.root).ack?.({ channel: 'a', client, position: { epoch: 'e', offset: 1 } })
  t.equal(heard, 1)
  await settled()
  t.same(errors.map((error) => (error as Error).message), ['one', 'two', 'three'])
})

t.test('those of connections hold everywhere, in the order added', async (t) => {
  const { hooks } = make()
  const order: string[] = []
  const inner = new HookScope(hooks.root)
  hooks.add(inner, 'onConnect', () => { order.push('inner') })
  hooks.add(hooks.root, 'onConnect', () => { order.push('outer') })
  hooks.add(inner, 'onDisconnect', () => { order.push('gone') })
  await hooks.connect?.({ client })
  hooks.disconnect?.({ client, code: null })
  t.same(order, ['inner', 'outer', 'gone'])
})

t.test('what is no hook, no function, or too late is refused and changes nothing', async (t) => {
  const { hooks, of } = make()
  const compiled = of(hooks.root)
  for (const name of ['onRequest', '', 'constructor', 'toString', undefined, null, 1] as unknown as HookName[]) {
    t.throws(() => hooks.add(hooks.root, name, () => {}), { code: 'PUSH_OPTIONS' }, String(name))
  }
  for (const hook of [undefined, null, {}, 'f', 1]) t.throws(() => hooks.add(hooks.root, 'onPublish', hook), { code: 'PUSH_OPTIONS', message: /onPublish/ })
  hooks.start()
  t.throws(() => hooks.add(hooks.root, 'onPublish', () => {}), { code: 'PUSH_OPTIONS', message: /started/ })
  t.same(Object.values(compiled), Object.values(NO_HOOKS))
  const late = of(hooks.root, { onPublish: () => 'own' })
  t.equal(await late.publish?.(publishing), 'own', 'channels can be declared later')
})
