import type { AsyncApi, AsyncApiChannel, AsyncApiOperation, AsyncApiOptions } from '../../types/asyncapi.js'
import type { ChannelRules } from './channels.js'

const INFO = { title: 'Push', version: '1.0.0', description: 'Channels of fastify-push. A payload is the `data` of a message; how messages travel is in PROTOCOL.md.' }

/** What the rest of a name is called that a trailing `*` takes. No parameter's name begins like this. */
const REST = '_rest'

/** Describes channels as an AsyncAPI 3.0.0 document: the server sends to all of them, and receives where clients may publish. */
export function describe (declared: Iterable<ChannelRules>, { info = INFO, servers }: AsyncApiOptions = {}): AsyncApi {
  const rules = [...declared]
  return {
    asyncapi: '3.0.0',
    info,
    ...(servers === undefined ? {} : { servers }),
    defaultContentType: 'application/json',
    channels: Object.fromEntries(rules.map((each) => [idOf(each), channelOf(each)])),
    operations: Object.fromEntries(rules.flatMap((each) => [
      operation('send', each),
      ...(each.clientPublish ? [operation('receive', each)] : [])
    ]))
  }
}

function channelOf (rules: ChannelRules): AsyncApiChannel {
  const { pattern, schema, qos, history, retention, slow } = rules
  const names = pattern.split('/').map(parameterOf).filter((name) => name !== null)
  return {
    address: pattern.split('/').map((segment) => parameterOf(segment) === null ? segment : `{${parameterOf(segment)}}`).join('/'),
    ...(names.length === 0 ? {} : { parameters: Object.fromEntries(names.map((name) => [name, { description: name === REST ? 'one or more segments' : 'one segment' }])) }),
    messages: { message: { name: pattern, contentType: 'application/json', payload: schema?.within(`${placeOf(rules)}/messages/message/payload`) ?? {} } },
    'x-qos': qos,
    'x-history': history ? { ...retention } : false,
    'x-slow': slow
  }
}

function operation (action: AsyncApiOperation['action'], rules: ChannelRules): [string, AsyncApiOperation] {
  const channel = placeOf(rules)
  return [`${action}:${idOf(rules)}`, { action, channel: { $ref: channel }, messages: [{ $ref: `${channel}/messages/message` }] }]
}

function placeOf (rules: ChannelRules): string {
  return `#/channels/${idOf(rules).replaceAll('~', '~0')}`
}

/** The pattern without slashes, which would have to be escaped in references. No name has a colon, so no two patterns meet. */
function idOf ({ pattern }: ChannelRules): string {
  return pattern.replaceAll('/', ':')
}

function parameterOf (segment: string): string | null {
  if (segment === '*') return REST
  return segment.startsWith(':') ? segment.slice(1) : null
}
