import type { LogLine } from '../../helpers/app.js'
import type { Plan } from './run.js'

const AOF = ['--appendonly', 'yes', '--appendfsync', 'always'] as const
const COMMON = { messages: 30, nodes: 2, channels: 2, mean: 80, patience: 30_000 } as const
const MILD = { 'redis-stop': 1, 'script-flush': 1, 'kill-pubsub': 1, 'kill-normal': 1, 'memory-full': 1 } as const
const LINKS = { 'link-cut': 1, 'link-stall': 1, 'link-delay': 1, 'link-cut-reply': 2 } as const
const NODES = { 'node-kill': 1, 'node-stop': 1, 'node-term': 1, 'clock-jump': 1 } as const

/** The plans of runs, without their seeds. Where a replica takes over, its master's last writes may be lost. */
export const PLANS = {
  durable: { ...COMMON, store: 'server', args: AOF, durable: true, count: 10, haste: 0.5, faults: { 'redis-kill': 3, ...MILD, ...LINKS, ...NODES } },
  lossy: {
    ...COMMON,
    store: 'server',
    args: [],
    durable: false,
    count: 10,
    haste: 0.5,
    faults: { 'redis-kill': 2, 'redis-rollback': 1, flush: 2, 'delete-log': 1, 'delete-meta': 1, 'delete-cursors': 1, ...MILD, ...LINKS, ...NODES }
  },
  sentinel: { ...COMMON, store: 'sentinel', args: [], durable: false, count: 2, faults: { 'redis-kill': 1 } },
  cluster: { ...COMMON, store: 'cluster', args: [], durable: false, count: 2, faults: { 'redis-kill': 1 } }
} as const satisfies Readonly<Record<string, Omit<Plan, 'seed'>>>

/** Those of long runs besides: where Redis leaves it to the system when its file is on the disk, a process that is killed has still handed over all of it. */
export const LONG_PLANS = {
  ...PLANS,
  unsynced: { ...PLANS.durable, args: ['--appendonly', 'yes', '--appendfsync', 'no'] }
} as const satisfies Readonly<Record<string, Omit<Plan, 'seed'>>>

/** Lines of the log at the level of errors that one fault may cause on one node: the same trouble is told once in a while. */
const ERRORS = 12

/** Lines of errors in all the logs of a run. */
export const errorsIn = (log: readonly LogLine[]): number => log.filter(({ level }) => level >= 50).length

/** More of them are a flood. */
export const mostErrors = ({ nodes, count }: Pick<Plan, 'nodes' | 'count'>): number => ERRORS * nodes * count

/** A name of a plan. */
export type PlanName = keyof typeof LONG_PLANS
