import { textOf } from '../load/data.js'
import { TEXT, maskedFrame } from '../load/masked-frame.js'
import { Publication } from '../load/publication.js'
import { DEFLATE, Wire, textOfFrame } from './wire.js'

/** The usual few lines of JSON over `ws`: the channel to follow is in the URL, each message is one frame, sent on as it came. */
export class PlainWire extends Wire {
  upgrade ({ role, channel }) {
    return {
      path: role === 'subscriber' ? `/?channel=${channel}` : '/',
      ...(this.deflate && role === 'subscriber' ? { extensions: DEFLATE } : {})
    }
  }

  frame (connection, buffer, start, length, first) {
    if (!connection.isReady) {
      connection.ready() // the first frame says that the subscription stands
      return 0
    }
    connection.witness?.record(buffer, start, length, first)
    connection.samples?.take(buffer, start + length, 1, 0)
    return 1
  }

  publication ({ channel }) {
    return new Publication(maskedFrame(TEXT, `{"type":"publish","channel":"${channel}","data":${textOf(this.data, 0)}}`), this.data)
  }

  dataOf (payload, first) {
    return [JSON.stringify(JSON.parse(textOfFrame(payload, first)).data)]
  }
}
