import type { Requests } from './requests.js'

/** Asks how many messages lie after this client's cursor. [P-6.4] Rejects with the code of the server's refusal. */
export function countUnread (requests: Requests, channel: string): Promise<number> {
  const count = new Promise<number>((resolve, reject) => {
    requests.ask({ type: 'unread', channel }, (reply) => { if (reply.type === 'unread') resolve(reply.count) }, reject)
  })
  count.catch(() => {}) // nobody has to await it
  return count
}
