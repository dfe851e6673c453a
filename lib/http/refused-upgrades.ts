import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

/**
 * Ends the socket of every upgrade that is answered over HTTP. Node has handed it over by then, and @fastify/websocket ends it only if
 * its own hooks ran before whatever refused: a socket left over would keep the server from ever closing.
 */
export function endRefusedUpgrades (fastify: FastifyInstance): void {
  let closing = false
  fastify.addHook('preClose', async () => { closing = true })
  fastify.addHook('onResponse', async ({ raw }) => {
    if ((raw as { upgrade?: boolean }).upgrade === true) raw.socket.destroySoon()
  })
  // A router that closes answers without any hook.
  fastify.server.on('upgrade', (_request, socket) => {
    if (closing) setImmediate(() => { (socket as Socket).destroySoon() })
  })
}
