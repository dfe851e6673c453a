import { PushError } from '../../core/errors.js'
import { timely, type Connection } from './connection.js'
import { readError } from './errors.js'

/** The oldest version whose scripts have flags, and whose pub/sub has shards. */
const OLDEST = 7

/**
 * Looks at the servers that answer. Rejects with `PUSH_OPTIONS` where one is too old, or does not say which one it is, and where none answers with `PUSH_STORAGE_UNAVAILABLE`; warns of
 * what may drop that is to be kept.
 */
export async function inspect (servers: ReadonlyArray<Pick<Connection, 'info'>>, timeout: number, warn: (text: string) => void): Promise<void> {
  const answers = await Promise.allSettled(servers.map((server) => timely(server.info(), timeout)))
  const infos = answers.flatMap((answer) => answer.status === 'fulfilled' ? [answer.value] : [])
  if (infos.length === 0) throw readError((answers[0] as PromiseRejectedResult | undefined)?.reason, false)
  for (const info of infos) check(info)
  for (const policy of new Set(infos.filter(mayDrop).map((info) => fieldOf(info, 'maxmemory_policy')))) {
    warn(`Redis has the maxmemory-policy ${policy}: it may drop messages, cursors and members when its memory is full; noeviction refuses new ones instead`)
  }
}

function check (info: string): void {
  const version = fieldOf(info, 'redis_version')
  if (version !== undefined && Number.parseInt(version, 10) < OLDEST) throw new PushError('PUSH_OPTIONS', `Redis ${OLDEST} or later is needed, not ${version}`)
  if (fieldOf(info, 'master_replid') === undefined) throw new PushError('PUSH_OPTIONS', 'Redis must say in INFO which server it is (master_replid): without it a log could not tell whether it lost anything')
}

function mayDrop (info: string): boolean {
  const policy = fieldOf(info, 'maxmemory_policy')
  return policy !== undefined && policy !== 'noeviction' && fieldOf(info, 'maxmemory') !== '0'
}

const fieldOf = (info: string, name: string): string | undefined => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]
