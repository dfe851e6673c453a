// With the flag `u` whole pairs are one character, so what is found is half of one.
const LONE_SURROGATE = /\p{Surrogate}/u

/** What is wrong where {@link isUserId} says no. */
export const NO_USER_ID = 'a user is a string of 1 to 256 characters of well-formed Unicode'

/** Whether it names a user: 1 to 256 characters, well-formed Unicode, so that names of channels and keys can be made of it. */
export function isUserId (userId: unknown): userId is string {
  return typeof userId === 'string' && userId.length > 0 && userId.length <= 256 && !LONE_SURROGATE.test(userId)
}
