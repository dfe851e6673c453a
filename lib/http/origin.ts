import type { FastifyRequest } from 'fastify'
import type { FastifyPushOptions } from '../../types/options.js'
import { PushError } from '../core/errors.js'

/** Whether an upgrade may come from the page it comes from. Never throws. */
export type OriginCheck = (request: FastifyRequest) => boolean

/**
 * Reads the option `origins`. Throws `PUSH_OPTIONS`.
 * A page of any site can open a WebSocket, and its browser sends the cookies along: only the origin tells whose page it is.
 */
export function originCheck (origins: FastifyPushOptions['origins']): OriginCheck {
  if (origins === '*') return () => true
  if (origins === undefined) return isOfHost
  if (typeof origins === 'function') return asked(origins)
  if (!Array.isArray(origins)) throw new PushError('PUSH_OPTIONS', "origins must be a list, a function, or '*'")
  const listed = new Set(origins.map(readOrigin))
  return ({ headers: { origin } }) => origin === undefined || listed.has(origin)
}

// What no browser sends has no origin. The scheme is not compared: a proxy that ends TLS is known to nobody but `trustProxy`.
function isOfHost ({ headers: { origin }, host }: FastifyRequest): boolean {
  if (origin === undefined) return true
  if (!URL.canParse(origin)) return false
  const url = new URL(origin)
  // A port that is the scheme's own may be written or left out.
  const own = `${url.protocol}//${host}`
  return url.host !== '' && URL.canParse(own) && new URL(own).host === url.host
}

function asked (hook: Exclude<FastifyPushOptions['origins'], string | readonly string[] | undefined>): OriginCheck {
  return (request) => {
    try {
      return hook(request.headers.origin, request) === true
    } catch (error) {
      request.log.error({ err: error }, 'push: origins failed')
      return false
    }
  }
}

// As browsers write it. Schemes of apps (`capacitor://localhost`) have no origin for URL.
function readOrigin (text: unknown): string {
  if (typeof text === 'string' && URL.canParse(text)) {
    const { protocol, host, pathname, search, hash, username } = new URL(text)
    if (host !== '' && `${search}${hash}${username}` === '' && (pathname === '/' || pathname === '')) return `${protocol}//${host}`
  }
  throw new PushError('PUSH_OPTIONS', `not an origin, such as 'https://example.com': ${JSON.stringify(text)}`)
}
