import { INBOX } from '../core/channel-name.js'

// Channels of the plugin's own. Their names begin with `$`, which no declared channel's name can.

export { ANY_INBOX, INBOX } from '../core/channel-name.js'

export { PRESENCE, presenceLogOf } from '../core/presence-log.js'

/** What the channel is called whose members are a user's clients: this, and the user. Nothing is published to it; it has members only. */
export const USER = '$user/'

/** Where the nodes tell each other what the host does to clients. Nothing is stored there. */
export const CONTROL = '$control'

/** The inbox of a user, as the storage has it. */
export const inboxOf = (userId: string): string => `${INBOX}/${encodeURIComponent(userId)}`

/** What any one of the user's clients is to handle, as the storage has it. */
export const anyInboxOf = (userId: string): string => `${INBOX}-any/${encodeURIComponent(userId)}`

/** The channel whose members are a user's clients. */
export const userChannelOf = (userId: string): string => USER + encodeURIComponent(userId)
