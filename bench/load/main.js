// The load generator: one process for each contestant, so that each is compiled for its own wire alone.
import { answerCalls } from '../processes/remote.js'
import { peers } from '../peers/index.js'
import { Crowd } from './crowd.js'
import { CrowdedFlow } from './crowded-flow.js'
import { plainData, realisticData } from './data.js'
import { Flow } from './flow.js'
import { Follower } from './follower.js'
import { SlowReader } from './slow-reader.js'
import { Storm } from './storm.js'

let load = null

answerCalls({
  /** Makes the connections. */
  open ({ peer, port, load: options }) {
    const { kind, qos = 0, deflate = false, recovery = false, users = false, data = 128 } = options
    const wire = new peers[peer].Wire({ qos, deflate, recovery, users, data: data === 'realistic' ? realisticData() : plainData(data) })
    load = new LOADS[kind](wire, port, options)
    return load.open()
  },
  /** Does what this kind of load can do. */
  do: ({ what, argument }) => load[what](argument)
})

const LOADS = { flow: Flow, crowd: Crowd, 'crowded-flow': CrowdedFlow, 'slow-reader': SlowReader, storm: Storm, follower: Follower }
