import { readFileSync, readdirSync } from 'node:fs'

/** Time all threads of a process, or of several, have spent on a core until now, user and system, in nanoseconds. */
export function cpuOf (pid) {
  if (Array.isArray(pid)) return pid.reduce((sum, each) => sum + cpuOf(each), 0)
  let sum = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      sum += Number.parseInt(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1'), 10)
    } catch {
      // This thread has just ended; the helpers of a garbage collector come and go.
    }
  }
  return sum
}

/** Memory of a process that is in RAM, in bytes. */
export function rssOf (pid) {
  const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
  return Number(kilobytes) * 1024
}
