import type { IncomingMessage } from 'node:http'
import { HELLO_PREFIX, MAX_HELLO_HEADER } from '../protocol/version.js'

const HEADER = 'sec-websocket-protocol'

/** What was taken out of requests and not read yet. */
const taken = new WeakMap<IncomingMessage, string>()

/**
 * Takes the hello, and with it the token, out of a request's headers: whoever logs them later logs no secret. What else is offered stays.
 * Call it before anybody logs; to call it again changes nothing.
 */
export function takeHello (request: IncomingMessage): void {
  const header: unknown = request.headers[HEADER]
  if (typeof header !== 'string' || !header.includes(HELLO_PREFIX)) return
  const offers = header.split(',').map((each) => each.trim())
  const hello = offers.find((each) => each.startsWith(HELLO_PREFIX))
  const rest = offers.filter((each) => !each.includes(HELLO_PREFIX)).join(', ')
  if (hello !== undefined) taken.set(request, hello)
  if (rest === '') delete request.headers[HEADER]
  else request.headers[HEADER] = rest
  clean(request, rest)
}

// As they came: name, value, name, value. Node counts on as many as there were. An injected request has none.
function clean ({ rawHeaders = [] }: Partial<IncomingMessage>, rest: string): void {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() === HEADER) rawHeaders[i + 1] = rest
  }
}

/** The hello that came with an upgrade request, once; `null` where none did, or one that is too long. [P-2.3] */
export function readHello (request: IncomingMessage): string | null {
  takeHello(request)
  const hello = taken.get(request)
  taken.delete(request)
  if (hello === undefined || hello.length > MAX_HELLO_HEADER) return null
  return Buffer.from(hello.slice(HELLO_PREFIX.length), 'base64url').toString('utf8')
}
