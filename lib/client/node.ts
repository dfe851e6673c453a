import type { AnyChannels } from '../../types/channels.js'
import type { Client } from './api.js'
import { openClient } from './client.js'
import type { ClientOptions } from './options.js'
import { nodePlatform } from './platform/node.js'

export { PushError } from '../core/errors.js'

/**
 * Makes a client and connects it, unless told otherwise. `url` is that of the service's WebSocket route.
 * Keeps the process alive until it is closed. Throws `PUSH_OPTIONS` for options that can never work.
 * `Channels`, of `ChannelsOf`, types its channels.
 */
export function createClient<Channels = AnyChannels> (url: string, options: ClientOptions = {}): Client<Channels> {
  return openClient<Channels>(url, options, options.platform ?? nodePlatform())
}
