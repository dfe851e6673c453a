// Channels of the plugin's own. Their names begin with `$`, which no declared channel's name can.

/** What a client calls its user's inbox: nobody else may know it, so it needs no name of its own in frames. */
export const INBOX = '$inbox'

/** What the comings and goings of a channel's members are called: this, and the channel's name. */
export const PRESENCE = '$presence/'

/** What the channel is called whose members are a user's clients: this, and the user. Nothing is published to it; it has members only. */
export const USER = '$user/'

/** The inbox of a user, as the storage has it. */
export const inboxOf = (userId: string): string => `${INBOX}/${encodeURIComponent(userId)}`

/** The channel whose members are a user's clients. */
export const userChannelOf = (userId: string): string => USER + encodeURIComponent(userId)
