import type { ClientState } from '../../../lib/client/index.js'
import { element } from './view.js'

const texts: Readonly<Record<ClientState, string>> = {
  idle: 'starting',
  connecting: 'connecting…',
  live: 'live',
  waiting: 'waiting',
  offline: 'offline',
  closed: 'closed'
}

let timer: ReturnType<typeof setInterval> | undefined

/** Shows the client's state; while it waits, for how long already. */
export function showState (state: ClientState): void {
  const badge = element('state')
  const since = Date.now()
  badge.dataset.state = state
  badge.textContent = texts[state]
  clearInterval(timer)
  if (state !== 'waiting') return
  timer = setInterval(() => {
    badge.textContent = `waiting · ${Math.round((Date.now() - since) / 1000)} s so far`
  }, 1000)
}
