/** The middle value; of an even number of values the mean of the two in the middle. */
export function median (values) {
  const sorted = [...values].sort((a, b) => a - b)
  const half = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}

/** What is reported of the rounds: `{ median, min, max, values }`. */
export function summarize (values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), values }
}
