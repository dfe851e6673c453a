import { systemClock } from '../../core/clock.js'
import { base64url } from '../encoding.js'
import type { ClientSocket, Evidence, Platform, SocketEvents } from './platform.js'

/** Pages and workers. Touches no global before it is called. */
export function browserPlatform (): Platform {
  return { name: 'browser', clock: systemClock, random: Math.random, secret, connect, watch }
}

function secret (): string {
  // 24 bytes of one character each in UTF-8: six random bits in each, 144 in all.
  const bytes = crypto.getRandomValues(new Uint8Array(24))
  return base64url(String.fromCharCode(...bytes.map((byte) => byte & 63)))
}

function connect (url: string, protocols: readonly string[], events: SocketEvents): ClientSocket {
  const socket = new WebSocket(url, [...protocols])
  socket.onopen = () => events.open(socket.protocol)
  socket.onmessage = ({ data }) => { if (typeof data === 'string') events.message(data) }
  socket.onclose = ({ code, reason }) => events.close(code, reason)
  return {
    send: (text) => { if (socket.readyState === WebSocket.OPEN) socket.send(text) },
    buffered: () => socket.bufferedAmount,
    close: (code, reason) => socket.close(code, reason),
    abandon: () => {
      socket.onopen = socket.onmessage = socket.onclose = null
      socket.close() // may take a minute on a dead link; nobody waits for it
    }
  }
}

/** Not every place that has a WebSocket has events. */
type Source = Partial<Pick<EventTarget, 'addEventListener' | 'removeEventListener'>>

function watch (listener: (evidence: Evidence) => void): () => void {
  const releases: Array<() => void> = []
  const on = (source: Source | undefined, event: string, evidence: (event: Event) => Evidence | null) => {
    const own = (event: Event) => {
      const what = evidence(event)
      if (what !== null) listener(what)
    }
    source?.addEventListener?.(event, own)
    releases.push(() => source?.removeEventListener?.(event, own))
  }
  const page = typeof document === 'undefined' ? undefined : document // a worker has none
  on(globalThis, 'online', () => 'online')
  on(globalThis, 'offline', () => 'offline')
  on(page, 'visibilitychange', () => page?.visibilityState === 'hidden' ? 'hidden' : 'visible')
  // Some browsers bring a page back from their cache with this event alone.
  on(globalThis, 'pageshow', (event) => (event as PageTransitionEvent).persisted ? 'resumed' : null)
  on(globalThis, 'pagehide', () => 'hiding')
  on(page, 'freeze', () => 'hiding')
  on(page, 'resume', () => 'resumed')
  return () => { for (const release of releases) release() }
}
