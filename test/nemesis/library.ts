/** What a run needs of the product, from one copy of the compiled library. */
export interface Library {
  readonly fastifyPush: typeof import('../../lib/index.js').default
  readonly memoryStorage: typeof import('../../lib/index.js').memoryStorage
  readonly createClient: typeof import('../../lib/client/node.js').createClient
  readonly nodePlatform: typeof import('../../lib/client/platform/node.js').nodePlatform
}

/** Imports a copy of the library. Default: the library itself. */
export async function loadLibrary (root = new URL('../../', import.meta.url)): Promise<Library> {
  const load = <Module>(path: string): Promise<Module> => import(new URL(`lib/${path}`, root).href) as Promise<Module>
  const { default: fastifyPush, memoryStorage } = await load<typeof import('../../lib/index.js')>('index.js')
  const { createClient } = await load<typeof import('../../lib/client/node.js')>('client/node.js')
  const { nodePlatform } = await load<typeof import('../../lib/client/platform/node.js')>('client/platform/node.js')
  return { fastifyPush, memoryStorage, createClient, nodePlatform }
}
