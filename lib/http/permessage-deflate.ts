import type { WebSocket } from 'ws'

/** Takes one fragment of a compressed message; `callback` gets what it inflates to. */
export type Decompress = (data: Buffer, fin: boolean, callback: (error: Error | null, inflated?: Buffer) => void) => void

/** What was negotiated for one WebSocket (RFC 7692, 7.1), as far as anything here depends on it. */
export interface PerMessageDeflate {
  readonly params: {
    /** The client refers to nothing earlier. */
    readonly client_no_context_takeover?: true
    /** How far back the server may refer, as a power of two. 15 where it is absent. */
    readonly server_max_window_bits?: number
  }
  /** By what `ws` inflates a message. */
  decompress: Decompress
}

const NAME = 'permessage-deflate'
const LARGEST_WINDOW = 15

/** Whether permessage-deflate was negotiated. */
export function isNegotiated (webSocket: WebSocket): boolean {
  return webSocket.extensions.split(',').includes(NAME)
}

/** The extension object of a WebSocket, which `ws` does not document. `null` where there is none, or it is not what is expected. */
export function extensionOf (webSocket: WebSocket): PerMessageDeflate | null {
  const { _extensions: all } = webSocket as unknown as { _extensions?: Readonly<Record<string, Partial<PerMessageDeflate>>> }
  const extension = all?.[NAME]
  if (typeof extension?.decompress !== 'function' || typeof extension.params !== 'object' || extension.params === null) return null
  return extension as PerMessageDeflate
}

/** Whether the peer understands what was deflated with the largest window: not if it asked for a smaller one. */
export function takesDeflated (webSocket: WebSocket): boolean {
  const extension = extensionOf(webSocket)
  return extension !== null && (extension.params.server_max_window_bits ?? LARGEST_WINDOW) === LARGEST_WINDOW
}
