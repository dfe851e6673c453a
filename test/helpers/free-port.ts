import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Below the ports that outgoing connections are given, which come and go with every test that runs meanwhile; so are those ten thousand above, where servers of a Redis Cluster speak with
 * each other.
 */
const FIRST = 12_000
const PORTS = 10_000

/** Which ports tests have, that of other processes too: a file for each. */
const reserved = join(tmpdir(), 'fastify-push-ports')
const own = new Set<string>()

process.on('exit', () => { for (const file of own) rmSync(file, { force: true }) })

/** A port of loopback that nobody has, and that no other test is given before this process ends. For a program that must be told one. */
export async function freePort (): Promise<number> {
  for (;;) {
    const port = FIRST + randomInt(PORTS)
    if (reserve(port) && await isFree(port)) return port
  }
}

function reserve (port: number): boolean {
  const file = join(reserved, String(port))
  try {
    mkdirSync(reserved, { recursive: true })
    writeFileSync(file, '', { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
  own.add(file)
  return true
}

async function isFree (port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
