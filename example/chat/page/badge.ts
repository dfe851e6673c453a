import type { Client, ClientState } from '../../../lib/client/index.js'
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

/** Shows the client's state; while it waits, how long it still will. */
export function showState ({ state, retryAt }: Client): void {
  const badge = element('state')
  badge.dataset.state = state
  clearInterval(timer)
  const tell = () => {
    const left = retryAt === null ? 0 : Math.ceil((retryAt - Date.now()) / 1000)
    badge.textContent = left > 0 ? `${texts[state]} · ${left} s` : texts[state]
  }
  tell()
  if (retryAt !== null) timer = setInterval(tell, 250)
}
