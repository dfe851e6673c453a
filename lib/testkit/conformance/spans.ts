/** A duration in the tests, in milliseconds. */
export const TTL = 2000
/** Well before the end of {@link TTL}. Nothing in the tests ends within half of it from when they look: a real clock goes on while operations run. */
export const HALF = 1000
/** With {@link HALF} before it: well after the end of {@link TTL}, and well before that of one begun then. */
export const PAST = 1500
/** Never in a test. */
export const LONG = 86_400_000
/** What a random test lets pass at the most where it has to be waited for. */
export const PATIENT = 20 * HALF
