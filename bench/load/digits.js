/** Writes a number in decimal digits, in a fixed width, with zeros in front. */
export function writeDigits (bytes, at, width, value) {
  for (let i = at + width - 1; i >= at; i--) {
    bytes[i] = 48 + value % 10
    value = Math.floor(value / 10)
  }
}

/** Reads the decimal digits from `at` on, up to something else. */
export function readDigits (bytes, at) {
  let value = 0
  for (let i = at; bytes[i] >= 48 && bytes[i] <= 57; i++) value = value * 10 + bytes[i] - 48
  return value
}
