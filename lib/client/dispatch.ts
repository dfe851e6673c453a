import type { ServerFrame } from '../protocol/frames.js'
import type { Acks } from './acks.js'
import type { Membership } from './membership.js'
import type { Publisher } from './publisher.js'
import type { Requests } from './requests.js'
import type { Subscriptions } from './subscriptions.js'

/** The parts of a client that frames are for. */
export interface Addressees {
  readonly membership: Membership
  readonly subscriptions: Subscriptions
  readonly publisher: Publisher
  readonly acks: Acks
  readonly requests: Requests
}

/** Gives a frame to the part of the client that it is for. One of a newer server says nothing to this client. */
export function dispatch (frame: ServerFrame, { subscriptions, membership, publisher, acks, requests }: Addressees): void {
  switch (frame.type) {
    case 'messages': return subscriptions.messages(frame)
    case 'skip': return subscriptions.skip(frame)
    case 'gap': return subscriptions.gap(frame)
    case 'published': return publisher.published(frame)
    case 'refused': return publisher.refused(frame)
    case 'confirmed': return acks.confirmed(frame)
    case 'subscribed': return frame.id === undefined ? subscriptions.granted(frame) : requests.answer(frame)
    case 'unsubscribed':
      if (frame.id !== undefined) return requests.answer(frame)
      return membership.revoked(frame, subscriptions.revoked(frame))
    case 'history':
    case 'unread':
    case 'token':
    case 'entered':
    case 'left':
    case 'presence':
    case 'error': return requests.answer(frame)
  }
}
