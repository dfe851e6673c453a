import fastifyJwt from '@fastify/jwt'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import type { Identity } from '../../types/index.js'

/** How long a token is good. The page asks for another one in time. */
const LIFE = '10m'

const signInOptions = {
  schema: {
    body: { type: 'object', required: ['name'], properties: { name: { type: 'string', minLength: 1, maxLength: 40, pattern: '\\S' } } }
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Whose token it is. Rejects for one that is forged or has run out. */
    identify (token: string | undefined): Identity
  }
}

/**
 * Who takes part: everybody whom a token of this server names. There are no passwords here, since nothing is to be kept from anybody; what follows
 * the signing in is as it would be with them.
 */
const plugin: FastifyPluginAsync<{ secret: string }> = async (app, { secret }) => {
  await app.register(fastifyJwt, { secret, sign: { expiresIn: LIFE } })
  app.post<{ Body: { name: string } }>('/token', signInOptions, ({ body }) => ({ token: app.jwt.sign({ sub: body.name.trim() }) }))
  app.decorate('identify', (token: string | undefined): Identity => {
    const { sub, exp } = app.jwt.verify<{ sub: string, exp: number }>(token ?? '')
    return { userId: sub, expiresAt: exp * 1000 }
  })
}

export const accounts = fp(plugin, { name: 'accounts' })
