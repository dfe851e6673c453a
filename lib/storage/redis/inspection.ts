import { PushError } from '../../core/errors.js'
import { timely, type Connection } from './connection.js'
import { readError } from './errors.js'

/** The oldest version whose scripts have flags, and whose pub/sub has shards. */
const OLDEST = 7

/** Looks at the server. Rejects with `PUSH_OPTIONS` for one that is too old, or does not say which one it is; warns of one that may drop what is to be kept. */
export async function inspect (connection: Connection, timeout: number, warn: (error: Error) => void): Promise<void> {
  const info = await timely(connection.info(), timeout).catch((error: unknown) => { throw readError(error, false) })
  const version = fieldOf(info, 'redis_version')
  if (version !== undefined && Number.parseInt(version, 10) < OLDEST) throw new PushError('PUSH_OPTIONS', `Redis ${OLDEST} or later is needed, not ${version}`)
  if (fieldOf(info, 'master_replid') === undefined) throw new PushError('PUSH_OPTIONS', 'Redis must say in INFO which server it is (master_replid): without it a log could not tell whether it lost anything')
  const policy = fieldOf(info, 'maxmemory_policy')
  if (policy !== undefined && policy !== 'noeviction' && fieldOf(info, 'maxmemory') !== '0') {
    warn(new PushError('PUSH_OPTIONS', `Redis has the maxmemory-policy ${policy}: it may drop messages, cursors and members when its memory is full; noeviction refuses new ones instead`))
  }
}

const fieldOf = (info: string, name: string): string | undefined => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]
