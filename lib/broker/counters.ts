/** What a broker counts. One mutable object for all its parts: counting is on the hot path. */
export class Counters {
  stored = 0
  duplicates = 0
  refused = 0
  delivered = 0
  dropped = 0
  givenUp = 0
  gaps = 0
  ignoredAcks = 0
  failed = 0
  slowReaders = 0
  unwatched = 0
}
