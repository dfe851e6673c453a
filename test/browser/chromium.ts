import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/**
 * The path of a Chromium: that of the environment's CHROMIUM, or where systems put it. Where there is none, and CI or
 * FASTIFY_PUSH_INSTALL allow it, it is installed from Debian. Throws an error that says what to install.
 */
export function findChromium (): string {
  const path = look() ?? install()
  if (path !== undefined) return path
  throw new Error("The browser tests need Chromium: install Debian's package `chromium` (apt-get install chromium), or say where one is with CHROMIUM=/path")
}

function look (): string | undefined {
  const { CHROMIUM } = process.env
  return (CHROMIUM === undefined ? PLACES : [CHROMIUM]).find((path) => existsSync(path))
}

function install (): string | undefined {
  const { CI, FASTIFY_PUSH_INSTALL } = process.env
  if (process.getuid?.() !== 0 || (CI !== 'true' && FASTIFY_PUSH_INSTALL !== '1')) return undefined
  const stdio = ['ignore', 'ignore', 'inherit'] as const
  execFileSync('apt-get', ['update'], { stdio: [...stdio] })
  execFileSync('apt-get', ['install', '-y', 'chromium'], { stdio: [...stdio] })
  return look()
}
