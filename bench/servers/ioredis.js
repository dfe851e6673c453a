import { Redis } from 'ioredis'
import { Listener } from './listener.js'
import { serve } from './serve.js'
import { Turns } from './turns.js'

/** Options: `redis`, the port; `follows`, a channel. Handlers: those of a publisher, and of the one subscriber. Messages are the JSON of the data. */
serve(async ({ redis, channel, follows }) => {
  const client = new Redis({ port: redis, enableAutoPipelining: true })
  const listener = new Listener()
  if (follows !== undefined) {
    const subscriber = client.duplicate({ enableAutoPipelining: false })
    subscriber.on('messageBuffer', (_, message) => listener.heard(message))
    await subscriber.subscribe(follows)
  }
  const turns = new Turns((data) => client.publish(channel, JSON.stringify(data)))
  return { port: 0, handlers: { ...turns.handlers, ...listener.handlers } }
})
