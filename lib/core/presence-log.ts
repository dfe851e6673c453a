/** What the names of presence logs begin with; the channel whose members they tell of follows. No declared channel's name begins so. */
export const PRESENCE = '$presence/'

/** The log in which the comings and goings of a channel's members are. */
export const presenceLogOf = (channel: string): string => PRESENCE + channel
