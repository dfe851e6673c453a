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
