import { PushError, toPushError } from '../core/errors.js'
import type { StorageContext } from '../../types/storage.js'

/** Whether the storage is open, asked by every operation of every port. */
export class Lifecycle {
  #state: 'new' | 'opening' | 'open' | 'closed' = 'new'
  #context: StorageContext | undefined

  get isOpen (): boolean {
    return this.#state === 'open'
  }

  get isClosed (): boolean {
    return this.#state === 'closed'
  }

  /**
   * Opens: operations are let through once `work` is done. Rejects with `PUSH_STORAGE_CLOSED` if it was opened or closed before, or meanwhile, and as `work` does.
   */
  async open (context: StorageContext, work: () => Promise<void> = async () => {}): Promise<void> {
    if (this.#state !== 'new') throw new PushError('PUSH_STORAGE_CLOSED', 'the storage was opened or closed before')
    this.#state = 'opening'
    this.#context = context
    await work() // operations begun in this very turn come before `open` has resolved
    if (this.#state !== 'opening') throw new PushError('PUSH_STORAGE_CLOSED', 'the storage was closed while it was opening')
    this.#state = 'open'
  }

  close (): void {
    this.#state = 'closed'
  }

  /** Throws `PUSH_STORAGE_CLOSED` unless the storage is open. */
  assertOpen (): void {
    if (this.#state !== 'open') throw new PushError('PUSH_STORAGE_CLOSED')
  }

  /** Tells the host what a listener threw: it must not fail the operation that told the listener. */
  report (error: unknown): void {
    this.#context?.onError(toPushError(error, 'PUSH_INTERNAL'))
  }

  /** Tells the host of something that it had better change. */
  warn (text: string): void {
    this.#context?.onWarning?.(text)
  }
}
