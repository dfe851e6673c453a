import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The folder of the product. */
export const TOP = fileURLToPath(new URL('..', import.meta.url))
const BENCH = fileURLToPath(new URL('.', import.meta.url))

/** Runs npm in a folder. What it says goes to where errors go, so that what is printed is the result alone. */
export function npm (folder, ...args) {
  execFileSync('npm', args, { cwd: folder, stdio: ['ignore', 2, 2] })
}

/** Installs what the benchmark depends on, unless it is there. */
export function installPeers () {
  if (!existsSync(`${BENCH}node_modules`)) npm(BENCH, 'ci')
}

/** Builds the product. Returns where. */
export function buildProduct (folder = TOP) {
  npm(folder, 'run', 'build')
  return `${folder}/dist`
}
