import { PushError, toPushError } from '../../core/errors.js'
import type { StorageContext } from '../../../types/storage.js'

/** Whether the storage is open, asked by every operation of every port. */
export class Lifecycle {
  #state: 'new' | 'open' | 'closed' = 'new'
  #context: StorageContext | undefined

  get isOpen (): boolean {
    return this.#state === 'open'
  }

  /** Resolves once operations are let through. Rejects with `PUSH_STORAGE_CLOSED` if it was opened or closed before. */
  async open (context: StorageContext): Promise<void> {
    await null // operations begun in this very turn come before `open` has resolved
    if (this.#state !== 'new') throw new PushError('PUSH_STORAGE_CLOSED', 'the storage was opened or closed before')
    this.#state = 'open'
    this.#context = context
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
}
