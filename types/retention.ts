/** What a channel keeps. The oldest records go first. Whatever goes this way is a gap for whoever still needed it. */
export interface Retention {
  /** Records, at the most. */
  readonly limit: number
  /** Bytes of bodies, at the most. */
  readonly bytes: number
  /** Age, at the most. */
  readonly ttl: number
}
