import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** A program that npm cannot bring. */
export interface Needed {
  /** What needs it, for the error. */
  readonly by: string
  /** Debian's package. */
  readonly package: string
  /** Where systems put it. */
  readonly places: readonly string[]
  /** The environment variable that says where it is. */
  readonly variable: string
}

/**
 * The path of a program: what its variable says, or where systems put it. Where there is none, and CI or FASTIFY_PUSH_INSTALL allow it, it is installed from Debian. Throws
 * an error that says what to install.
 */
export function findProgram (needed: Needed): string {
  const path = look(needed) ?? install(needed)
  if (path !== undefined) return path
  throw new Error(`${needed.by} need Debian's package \`${needed.package}\` (apt-get install ${needed.package}), or ${needed.variable}=/path to the program`)
}

function look ({ places, variable }: Needed): string | undefined {
  const told = process.env[variable]
  return (told === undefined ? places : [told]).find((path) => existsSync(path))
}

function install (needed: Needed): string | undefined {
  const { CI, FASTIFY_PUSH_INSTALL } = process.env
  if (process.getuid?.() !== 0 || (CI !== 'true' && FASTIFY_PUSH_INSTALL !== '1')) return undefined
  for (const args of [['update'], ['install', '-y', needed.package]]) execFileSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'] })
  return look(needed)
}
