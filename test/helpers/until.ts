import { setTimeout as sleep } from 'node:timers/promises'

/** How long anything may take to come about, in milliseconds. Less where it never will. */
const PATIENCE = Number(process.env['FAULTS_PATIENCE'] ?? 30_000)

/** Polls a condition. Rejects where it does not come true in time. */
export async function until (condition: () => boolean | Promise<boolean>, what: string | (() => string), ms = PATIENCE): Promise<void> {
  const end = performance.now() + ms
  while (!await condition()) {
    if (performance.now() > end) throw new Error(`${typeof what === 'string' ? what : what()}: not within ${ms} ms`)
    await sleep(5)
  }
}
