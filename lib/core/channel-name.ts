/** What a client calls its user's inbox: nobody else may know it, so it needs no name of its own in frames. */
export const INBOX = '$inbox'

/** What a client calls the part of it that one client of the user is to handle, whichever. */
export const ANY_INBOX = '$inbox/any'

/** Longest channel name or pattern, in characters (all of them ASCII). */
export const MAX_CHANNEL_LENGTH = 255

/** Most segments of a channel name or pattern. */
export const MAX_CHANNEL_SEGMENTS = 16

/**
 * Whether `name` names a channel: segments of ASCII letters, digits and `-_.~@`, each begun by a letter or digit,
 * joined by single slashes. Nothing in it means anything to a URL, a shell, a glob, a Redis hash tag or JavaScript's objects, so no two
 * parsers can read it differently. Names that begin with `$` are the plugin's own (the inbox of a user) and are not admitted here.
 */
export function isChannelName (name: unknown): name is string {
  if (typeof name !== 'string' || name.length === 0 || name.length > MAX_CHANNEL_LENGTH) return false
  let segments = 1
  let first = true // at the first character of a segment
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code === SLASH) {
      if (first || ++segments > MAX_CHANNEL_SEGMENTS) return false
      first = true
    } else if (isAlphanumeric(code) || (!first && isMark(code))) {
      first = false
    } else {
      return false
    }
  }
  return !first
}

const SLASH = 47

function isAlphanumeric (code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57)
}

/** `-` `.` `@` `_` `~` */
function isMark (code: number): boolean {
  return code === 45 || code === 46 || code === 64 || code === 95 || code === 126
}
