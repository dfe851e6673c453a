import { randomId } from '../../broker/random-id.js'
import { PushError } from '../../core/errors.js'
import type { PublishFrame } from '../../protocol/frames.js'
import { sessionOf, type ConnectionContext, type Run } from '../context.js'
import { permit } from '../permit.js'
import { PublishRun } from '../publish-run.js'

/** [P-5.1] [P-5.2] */
export function publish (connection: ConnectionContext, frame: PublishFrame): void {
  const { counters, settings } = connection.service.broker
  const tooMany = connection.publishing >= settings.limits.publishesInFlight
  // At QoS 0 there are no answers to wait for: what is too much is dropped.
  if (tooMany && frame.qos > 0) return connection.end('PUSH_TOO_MANY', { limit: 'publishesInFlight' })
  if (tooMany) {
    counters.refused++
    return
  }
  connection.publishing++
  if (frame.qos > 0) return runOf(connection, frame.channel).push(frame)
  publishVolatile(connection, frame).then(() => { connection.publishing-- }, (error: unknown) => {
    connection.publishing--
    counters.refused++
    if (!(error instanceof PushError)) connection.log.warn({ err: error }, 'push: publish failed')
  })
}

// The runs are bounded: an idle one is forgotten, and its publisher asked to restart it when it comes back.
function runOf (connection: ConnectionContext, channel: string): Run {
  const { runs } = connection
  let run: Run | undefined = runs.get(channel)
  if (run !== undefined) return run
  if (runs.size >= connection.service.broker.settings.limits.subscriptions) {
    for (const [name, each] of runs) {
      if (!each.idle) continue
      runs.delete(name)
      break
    }
  }
  runs.set(channel, run = new PublishRun(connection, channel))
  return run
}

async function publishVolatile (connection: ConnectionContext, { channel: name, qos, id, ttl, data }: PublishFrame): Promise<void> {
  const { channels, publishing } = connection.service.broker
  const { client, publisher } = sessionOf(connection)
  const channel = channels.find(name)
  const publication = { channel, data, qos, id: id ?? randomId(), named: id !== undefined, ttl, publisher }
  if (id !== undefined) {
    const known = await publishing.recognise(publication)
    if (known?.status === 'conflict') throw new PushError('PUSH_ID_CONFLICT')
    if (known !== null || connection.ended) return
  }
  const asked = permit(connection, 'publish', channel)
  if (asked !== undefined) await asked
  if (connection.ended) return // nothing gets in afterwards
  const draft = await publishing.prepare(publication, client)
  if (connection.ended) return
  if (channel.rules.history) await publishing.append(channel, [draft])
  else await publishing.broadcast(channel, draft)
}
