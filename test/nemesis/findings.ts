import type { Violation, ViolationKind } from './checker.js'

/** Whether one of these kinds is among what was found. */
export function isFound (violations: readonly Violation[] | undefined, kinds: readonly ViolationKind[]): boolean {
  return violations?.some(({ kind }) => kinds.includes(kind)) === true
}

/** How many of each kind were found, for people. */
export function describe (violations: readonly Violation[]): string {
  const counts: Partial<Record<ViolationKind, number>> = {}
  for (const { kind } of violations) counts[kind] = (counts[kind] ?? 0) + 1
  return JSON.stringify(counts)
}
