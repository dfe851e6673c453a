import type { Push } from './push.js'

export * from './asyncapi.js'
export * from './channels.js'
export * from './hooks.js'
export * from './message.js'
export * from './options.js'
export * from './presence.js'
export * from './presence-store.js'
export * from './push.js'
export * from './schema.js'
export * from './storage.js'

declare module 'fastify' {
  interface FastifyInstance {
    push: Push
  }
}
