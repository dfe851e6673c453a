import type { ClientInfo } from '../../types/hooks.js'
import type { QoS } from '../../types/message.js'
import type { SlowPolicy } from '../../types/options.js'
import type { CatchUpContext } from './catch-up.js'
import type { Counters } from './counters.js'
import type { Outlet } from './outlet.js'
import type { SlowReaderContext } from './slow-reader.js'

/** What all subscriptions share. */
export interface SubscriptionContext extends CatchUpContext, SlowReaderContext {
  readonly counters: Counters
  /** The most records in flight. */
  readonly window: number
}

/** On whose behalf a subscription is, and how. */
export interface Subscriber {
  readonly client: ClientInfo
  readonly qos: QoS
  readonly outlet: Outlet
  /** What happens once it has caught up and then falls behind because its reader is slow. */
  readonly slow: SlowPolicy
}
