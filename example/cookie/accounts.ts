import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'

/** How long a cookie is good, in seconds. Then its user signs in again. */
const LIFE = 8 * 60 * 60

const signInOptions = {
  schema: {
    body: { type: 'object', required: ['name'], properties: { name: { type: 'string', minLength: 1, maxLength: 40, pattern: '\\S' } } }
  }
}

/**
 * Signing in and out: `POST` and `DELETE /session`. The JWT is in a cookie that no script can read and no form of another site can send. There are no
 * passwords here; what follows is as it would be with them.
 */
const plugin: FastifyPluginAsync<{ secret: string, origin: string }> = async (app, { secret, origin }) => {
  await app.register(cookie)
  await app.register(jwt, { secret, sign: { expiresIn: LIFE }, cookie: { cookieName: 'session', signed: false } })
  const options = { path: '/', httpOnly: true, sameSite: 'strict', secure: origin.startsWith('https:') } as const

  app.post<{ Body: { name: string } }>('/session', signInOptions, async ({ body }, reply) => {
    const name = body.name.trim()
    reply.setCookie('session', app.jwt.sign({ sub: name }), { ...options, maxAge: LIFE })
    // Told on all of the user's devices, now or when they next connect.
    await app.push.send(name, { text: 'Somebody signed in with your name.' })
    return { name }
  })

  app.delete('/session', async (request, reply) => {
    const { sub } = await request.jwtVerify<{ sub: string }>({ onlyCookie: true })
    reply.clearCookie('session', options)
    // Whoever is connected says anew who it is: this browser cannot, others of the user can.
    await app.push.clients({ userId: sub }).disconnect({ code: 'PUSH_EXPIRED' })
    return { name: sub }
  })
}

export const accounts = fp(plugin, { name: 'accounts', dependencies: ['fastify-push'] })
