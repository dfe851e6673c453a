import { PushError } from '../core/errors.js'
import type { BackoffOptions } from './backoff.js'
import type { Platform } from './platform/platform.js'

/** Where the client keeps what a reload must not lose: sessionStorage, localStorage and React Native's AsyncStorage fit as they are. */
export interface ClientStore {
  getItem (key: string): string | null | undefined | Promise<string | null | undefined>
  setItem (key: string, value: string): unknown
  removeItem (key: string): unknown
}

/** What happens to a message whose handler threw or rejected. */
export interface HandlerPolicy {
  /** How often the message is handed over before it is given up. 1: once. Default 5. */
  readonly tries: number
  /** Milliseconds before it is handed over again; doubles each time. Default 1,000. */
  readonly delay: number
}

/** A token; `null` or `undefined` where there is none. */
export type Token = string | null | undefined

export interface ClientOptions {
  /** Names this client, 1 to 128 of `A-Z a-z 0-9 _ . ~ @ -`, where it wants offline messages. Two clients of one name take turns, so name devices and not people. */
  clientId?: string
  /**
   * Who the user is, in words the server understands: 8,192 characters at the most. A function is asked before every connection, and once more where
   * the server does not take what it gave. What it cannot give is told by the event `error`, and it is asked again later.
   */
  token?: Token | (() => Token | Promise<Token>)
  /** Keeps the session, cursors and unsent messages over reloads. Default: nothing is kept. One store serves one client at a time. */
  store?: ClientStore
  /** Bounds what waits for the server's acknowledgement: `items` (default 1,000) and `bytes` (default 1 MiB). Beyond: `PUSH_OUTBOX_FULL`. */
  outbox?: { items?: number, bytes?: number }
  /** How to come back. */
  reconnect?: Partial<BackoffOptions>
  /** What happens when a handler throws, unless the subscription says otherwise. */
  onError?: Partial<HandlerPolicy>
  /** Milliseconds over which acknowledgements are gathered into one frame. Default 0: those of one turn. */
  ackDelay?: number
  /** Bounds each step of connecting, in milliseconds. Default 8,000. */
  connectTimeout?: number
  /** Whether to connect without being told to. Default true. */
  connect?: boolean
  /** Replaces what the entry point brings. */
  platform?: Platform
}

/** The options with all defaults. */
export interface Settings {
  readonly clientId: string | undefined
  readonly token: () => Token | Promise<Token>
  /** Whether the token may be another one the next time. */
  readonly renewsToken: boolean
  readonly store: ClientStore | undefined
  readonly outbox: { readonly items: number, readonly bytes: number }
  readonly reconnect: BackoffOptions
  readonly onError: HandlerPolicy
  readonly ackDelay: number
  readonly connectTimeout: number
}

/** Fills in the defaults. Throws `PUSH_OPTIONS` for what can never work. */
export function settingsOf (options: ClientOptions): Settings {
  const { clientId, token, store, ackDelay = 0, connectTimeout = 8_000 } = options
  if (clientId !== undefined && !(typeof clientId === 'string' && /^[\w.~@-]{1,128}$/.test(clientId))) {
    throw new PushError('PUSH_OPTIONS', 'clientId must be 1 to 128 of A-Z a-z 0-9 _ . ~ @ -')
  }
  return {
    clientId,
    token: typeof token === 'function' ? token : () => token,
    renewsToken: typeof token === 'function',
    store,
    outbox: { items: 1_000, bytes: 1_048_576, ...options.outbox },
    reconnect: { min: 100, base: 500, max: 20_000, ...options.reconnect },
    onError: { tries: 5, delay: 1_000, ...options.onError },
    ackDelay,
    connectTimeout
  }
}
