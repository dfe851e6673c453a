import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SERVER_CORE, startChild, stopChild } from '../processes/children.js'

const PATIENCE = 5000 // milliseconds until it must listen

/**
 * Starts a program that is not ours with a configuration of its own, and waits until it listens.
 * @param {string} program
 * @param {(at: { port: number, folder: string }) => string} configuration
 * @param {(at: { file: string, folder: string }) => string[]} commandLine
 * @param {number} [core]
 * @returns {Promise<import('./index.js').Server>}
 */
export async function startNativeServer (program, configuration, commandLine, core = SERVER_CORE) {
  const folder = mkdtempSync(join(tmpdir(), 'fastify-push-bench-'))
  const file = join(folder, 'server.conf')
  const port = await freePort()
  writeFileSync(file, configuration({ port, folder }))
  const child = startChild(program, commandLine({ file, folder }), { core })
  let said = ''
  child.stderr.on('data', (bytes) => { said = (said + bytes).slice(-2000) })
  const remove = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', remove)
  const stop = async () => {
    await stopChild(child)
    process.off('exit', remove)
    remove()
  }
  try {
    await listening(child, port)
  } catch (error) {
    await stop()
    throw new Error(`${program}: ${error.message}\n${said}`)
  }
  return { port, pid: workerOf(child.pid), call: () => Promise.reject(new Error(`${program} cannot be asked`)), stop }
}

/** What a program says when asked for its version; `null` if it is not there. */
export function sayVersion (program, args, pattern) {
  try {
    // Some say it on one stream, some on the other, and some call it a failure.
    const said = execFileSync('/bin/sh', ['-c', `${program} ${args} 2>&1; true`], { encoding: 'utf8' })
    return pattern.exec(said)?.[1] ?? null
  } catch {
    return null
  }
}

async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

async function listening (child, port) {
  for (let waited = 0; waited < PATIENCE; waited += 50) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`)
    const socket = connect(port, '127.0.0.1')
    const [answer] = await Promise.race([once(socket, 'connect').then(() => ['yes']), once(socket, 'error').then(() => ['no'])])
      .catch(() => ['no'])
    socket.destroy()
    if (answer === 'yes') return
    await sleep(50)
  }
  throw new Error('the server does not listen')
}

// Whoever does the work: the child of a server that has one.
function workerOf (pid) {
  const [worker] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ')
  return worker === '' ? pid : Number(worker)
}
