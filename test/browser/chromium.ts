import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/**
 * The path of a Chromium: that of the environment's CHROMIUM, or where systems put it. Where there is none, and CI or
 * FASTIFY_PUSH_INSTALL allow it, it is installed from Debian. Throws an error that says what to install.
 */
export function findChromium (): string {
  const found = look()
  if (found !== undefined) return found
  const { CI, FASTIFY_PUSH_INSTALL } = process.env
  if ((CI === 'true' || FASTIFY_PUSH_INSTALL === '1') && process.getuid?.() === 0) {
    execFileSync('apt-get', ['install', '-y', 'chromium'], { stdio: ['ignore', 'ignore', 'inherit'] })
  }
  const installed = look()
  if (installed !== undefined) return installed
  throw new Error("The browser tests need Chromium: install Debian's package `chromium` (apt-get install chromium), or say where one is with CHROMIUM=/path")
}

function look (): string | undefined {
  const { CHROMIUM } = process.env
  return (CHROMIUM === undefined ? PLACES : [CHROMIUM]).find((path) => existsSync(path))
}
