import { script } from './script.js'

/** Announces what is not stored. No keys but one, which decides on the slot. Arguments: command, channel, bytes. Reply: `0`. */
export const BROADCAST = script('broadcast', 'write', `
  key()
  redis.call(arg(), arg(), arg())
  return 0`)
