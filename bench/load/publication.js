import { SEQUENCE_WIDTH } from './data.js'
import { writeDigits } from './digits.js'

/** One masked frame that publishes a message, ready but for the number of the message. */
export class Publication {
  #frame
  #stamps

  /**
   * @param {Buffer} frame with the data of message 0
   * @param {import('./data.js').Data} data
   * @param {((bytes: Buffer, at: number, number: number) => void)[]} stamps write what else differs by message; `at` is where the frame starts
   */
  constructor (frame, data, stamps = []) {
    this.#frame = frame
    const at = frame.indexOf(`${data.head}${'0'.repeat(SEQUENCE_WIDTH)}${data.tail}`) + Buffer.byteLength(data.head)
    this.#stamps = [(bytes, start, number) => writeDigits(bytes, start + at, SEQUENCE_WIDTH, number), ...stamps]
  }

  /** The frames of `count` messages numbered from `number`, for one write. */
  frames (number, count) {
    const { length } = this.#frame
    const bytes = Buffer.allocUnsafe(length * count)
    for (let i = 0; i < count; i++) {
      bytes.set(this.#frame, i * length)
      for (const stamp of this.#stamps) stamp(bytes, i * length, number + i)
    }
    return bytes
  }
}
