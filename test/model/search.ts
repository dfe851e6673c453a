import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Violation } from './history.js'
import type { Focus } from './setup.js'

/** Seeds to run, one after the other. */
export interface Search {
  readonly from: number
  readonly count: number
  readonly focus?: Focus | undefined
  /** Of the copy of the compiled library. Default: the library itself. */
  readonly root?: string
}

/** What is wrong with a seed. */
export interface Found {
  readonly seed: number
  /** The first promise that broke. */
  readonly kind: Violation
  readonly text: string
}

/**
 * The first seed that finds something, or `null`. In a thread of its own: in its own one the test runner follows every promise that is made, and that takes as
 * long as the run itself.
 */
export async function search (searched: Search): Promise<Found | null> {
  const worker = new Worker(new URL('./search-thread.js', import.meta.url), {
    workerData: searched, execArgv: ['--enable-source-maps'], env: { ...process.env, NODE_OPTIONS: '' }
  })
  const ended = once(worker, 'exit').then(([code]) => { throw new Error(`the thread ended without a word: ${code}`) })
  try {
    const [found] = await Promise.race([once(worker, 'message'), ended]) as [Found | null] // rejects with what is thrown there
    return found
  } finally {
    ended.catch(() => {})
    await worker.terminate()
  }
}
