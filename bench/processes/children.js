import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/** The core of the servers, and the one of the load generators. */
export const SERVER_CORE = 0
export const LOAD_CORE = 1

const TASKSET = ['/usr/bin/taskset', '/bin/taskset'].find((path) => existsSync(path))
const PATIENCE = 3000 // milliseconds until a child that was asked to end is killed

const children = new Set()

/** Why processes are not pinned to cores; `null` if they are. */
export function whyNotPinned () {
  if (TASKSET === undefined) return 'there is no taskset (util-linux): processes are not pinned to cores'
  if (availableParallelism() < 2) return 'there is one core: server and load generator share it'
  return null
}

/**
 * Starts a program on one core. It is remembered until it ends, so that it can be ended with this process.
 * @param {string} program
 * @param {string[]} args
 * @param {{ core: number, ipc?: boolean }} options with `ipc`, messages can be exchanged with it; without, what it says is there to be read
 */
export function startChild (program, args, { core, ipc = false }) {
  const pinned = whyNotPinned() === null ? [TASKSET, '-c', String(core), program, ...args] : [program, ...args]
  const child = spawn(pinned[0], pinned.slice(1), { stdio: ipc ? ['ignore', 'inherit', 'inherit', 'ipc'] : ['ignore', 'ignore', 'pipe'] })
  children.add(child)
  child.once('exit', () => children.delete(child))
  child.on('error', () => children.delete(child))
  return child
}

/** Asks a child to end, and sees to it that it does. */
export async function stopChild (child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE)
  child.kill('SIGTERM')
  await ended
  clearTimeout(timer)
}

/** Ends a child as a crash would. */
export async function killChild (child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
}

/** Ends all children at once. For the end of this process. */
export function killChildren () {
  // SIGTERM for those that have children of their own; those of ours end themselves when this process is gone.
  for (const child of children) child.kill('SIGTERM')
}
