import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** Where the sources of the examples are, whichever directory they were compiled into. */
export const sources = new URL('example/', import.meta.resolve('fastify-push/package.json'))

/** The script of a page in one piece, with the client in it. `entry`: its path below `example/`. */
export async function bundle (entry: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(entry, sources))],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    write: false
  })
  return outputFiles[0]?.contents ?? new Uint8Array()
}
