/** The longest that timers can wait, in milliseconds. */
export const LONGEST_DELAY = 2 ** 31 - 1
