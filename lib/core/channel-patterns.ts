import { MAX_CHANNEL_LENGTH, MAX_CHANNEL_SEGMENTS, isChannelName } from './channel-name.js'
import { PushError } from './errors.js'

/** A declared pattern that a channel name belongs to. */
export interface PatternMatch<Value> {
  readonly pattern: string
  readonly value: Value
  /** What the pattern's parameters stand for in this name; `*` for the rest that a trailing `*` took. No prototype. */
  readonly params: Readonly<Record<string, string>>
}

interface TrieNode<Value> {
  readonly literals: Map<string, TrieNode<Value>>
  parameter?: TrieNode<Value>
  /** A pattern that ends here. */
  end?: Declared<Value>
  /** A pattern that ends here with `*`. */
  rest?: Declared<Value>
}

interface Declared<Value> {
  readonly pattern: string
  readonly names: readonly string[]
  readonly value: Value
}

/**
 * The declared channels: a trie of segments. A segment of a pattern is literal, a parameter (`:id`), or, at
 * the end only, `*` for one or more segments. The most specific pattern wins: literal before parameter before `*`, from the left.
 * Matching takes time in proportion to the name's length, whatever the patterns (no regular expressions).
 */
export class ChannelPatterns<Value> {
  readonly #root: TrieNode<Value> = { literals: new Map() }

  /**
   * Declares a pattern.
   * Throws `PUSH_CHANNEL_INVALID` if it is malformed, `PUSH_CHANNEL_AMBIGUOUS` if another one matches just the same names.
   */
  add (pattern: string, value: Value): void {
    const segments = parsePattern(pattern)
    const names: string[] = []
    let node = this.#root
    for (const segment of segments) {
      if (segment === '*') break
      if (segment.startsWith(':')) {
        names.push(segment.slice(1))
        node = node.parameter ??= { literals: new Map() }
      } else {
        node = childOf(node, segment)
      }
    }
    const slot = segments.at(-1) === '*' ? 'rest' : 'end'
    const other = node[slot]
    if (other !== undefined) {
      throw new PushError('PUSH_CHANNEL_AMBIGUOUS', `channel pattern '${pattern}' matches the same names as '${other.pattern}'`)
    }
    node[slot] = { pattern, names, value }
  }

  /** The most specific pattern that `name`, a valid channel name, belongs to. */
  match (name: string): PatternMatch<Value> | null {
    const segments = name.split('/')
    const values: string[] = []
    const found = descend(this.#root, segments, 0, values)
    if (found === null) return null
    const params: Record<string, string> = Object.create(null)
    found.names.forEach((key, i) => { params[key] = values[i] as string })
    if (found.pattern.endsWith('*')) params['*'] = values[found.names.length] as string
    return { pattern: found.pattern, value: found.value, params }
  }
}

function childOf<Value> (node: TrieNode<Value>, segment: string): TrieNode<Value> {
  let child = node.literals.get(segment)
  if (child === undefined) node.literals.set(segment, child = { literals: new Map() })
  return child
}

// Tries the more specific branch first and comes back for the next one. Patterns and names have few segments, and each
// level has two branches at most, so this is bounded by what was declared, not by what a peer sends.
function descend<Value> (node: TrieNode<Value>, segments: readonly string[], at: number, values: string[]): Declared<Value> | null {
  const segment = segments[at]
  if (segment === undefined) return node.end ?? null
  const literal = node.literals.get(segment)
  const found = literal === undefined ? null : descend(literal, segments, at + 1, values)
  if (found !== null) return found
  if (node.parameter !== undefined) {
    values.push(segment)
    const deeper = descend(node.parameter, segments, at + 1, values)
    if (deeper !== null) return deeper
    values.pop()
  }
  if (node.rest === undefined) return null
  values.push(segments.slice(at).join('/'))
  return node.rest
}

const PARAMETER = /^:[A-Za-z][A-Za-z0-9_]{0,31}$/ // a host's own pattern, checked at declaration; never a peer's input

function parsePattern (pattern: string): string[] {
  const invalid = (why: string) => new PushError('PUSH_CHANNEL_INVALID', `channel pattern '${String(pattern).slice(0, 80)}': ${why}`)
  if (typeof pattern !== 'string' || pattern.length === 0 || pattern.length > MAX_CHANNEL_LENGTH) throw invalid('must be a string of 1 to 255 characters')
  const segments = pattern.split('/')
  if (segments.length > MAX_CHANNEL_SEGMENTS) throw invalid(`more than ${MAX_CHANNEL_SEGMENTS} segments`)
  const seen = new Set<string>()
  segments.forEach((segment, i) => {
    if (segment === '*') {
      if (i !== segments.length - 1) throw invalid("'*' stands only at the end")
    } else if (segment.startsWith(':')) {
      if (!PARAMETER.test(segment)) throw invalid(`'${segment}' is no parameter name`)
      if (seen.has(segment)) throw invalid(`parameter '${segment}' stands twice`)
      seen.add(segment)
    } else if (!isChannelName(segment)) {
      throw invalid(`'${segment}' is no channel segment`)
    }
  })
  return segments
}
