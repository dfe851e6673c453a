import type { Position } from '../../types/message.js'
import { samePosition } from '../core/position.js'

interface Kept {
  readonly position: Position
  readonly bytes: Buffer
}

/** Pages that many may ask for before they change, encoded. Bounded in bytes: those that were encoded first go first. */
export class EncodedPages {
  readonly #most: number
  readonly #kept = new Map<string, Kept>()
  #bytes = 0

  constructor (most: number) {
    this.#most = most
  }

  /** The page of this name, as it was at the position; encoded now unless it is kept. */
  of (name: string, position: Position, encode: () => Buffer): Buffer {
    const kept = this.#kept.get(name)
    if (kept !== undefined && samePosition(kept.position, position)) return kept.bytes
    const bytes = encode()
    this.#drop(name)
    this.#kept.set(name, { position, bytes })
    this.#bytes += bytes.byteLength
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#most) break
      this.#drop(oldest)
    }
    return bytes
  }

  #drop (name: string): void {
    const kept = this.#kept.get(name)
    if (kept === undefined) return
    this.#kept.delete(name)
    this.#bytes -= kept.bytes.byteLength
  }
}
