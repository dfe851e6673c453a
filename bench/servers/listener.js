import { setTimeout as sleep } from 'node:timers/promises'
import { Progress } from '../load/progress.js'
import { readDigits } from '../load/digits.js'
import { Sequence } from '../load/sequence.js'

const BYTES = 128
const PATIENCE = 10_000 // milliseconds
const LOOK = 10
const SURPLUS_WAIT = 20

/** A subscriber inside a server, for what has no WebSocket. Its handlers are those of load/follower.js. */
export class Listener {
  #progress = new Progress()
  #sequence = new Sequence()
  #isMet = false

  /** A message came. @param {Buffer} text its JSON */
  heard (text) {
    if (text.length !== BYTES) throw new Error(`a message of ${text.length} bytes came`)
    this.#sequence.took(readDigits(text, 1))
    if (this.#isMet) this.#progress.count(1)
  }

  get handlers () {
    return {
      meet: async ({ progress }) => {
        for (let waited = 0; this.#sequence.next < 1 && waited < PATIENCE; waited += LOOK) await sleep(LOOK)
        await this.#progress.open(progress)
        this.#progress.count(1)
        this.#isMet = true
      },
      expect: ({ total }) => this.#progress.expect(total),
      arrived: () => this.#progress.all(),
      check: async ({ total }) => {
        await sleep(SURPLUS_WAIT)
        if (this.#sequence.next !== total) throw new Error(`the subscriber got ${this.#sequence.next} messages in all, not ${total}`)
      }
    }
  }
}
