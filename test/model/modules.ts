import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

/** The product's modules that a run is made of, from one copy of the compiled library. */
export interface Modules {
  readonly storage: typeof import('../../lib/storage/memory/index.js')
  readonly broker: typeof import('../../lib/broker/broker.js')
  readonly settings: typeof import('../../lib/broker/settings.js')
  readonly service: typeof import('../../lib/connection/service.js')
  readonly client: typeof import('../../lib/client/client.js')
  readonly errors: typeof import('../../lib/core/errors.js')
}

/** The compiled project that this file belongs to. */
const BUILD = new URL('../../', import.meta.url)

/** Imports the modules of a copy of the library. Default: the library itself. */
export async function loadModules (root: URL = BUILD): Promise<Modules> {
  const load = <Module>(path: string): Promise<Module> => import(new URL(`lib/${path}`, root).href) as Promise<Module>
  return {
    storage: await load('storage/memory/index.js'),
    broker: await load('broker/broker.js'),
    settings: await load('broker/settings.js'),
    service: await load('connection/service.js'),
    client: await load('client/client.js'),
    errors: await load('core/errors.js')
  }
}

/** A rule switched off: one place of one compiled file reads otherwise. */
export interface Mutation {
  /** Of the compiled library, such as `core/position.js`. */
  readonly file: string
  /** Must stand in it exactly once. */
  readonly search: string
  readonly replace: string
}

/** Loads a copy of the library in which a rule is switched off. Throws if the text is not there exactly once. Returns the release too. */
export async function loadMutant (name: string, mutations: readonly Mutation[]): Promise<{ modules: Modules, release: () => void }> {
  // Inside the build, so that packages are found as ever.
  const root = new URL(`mutants/${name}-${process.pid}/`, BUILD)
  const release = () => rmSync(root, { recursive: true, force: true })
  mkdirSync(root, { recursive: true })
  cpSync(new URL('lib', BUILD), new URL('lib', root), { recursive: true, filter: (path) => !/\.(map|d\.ts)$/.test(path) })
  try {
    for (const { file, search, replace } of mutations) {
      const path = new URL(`lib/${file}`, root)
      const text = readFileSync(path, 'utf8')
      const parts = text.split(search)
      if (parts.length !== 2) throw new Error(`${file}: ${JSON.stringify(search)} stands there ${parts.length - 1} times, not once`)
      writeFileSync(path, parts.join(replace))
    }
    return { modules: await loadModules(root), release }
  } catch (error) {
    release()
    throw error
  }
}
