import Fastify from 'fastify'
import { expect, test } from 'tstyche'
import type { Push, PublishResult } from '../lib/index.js'

interface Channels {
  'room/:id': { text: string }
}

declare module '../lib/index.js' {
  interface PushChannels extends Channels {}
}

test('a host that declares its channels once has them checked everywhere', () => {
  const { push } = Fastify()
  expect(push).type.toBe<Push>()
  expect(push.publish('room/1', { text: 'hi' })).type.toBe<Promise<PublishResult>>()
  expect(push.publish).type.not.toBeCallableWith('rooms/1', { text: 'hi' })
  expect(push.publish).type.not.toBeCallableWith('room/1', { txt: 'hi' })
  expect(push.history).type.not.toBeCallableWith('rooms/1')
})
