import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

/** One place of one compiled file that reads otherwise. */
export interface Mutation {
  /** Of the compiled library, such as `core/position.js`. */
  readonly file: string
  /** Must stand in it exactly once. */
  readonly search: string
  readonly replace: string
}

/** The compiled project that this file belongs to. */
const BUILD = new URL('../../', import.meta.url)

/**
 * Copies the compiled library with rules switched off. `root` is what `lib/` lies in; the release removes it. Throws if a
 * text does not stand in its file exactly once: then the rule has moved, and the proof has to follow it.
 */
export function mutate (name: string, mutations: readonly Mutation[]): { root: URL, release: () => void } {
  // Inside the build, so that packages are found as ever.
  const root = new URL(`mutants/${name}-${process.pid}/`, BUILD)
  const release = (): void => rmSync(root, { recursive: true, force: true })
  mkdirSync(root, { recursive: true })
  try {
    cpSync(new URL('lib', BUILD), new URL('lib', root), { recursive: true, filter: (path) => !/\.(map|d\.ts)$/.test(path) })
    for (const { file, search, replace } of mutations) {
      const path = new URL(`lib/${file}`, root)
      const parts = readFileSync(path, 'utf8').split(search)
      if (parts.length !== 2) throw new Error(`${file}: ${JSON.stringify(search)} stands there ${parts.length - 1} times, not once`)
      writeFileSync(path, parts.join(replace))
    }
  } catch (error) {
    release()
    throw error
  }
  return { root, release }
}
