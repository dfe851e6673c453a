import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'

/**
 * Starts Node in a process of its own, without what the test runner would have it load to measure coverage: each of its modules would go through that, and it would start
 * several times as slowly. `openFiles`: how many files it may have open.
 */
export function spawnNode (args: readonly string[], options: SpawnOptions, openFiles?: number): ChildProcess {
  const limited = openFiles === undefined ? [] : ['bash', '-c', `ulimit -n ${openFiles} && exec "$@"`, 'bash']
  return spawn('env', ['-u', 'NODE_OPTIONS', ...limited, process.execPath, ...args], options)
}
