import { availableParallelism, cpus } from 'node:os'
import { peers } from './peers/index.js'

/** What was measured on, and with which versions of the peers. */
export function machine () {
  return {
    cpu: cpus()[0].model,
    cores: availableParallelism(),
    node: process.versions.node,
    date: new Date().toISOString().slice(0, 10),
    peers: Object.fromEntries(Object.entries(peers).map(([name, { version }]) => [name, version() ?? 'not installed']))
  }
}
