/** The parent's end of a child's handlers: `await remote.call('name', argument)`. */
export class Remote {
  #child
  #name
  #calls = new Map()
  #next = 1

  /**
   * @param {import('node:child_process').ChildProcess} child
   * @param {string} name for error messages
   */
  constructor (child, name) {
    this.#child = child
    this.#name = name
    child.on('message', ({ id, result, error }) => {
      const call = this.#calls.get(id)
      this.#calls.delete(id)
      if (error === undefined) call?.resolve(result)
      else call?.reject(new Error(`${name}: ${error}`))
    })
    child.once('exit', (code, signal) => this.#fail(`ended with ${signal ?? code}`))
    child.on('error', (error) => this.#fail(error.message))
  }

  /** Resolves with what the handler returned; rejects with its error, or when the child ends. */
  call (name, argument) {
    const id = this.#next++
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject })
      this.#child.send({ id, name, argument }, (error) => {
        if (error) this.#fail(error.message)
      })
    })
  }

  #fail (why) {
    for (const { reject } of this.#calls.values()) reject(new Error(`${this.#name}: ${why}`))
    this.#calls.clear()
  }
}

/**
 * The child's end: answers calls with its handlers, and ends when the parent is gone.
 * @param {Record<string, (argument: any) => unknown>} handlers
 */
export function answerCalls (handlers) {
  process.on('disconnect', () => process.exit())
  process.on('message', async ({ id, name, argument }) => {
    try {
      process.send({ id, result: await handlers[name](argument) })
    } catch (error) {
      process.send({ id, error: error.stack })
    }
  })
}
