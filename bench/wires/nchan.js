import { textOf } from '../load/data.js'
import { TEXT, maskedFrame } from '../load/masked-frame.js'
import { Publication } from '../load/publication.js'
import { Wire } from './wire.js'

/** Nchan's WebSocket subscribers and publishers: the channel is in the URL, a frame is a message and nothing else. */
export class NchanWire extends Wire {
  upgrade ({ role, channel }) {
    return { path: `/${role === 'subscriber' ? 'sub' : 'pub'}/${channel}` }
  }

  opened (connection) {
    connection.ready() // there is no confirmation; the probe shows whether everybody is there
  }

  frame (connection, buffer, start, length, first) {
    if (connection.role === 'publisher') return 0 // each publish is answered with statistics
    connection.witness?.record(buffer, start, length, first)
    connection.samples?.take(buffer, start + length, 1, 0)
    return 1
  }

  publication () {
    return new Publication(maskedFrame(TEXT, textOf(this.data, 0)), this.data)
  }

  dataOf (payload) {
    return [payload.toString('utf8')]
  }
}
