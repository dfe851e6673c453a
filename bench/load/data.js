/** Digits of the number each message carries. */
export const SEQUENCE_WIDTH = 12

/**
 * What messages carry: JSON that is the same for each but for a number in fixed width.
 * @typedef {{ head: string, tail: string }} Data
 */

/** A string whose JSON has so many bytes. @returns {Data} */
export function plainData (bytes) {
  return { head: '"', tail: `${'x'.repeat(bytes - SEQUENCE_WIDTH - 2)}"` }
}

/** About a kilobyte of JSON such as applications send: prices of a few things, each a little different. @returns {Data} */
export function realisticData () {
  const names = ['AAPL', 'MSFT', 'GOOG', 'AMZN', 'NVDA', 'META', 'TSLA', 'INTC', 'ORCL', 'CSCO']
  const rows = names.map((symbol, i) => ({
    symbol,
    price: Math.round(10_000 + 7919 * (i + 3) % 45_007) / 100,
    change: Math.round((i * 37 % 19 - 9) * 13.7) / 100,
    volume: 104_729 * (i + 7) % 999_983,
    time: `2026-01-02T15:04:0${i}.${String(i * 137 % 1000).padStart(3, '0')}Z`
  }))
  const json = JSON.stringify({ sequence: '#', type: 'quotes', market: 'open', rows })
  const [head, tail] = json.split('#')
  return { head, tail }
}

/** The JSON of the message with this number. */
export function textOf ({ head, tail }, number) {
  return `${head}${String(number).padStart(SEQUENCE_WIDTH, '0')}${tail}`
}
