import type { Static, TSchema } from 'typebox'

/** What a schema says data is; `unknown` where there is none. */
export type DataOf<Schema> = TSchema extends Schema ? unknown : Schema extends TSchema ? Static<Schema> : unknown

/** The map of patterns and data that {@link PushChannels} and `createClient` take, of what `defineChannels` returned. */
export type ChannelsOf<Defined> = {
  [Pattern in keyof Defined & string]: Defined[Pattern] extends { readonly schema?: infer Schema } ? DataOf<Exclude<Schema, undefined>> : unknown
}
