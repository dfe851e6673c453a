/** Options of `push.asyncapi`. */
export interface AsyncApiOptions {
  /** Default: title `Push`, version `1.0.0`. */
  info?: { title: string, version: string, description?: string, [field: string]: unknown }
  /** Where the service is: server objects of AsyncAPI 3.0.0, by name. They are taken as they are. */
  servers?: Readonly<Record<string, { host: string, protocol: string, [field: string]: unknown }>>
}

/** An AsyncAPI 3.0.0 document, as plain JSON. `send` and `receive` are the server's. */
export interface AsyncApi {
  readonly asyncapi: '3.0.0'
  readonly info: NonNullable<AsyncApiOptions['info']>
  readonly servers?: NonNullable<AsyncApiOptions['servers']>
  readonly defaultContentType: string
  readonly channels: Readonly<Record<string, AsyncApiChannel>>
  readonly operations: Readonly<Record<string, AsyncApiOperation>>
}

export interface AsyncApiReference {
  readonly $ref: string
}

export interface AsyncApiChannel {
  /** The pattern, with parameters in braces. */
  readonly address: string
  readonly parameters?: Readonly<Record<string, { readonly description: string }>>
  readonly messages: Readonly<Record<'message', { readonly name: string, readonly contentType: string, readonly payload: object | boolean }>>
  /** QoS of a publish that names none. */
  readonly 'x-qos': 0 | 1 | 2
  /** Whether clients may read the log; if so, what it keeps: records, bytes and milliseconds. */
  readonly 'x-history': false | { readonly limit: number, readonly bytes: number, readonly ttl: number }
  /** What becomes of readers who do not keep up. */
  readonly 'x-slow': string
}

export interface AsyncApiOperation {
  readonly action: 'send' | 'receive'
  readonly channel: AsyncApiReference
  readonly messages: readonly AsyncApiReference[]
}
