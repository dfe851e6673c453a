import type { Plan } from './run.js'

const AOF = ['--appendonly', 'yes', '--appendfsync', 'always'] as const
const COMMON = { count: 12, messages: 40, nodes: 2, channels: 3, mean: 60, patience: 20_000 } as const
const NODES = { 'node-kill': 1, 'node-stop': 1, 'node-term': 1 } as const
const LINKS = { 'link-cut': 1, 'link-stall': 1, 'link-delay': 1, 'link-cut-reply': 2 } as const
const MILD = { 'redis-stop': 1, 'script-flush': 1, 'kill-pubsub': 1, 'kill-normal': 1, 'memory-full': 1 } as const

/** The plans of runs, without their seeds. */
export const PLANS = {
  durable: { ...COMMON, store: 'server', args: AOF, durable: true, faults: { 'redis-kill': 3, ...MILD, ...LINKS, ...NODES } },
  lossy: { ...COMMON, store: 'server', args: [], durable: false, faults: { 'redis-kill': 2, ...MILD, ...LINKS, ...NODES, flush: 2, 'delete-log': 1, 'delete-meta': 1, 'delete-cursors': 1 } },
  sentinel: { ...COMMON, store: 'sentinel', args: [], durable: false, count: 3, faults: { 'redis-kill': 1 } },
  cluster: { ...COMMON, store: 'cluster', args: [], durable: false, count: 3, faults: { 'redis-kill': 1 } }
} as const satisfies Readonly<Record<string, Omit<Plan, 'seed'>>>

export type PlanName = keyof typeof PLANS
