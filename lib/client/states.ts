/**
 * Where the client is.
 * - `idle`: made and not told to connect.
 * - `connecting`: a connection is being opened.
 * - `live`: welcomed by the server.
 * - `waiting`: not connected; the next attempt is scheduled.
 * - `offline`: the platform says there is no network; attempts are rare until it says otherwise.
 * - `closed`: for good, by `close()` or by a code that says not to come back.
 */
export type ClientState = 'idle' | 'connecting' | 'live' | 'waiting' | 'offline' | 'closed'

/** The states that may follow each state. */
const transitions: Readonly<Record<ClientState, readonly ClientState[]>> = {
  idle: ['connecting', 'closed'],
  connecting: ['live', 'connecting', 'waiting', 'offline', 'closed'],
  live: ['connecting', 'waiting', 'offline', 'closed'],
  waiting: ['connecting', 'offline', 'closed'],
  offline: ['connecting', 'waiting', 'closed'],
  closed: []
}

/** Whether `to` may follow `from`. */
export function mayFollow (from: ClientState, to: ClientState): boolean {
  return transitions[from].includes(to)
}
