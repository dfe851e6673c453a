import { codes, type Code } from '../protocol/codes.js'

/**
 * An error with a code. The code is API and does not change between major versions; the text is for people and may.
 */
export class PushError extends Error {
  readonly code: Code
  /** The message's id, on the error of a publish: a retry with this id is safe. */
  declare id?: string
  /** The name of the limit that was exceeded, as in the options. With `PUSH_TOO_MANY` and `PUSH_BUSY`, where there is one. */
  declare limit?: string
  /** For HTTP: what Fastify answers if the error leaves a route handler. */
  readonly statusCode: number

  constructor (code: Code, message: string = codes[code].text, options?: { cause?: unknown, id?: string | undefined, limit?: string }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'PushError'
    this.code = code
    this.statusCode = codes[code].status
    if (options?.id !== undefined) this.id = options.id
    if (options?.limit !== undefined) this.limit = options.limit
  }

  /** Whether the same call may succeed later. */
  get retryable (): boolean {
    return codes[this.code].retry !== 'never'
  }
}

/** The error itself if it has a code, otherwise one with `code` that has it as its cause. */
export function toPushError (error: unknown, code: Code): PushError {
  return error instanceof PushError ? error : new PushError(code, undefined, { cause: error })
}
