import type { History } from './history.js'
import type { Modules } from './modules.js'
import type { Focus } from './setup.js'
import { World } from './world.js'

const STEPS = 60

/** Runs the world of one seed to its end, or to the first thing that is wrong. */
export async function runSeed (modules: Modules, seed: number, focus: Focus = {}): Promise<History> {
  return new World(modules, seed, focus).run(focus.steps ?? STEPS)
}

/** What was wrong in a run, and what happened last before it. */
export function describe (seed: number, history: History, lines = 60): string {
  const found = history.findings.map(({ kind, at, text }) => `${kind} at ${at.toFixed(0)}: ${text}`).join('\n')
  return `seed ${seed} (MODEL_SEED=${seed} replays it)\n${history.trace.slice(-lines).join('\n')}\n${found}`
}
