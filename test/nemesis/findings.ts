import type { Violation, ViolationKind } from './checker.js'
import { keyOf, type Event } from './history.js'

/** Lines of a story, at the most. */
const LINES = 200

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

/** What a finished history says of the message that a violation names, and of all that may explain it: each event with its number. For people. */
export function story ({ text }: Violation, history: readonly Event[]): string {
  const [key, publisher, channel] = /(\S+)#\d+ in ([^ ]+)/.exec(text) ?? []
  const concerns = (event: Event): boolean => {
    if ('number' in event) return keyOf(event) === key
    if ('channel' in event) return event.channel === channel && event.type === 'gap'
    return event.type === 'publisher-killed' ? event.publisher === publisher : event.type !== 'connected'
  }
  const lines = [...history.entries()].filter(([, event]) => concerns(event)).map(([at, event]) => `${at} ${JSON.stringify(event)}`)
  return [text, ...lines.slice(0, LINES)].join('\n')
}
