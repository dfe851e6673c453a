import type { Socket } from 'node:net'

/**
 * Ends a connection by RST. One whose FIN is on its way is closed instead: libuv refuses to reset it (UV_EINVAL), and Node then
 * never closes it, so that the process spins at its end.
 */
export function reset (socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}
