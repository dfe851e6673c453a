// Run by `npm run build:test`. Each process of a test, and there are hundreds, would load typebox as almost 700 modules, every one of them through the hooks of the test runner: that took most of
// its time. So it is put into a few files, in a place where the compiled tests and examples find it first.
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const PARTS = ['index', 'compile', 'schema']
const to = new URL('../build/node_modules/typebox/', import.meta.url)
const pathOf = (part) => part === 'index' ? 'typebox' : `typebox/${part}`

await build({
  entryPoints: PARTS.map((part) => ({ in: fileURLToPath(import.meta.resolve(pathOf(part))), out: part })),
  outdir: fileURLToPath(to),
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  logLevel: 'warning'
})
const exports = Object.fromEntries(PARTS.map((part) => [part === 'index' ? '.' : `./${part}`, `./${part}.mjs`]))
mkdirSync(to, { recursive: true })
writeFileSync(new URL('package.json', to), JSON.stringify({ name: 'typebox', type: 'module', exports }))
