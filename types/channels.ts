// What a map of patterns and their data says of a channel's name. Types only: server and client share them.

/**
 * The channels of this host, by pattern, with the data of their messages. Empty unless the host declares them, once:
 * ```ts
 * const channels = defineChannels({ 'room/:id': { schema: ChatMessage } })
 * type Channels = ChannelsOf<typeof channels>
 * declare module 'fastify-push' { interface PushChannels extends Channels {} }
 * ```
 * From then on `fastify.push` knows its channels: a name that no pattern matches, and data that is not the channel's, are compile errors.
 */
export interface PushChannels {}

/** Nothing is known of the channels: every name goes, and data is `unknown`. */
export type AnyChannels = Record<never, never>

type IsAny<Channels> = [keyof Channels] extends [never] ? true : false

type PatternsOf<Channels> = keyof Channels & string

/** What names look like that match a pattern, for completion: more exact is {@link KnownChannel}. */
type NameOf<Pattern extends string> = Pattern extends `${infer Head}/${infer Rest}`
  ? `${SegmentOf<Head>}/${NameOf<Rest>}`
  : SegmentOf<Pattern>

type SegmentOf<Segment extends string> = Segment extends `:${string}` | '*' ? string : Segment

/** Roughly, the names of channels: `room/${string}` for the pattern `room/:id`. */
export type ChannelName<Channels = PushChannels> = IsAny<Channels> extends true ? string : NameOf<PatternsOf<Channels>>

/** A name that one of the patterns matches; `never` for any other. */
export type KnownChannel<Channels, Name extends string> = IsAny<Channels> extends true ? Name
  : Name extends string ? [ChannelPattern<Channels, Name>] extends [never] ? never : Name : never

/** The data of a channel's messages, by its name. Of several names: of any of them. */
export type ChannelData<Channels, Name extends string> = IsAny<Channels> extends true ? unknown
  : Name extends string ? Channels[ChannelPattern<Channels, Name>] : never

/** Data that may be published to a channel. Of several names: to each of them. */
export type PublishableData<Channels, Name extends string> = IsAny<Channels> extends true ? unknown
  : (Name extends string ? (data: ChannelData<Channels, Name>) => void : never) extends (data: infer Data) => void ? Data : never

/**
 * The most specific pattern that a name belongs to, as at run time: literal before parameter before `*`, from the left. `never` if there is none.
 * What is only known as `string` within a name (`room/${id}`) counts as one segment that no literal matches.
 */
export type ChannelPattern<Channels, Name extends string> = Descend<Whole<PatternsOf<Channels>>, Name> & keyof Channels

// What is left of a pattern while a name is gone through, and the whole of it.
type Whole<Pattern extends string> = Pattern extends string ? [left: Pattern, pattern: Pattern] : never

type Descend<Patterns, Name extends string> = [Patterns] extends [never] ? never
  : Name extends `${infer Head}/${infer Rest}`
    ? Head extends NoSegment ? never : FirstOf<[Descend<AfterLiteral<Patterns, Head>, Rest>, Descend<AfterParameter<Patterns>, Rest>, AtRest<Patterns>]>
    : Name extends NoSegment ? never : FirstOf<[EndsInLiteral<Patterns, Name>, EndsInParameter<Patterns>, AtRest<Patterns>]>

// A pattern is no name.
type NoSegment = '' | '*' | `:${string}`

type AfterLiteral<Patterns, Head extends string> = Patterns extends [`${infer Segment}/${infer Left}`, infer Pattern]
  ? Head extends Segment ? [Left, Pattern] : never
  : never

type AfterParameter<Patterns> = Patterns extends [`:${string}/${infer Left}`, infer Pattern] ? [Left, Pattern] : never

type EndsInLiteral<Patterns, Name extends string> = Patterns extends [infer Left, infer Pattern] ? Name extends Left ? Pattern : never : never

type EndsInParameter<Patterns> = Patterns extends [`:${infer Left}`, infer Pattern] ? Left extends `${string}/${string}` ? never : Pattern : never

type AtRest<Patterns> = Patterns extends ['*', infer Pattern] ? Pattern : never

type FirstOf<Found extends readonly unknown[]> = Found extends [infer First, ...infer Others]
  ? [First] extends [never] ? FirstOf<Others> : First
  : never

/** The parameters of a pattern: `{ id: string }` for `room/:id`; a trailing `*` is one too. Of a pattern that is only known as `string`: any. */
export type ParamsOf<Pattern extends string> = string extends Pattern
  ? Readonly<Record<string, string>>
  : { readonly [Name in ParamNames<Pattern>]: string }

type ParamNames<Pattern extends string> = Pattern extends `${infer Head}/${infer Rest}` ? ParamName<Head> | ParamNames<Rest> : ParamName<Pattern>

type ParamName<Segment extends string> = Segment extends `:${infer Name}` ? Name : Segment extends '*' ? '*' : never
