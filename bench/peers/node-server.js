import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { SERVER_CORE, killChild, startChild, stopChild } from '../processes/children.js'
import { Remote } from '../processes/remote.js'

/** Starts a program of servers/ in its own process and waits until it listens. @returns {Promise<import('./index.js').Server>} */
export async function startNodeServer (program, options = {}, core = SERVER_CORE) {
  const path = fileURLToPath(new URL(`../servers/${program}.js`, import.meta.url))
  const child = startChild(process.execPath, ['--expose-gc', path], { core, ipc: true })
  const remote = new Remote(child, program)
  const port = await remote.call('listen', options)
  return { port, pid: child.pid, call: (name, argument) => remote.call(name, argument), stop: () => stopChild(child), kill: () => killChild(child) }
}

/** The version of an installed dependency. */
export function versionOf (name) {
  return JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')).version
}
