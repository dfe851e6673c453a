import { PushError } from './errors.js'

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A hundred years: whatever adds it to a time has a number that everybody takes. */
const LONGEST = 36_525 * 86_400_000

/**
 * A duration in milliseconds: a positive number as it is, or a whole number with a unit (`'30s'`, `'2m'`, `'7d'`).
 * Throws `PUSH_OPTIONS`, naming `what`, for anything else, and for more than a hundred years.
 */
export function parseDuration (value: number | string, what: string): number {
  const match = typeof value === 'string' ? /^(\d{1,12})(ms|s|m|h|d)$/.exec(value) : null
  const ms = match === null ? value : Number(match[1]) * (UNITS[match[2] as string] as number)
  if (typeof ms !== 'number' || !Number.isFinite(ms) || ms <= 0) {
    throw new PushError('PUSH_OPTIONS', `${what} must be a positive number of milliseconds or a duration such as '30s', not ${JSON.stringify(value)}`)
  }
  if (ms > LONGEST) throw new PushError('PUSH_OPTIONS', `${what} must not be more than a hundred years`)
  return ms
}
