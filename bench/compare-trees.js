import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { TOP, buildProduct, npm } from './preparation.js'
import { endChildrenWithThis, runScenarios } from './run.js'
import { scenarios } from './scenarios/index.js'
import { known, readArguments } from './settings.js'

const DEFAULT = 'fanout,qos1'

/** The command `bench:compare`: builds an older commit beside this tree, and measures both in turn. */
export async function compareCommand (args) {
  endChildrenWithThis()
  try {
    const settings = readArguments(args)
    const [revision, ...lists] = settings.rest
    if (revision === undefined) throw new Error('which commit? npm run bench:compare -- <revision> [scenario,…]')
    settings.scenarios = known(lists.length === 0 ? DEFAULT : lists.join(), scenarios, 'scenario')
    const commit = commitOf(revision)
    const here = settings.dist === undefined ? buildProduct() : resolve(settings.dist)
    settings.trees = [{ name: 'this tree', dist: here }, { name: revision, dist: buildProduct(checkOut(commit)) }]
    await runScenarios(settings)
  } catch (error) {
    console.error(`bench:compare: ${error.message}`)
    process.exitCode = 1
  }
  process.exit() // removes the worktree
}

function git (...args) {
  return execFileSync('git', args, { cwd: TOP, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
}

function commitOf (revision) {
  try {
    return git('rev-parse', '--verify', '--end-of-options', `${revision}^{commit}`)
  } catch {
    throw new Error(`there is no commit '${revision}'`)
  }
}

// A worktree of its own, gone when this process ends. Returns where.
function checkOut (commit) {
  const folder = mkdtempSync(join(tmpdir(), 'fastify-push-bench-'))
  const tree = join(folder, 'tree')
  process.on('exit', () => {
    rmSync(folder, { recursive: true, force: true })
    git('worktree', 'prune')
  })
  git('worktree', 'add', '--detach', tree, commit)
  if (lockfileOf(tree) === lockfileOf(TOP)) symlinkSync(join(TOP, 'node_modules'), join(tree, 'node_modules'))
  else npm(tree, 'ci')
  return tree
}

const lockfileOf = (folder) => readFileSync(join(folder, 'package-lock.json'), 'utf8')
