import { findProgram } from '../helpers/debian.js'

/** The path of a Chromium. See {@link findProgram}. */
export function findChromium (): string {
  return findProgram({ by: 'The browser tests', package: 'chromium', places: ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'], variable: 'CHROMIUM' })
}
