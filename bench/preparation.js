import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The folder of the product. */
export const TOP = fileURLToPath(new URL('..', import.meta.url))
const BENCH = fileURLToPath(new URL('.', import.meta.url))

/** Runs npm in a folder. What it says goes to where errors go, so that what is printed is the result alone. */
export function npm (folder, ...args) {
  execFileSync('npm', args, { cwd: folder, stdio: ['ignore', 2, 2] })
}

/** Installs what the benchmark depends on, unless all of it is there. */
export function installPeers () {
  const { dependencies } = JSON.parse(readFileSync(`${BENCH}package.json`, 'utf8'))
  if (!Object.keys(dependencies).every((name) => existsSync(`${BENCH}node_modules/${name}`))) npm(BENCH, 'ci')
}

/** Builds the product. Returns where. */
export function buildProduct (folder = TOP) {
  npm(folder, 'run', 'build')
  return `${folder}/dist`
}
