import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import Fastify from 'fastify'
import fastifyPush from '../../lib/index.js' // in your project: 'fastify-push'
import { bundle, sources } from '../bundle.js'
import { accounts } from './accounts.js'

const port = Number(process.env.PORT ?? 3000)
/** Where the page is. Behind a proxy it is not what the server listens on. */
const origin = process.env.ORIGIN ?? `http://127.0.0.1:${port}`

const app = Fastify({ forceCloseConnections: true })
await app.register(fastifyPush, {
  // The cookie comes with the upgrade. Its decoder is registered below: it is asked when somebody connects.
  authenticate: async (request) => {
    const { sub, exp } = await request.jwtVerify<{ sub: string, exp: number }>({ onlyCookie: true })
    return { userId: sub, expiresAt: exp * 1000 }
  },
  // Browsers send the cookie along from pages of other sites too. Those may not connect.
  origins: [origin]
})
await app.register(accounts, { secret: process.env.SECRET ?? randomBytes(32).toString('hex'), origin })

const page = await readFile(new URL('cookie/page/index.html', sources))
const script = await bundle('cookie/page/page.ts')
app.get('/', (_request, reply) => reply.type('text/html; charset=utf-8').send(page))
app.get('/page.js', (_request, reply) => reply.type('text/javascript; charset=utf-8').send(script))

await app.listen({ host: '127.0.0.1', port, backlog: 4096 })
console.log(`Sign in at ${origin}/ (Ctrl+C ends it).`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => app.close())
