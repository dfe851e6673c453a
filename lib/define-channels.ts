import type { TSchema } from 'typebox'
import type { ChannelOptions } from '../types/index.js'

/** What `defineChannels` gives: patterns and their options, of which the schemas are known. */
export type DefinedChannels<Schemas> = {
  readonly [Pattern in keyof Schemas]: Omit<ChannelOptions, 'schema'> & { readonly schema?: Schemas[Pattern] extends TSchema ? Schemas[Pattern] : TSchema }
}

/**
 * Types the options of channels: parameters and data of the hooks follow from pattern and schema. Gives back what it is given, to be passed as
 * `channels`, and to `ChannelsOf` for the types of server and client.
 */
export function defineChannels<Schemas> (channels: { readonly [Pattern in keyof Schemas]: ChannelOptions<Pattern & string, Schemas[Pattern]> }): DefinedChannels<Schemas> {
  return channels as unknown as DefinedChannels<Schemas>
}
