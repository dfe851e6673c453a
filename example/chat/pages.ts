import { readFile } from 'node:fs/promises'
import type { FastifyPluginAsync } from 'fastify'
import { bundle, sources } from '../bundle.js'
import type { Network } from './network.js'

const root = new URL('chat/page/', sources)

const headers = {
  'cache-control': 'no-cache',
  'content-security-policy': "default-src 'self'; img-src data:; connect-src 'self' ws:",
  'x-content-type-options': 'nosniff'
}

const pageOptions = {
  schema: {
    params: { type: 'object', properties: { page: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' } } },
    body: { type: 'object', required: ['cut'], properties: { cut: { type: 'boolean' } } }
  }
}

interface PageRoute {
  Params: { page: string }
  Body: { cut: boolean }
}

/** Serves the page with its script, which is bundled once at start, and the switch that cuts a page off. */
export const pages: FastifyPluginAsync<{ network: Network }> = async (app, { network }) => {
  const files = [
    { path: '/', type: 'text/html; charset=utf-8', content: await readFile(new URL('index.html', root)) },
    { path: '/style.css', type: 'text/css; charset=utf-8', content: await readFile(new URL('style.css', root)) },
    { path: '/chat.js', type: 'text/javascript; charset=utf-8', content: await bundle('chat/page/chat.ts') }
  ]
  for (const { path, type, content } of files) {
    app.get(path, (_request, reply) => reply.headers(headers).type(type).send(content))
  }
  app.get<PageRoute>('/network/:page', ({ params }) => ({ cut: network.isCut(params.page) }))
  app.put<PageRoute>('/network/:page', pageOptions, ({ params, body }) => {
    if (body.cut) network.cut(params.page)
    else network.restore(params.page)
    return { cut: body.cut }
  })
}
