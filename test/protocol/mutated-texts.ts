/** Texts that differ from the `seeds` in up to two places, by parts of which each could matter to a parser. The same `seed` gives the same texts. */
export function * mutatedTexts (seeds: readonly string[], seed: number, count: number): Generator<string> {
  let state = seed | 1
  const below = (limit: number): number => { state = Math.imul(state, 1664525) + 1013904223 >>> 0; return (state >>> 8) % limit }
  for (let i = 0; i < count; i++) {
    let text = seeds[below(seeds.length)] as string
    for (let changes = below(3); changes > 0; changes--) {
      const at = below(text.length + 1)
      text = text.slice(0, at) + PARTS[below(PARTS.length)] + text.slice(at + below(3))
    }
    yield text
  }
}

const PARTS = ['', '"', '{', '}', ']', '[', '\\', '\0', '\ud83d', '0', '7', '-', '.', 'e', ',', ' ', '\\u0041', '"channel":"x",', '"data":1,', ',"data":2', '"__proto__":{},', '9'.repeat(17)]
