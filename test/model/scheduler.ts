import type { Clock } from '../../lib/core/clock.js'

interface Event {
  readonly at: number
  readonly order: number
  readonly run: () => void
  cancelled: boolean
}

/**
 * The one virtual clock of a run. An event runs, then every promise that it settled has its say, then the next event runs:
 * hours pass in milliseconds, and the same seed gives the same run.
 */
export class Scheduler {
  /** Milliseconds since the run began. */
  time = 0
  /** What an event threw: nothing may. */
  readonly thrown: unknown[] = []
  readonly #heap: Event[] = []
  #order = 0

  /** Runs `callback` in `ms` milliseconds, after everything that was put at that moment before. Returns the release. */
  later (ms: number, callback: () => void): () => void {
    const event = { at: this.time + Math.max(0, ms), order: this.#order++, run: callback, cancelled: false }
    push(this.#heap, event)
    return () => { event.cancelled = true }
  }

  /** Runs whatever is due up to `time` of the run. */
  async runUntil (time: number): Promise<void> {
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.at > time) break
      pop(this.#heap)
      if (next.cancelled) continue
      this.time = next.at
      try {
        next.run()
      } catch (error) {
        this.thrown.push(error)
      }
      await settle()
    }
    this.time = Math.max(this.time, time)
  }
}

/** Lets all promises have their say, and those that these settle. */
export async function settle (): Promise<void> {
  await new Promise(setImmediate)
}

/** A simulated process: what it had under way ends with it. */
export class Process {
  readonly name: string
  alive = true
  /** Timers that are set. */
  timers = 0
  readonly clock: Clock
  readonly #scheduler: Scheduler
  readonly #killed: Array<() => void> = []

  /** `skew` is how far its wall clock is off, in milliseconds. */
  constructor (scheduler: Scheduler, name: string, skew = 0) {
    this.name = name
    this.#scheduler = scheduler
    this.clock = {
      now: () => scheduler.time,
      timestamp: () => 1_750_000_000_000 + Math.round(scheduler.time) + skew,
      after: (ms, callback) => this.#timer(ms, callback)
    }
  }

  /** Runs `callback` in `ms` milliseconds unless the process has ended by then. Not one of its timers: the world's doing. */
  later (ms: number, callback: () => void): void {
    this.#scheduler.later(ms, () => { if (this.alive) callback() })
  }

  /** Ends it at once. */
  kill (): void {
    this.alive = false
    for (const callback of this.#killed.splice(0)) callback()
  }

  /** Runs `callback` when it is killed. */
  onKilled (callback: () => void): void {
    this.#killed.push(callback)
  }

  #timer (ms: number, callback: () => void): () => void {
    let set = true
    this.timers++
    const clear = () => {
      if (!set) return
      set = false
      this.timers--
    }
    const cancel = this.#scheduler.later(ms, () => {
      if (!set) return
      clear()
      if (this.alive) callback()
    })
    return () => { clear(); cancel() }
  }
}

function before (a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

function push (heap: Event[], event: Event): void {
  let i = heap.push(event) - 1
  while (i > 0) {
    const parent = (i - 1) >> 1
    if (!before(event, heap[parent] as Event)) break
    heap[i] = heap[parent] as Event
    i = parent
  }
  heap[i] = event
}

function pop (heap: Event[]): void {
  const last = heap.pop() as Event
  if (heap.length === 0) return
  let i = 0
  for (;;) {
    let child = 2 * i + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++
    if (!before(heap[child] as Event, last)) break
    heap[i] = heap[child] as Event
    i = child
  }
  heap[i] = last
}
