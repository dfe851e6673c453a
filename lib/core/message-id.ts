/** How many characters the ids have that the broker makes for messages: letters, digits, `-` and `_`. */
export const ID_LENGTH = 20

/** Of those made in a row, so many characters at the beginning are the same, so that a storage may remember them together. The others cannot be guessed. */
export const GROUP_LENGTH = 12
