import { execFile } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { violations, type Tree } from './imports.js'

const root = new URL('../../', import.meta.url)

function sources (): Tree {
  const paths = ['lib', 'types'].flatMap((folder) =>
    readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' }).map((path) => `${folder}/${path.replaceAll('\\', '/')}`))
  return Object.fromEntries(paths.filter((path) => path.endsWith('.ts') && !path.endsWith('.tst.ts')).map((path) => [path, readFileSync(new URL(path, root), 'utf8')]))
}

t.test('imports go down the layers only', async (t) => {
  const tree = sources()
  t.ok(Object.keys(tree).length > 20)
  t.same(violations(tree), [])
})

/** A tree in which everything is as it should be. */
const good: Tree = {
  'types/message.ts': 'export type QoS = 0',
  'types/index.ts': "import type { FastifyRequest } from 'fastify'\nexport type * from './message.js'",
  'lib/protocol/frames.ts': "import Type from 'typebox'",
  'lib/protocol/codes.ts': 'export const codes = {}',
  'lib/core/errors.ts': "import { codes } from '../protocol/codes.js'",
  'lib/storage/memory/index.ts': "import { PushError } from '../../core/errors.js'\nimport { randomBytes } from 'node:crypto'",
  'lib/storage/redis/index.ts': "import type { Redis } from 'ioredis'",
  'lib/testkit/index.ts': "import assert from 'node:assert/strict'",
  'lib/broker/broker.ts': "import type { QoS } from '../../types/message.js'",
  'lib/connection/connection.ts': "import { Broker } from '../broker/broker.js'",
  'lib/client/index.ts': "import type { Frame } from '../protocol/frames.js'\nimport { codes } from '../protocol/codes.js'",
  'lib/client/platform/node.ts': "import { randomBytes } from 'node:crypto'",
  'lib/http/route.ts': "import websocket from '@fastify/websocket'\nimport { Connection } from '../connection/connection.js'",
  'lib/index.ts': "import fp from 'fastify-plugin'\nimport { memoryStorage } from './storage/memory/index.js'"
}

t.test('the check passes what is in order', async (t) => {
  t.same(violations(good), [])
})

const wrong: Record<string, [path: string, source: string]> = {
  'an arrow up': ['lib/core/errors.ts', "import { Broker } from '../broker/broker.js'"],
  'an arrow up by a type': ['lib/broker/broker.ts', "import type { Connection } from '../connection/connection.js'"],
  'an arrow up by an export': ['lib/protocol/codes.ts', "export * from '../core/errors.js'"],
  'an arrow up by a dynamic import': ['lib/broker/broker.ts', "const route = await import('../http/route.js')"],
  'an arrow up by a type expression': ['lib/broker/broker.ts', "export type Route = import('../http/route.js').Route"],
  'an arrow up by require': ['lib/broker/broker.ts', "require('../http/route.js')"],
  'types that import the library': ['types/message.ts', "import type { PushError } from '../lib/core/errors.js'"],
  'storage and testkit are side by side': ['lib/testkit/index.ts', "import { memoryStorage } from '../storage/memory/index.js'"],
  'client and connection are side by side': ['lib/connection/connection.ts', "import { createClient } from '../client/index.js'"],
  'the client knows no broker': ['lib/client/index.ts', "import type { Broker } from '../broker/broker.js'"],
  'the client knows no storage': ['lib/client/index.ts', "import { memoryStorage } from '../storage/memory/index.js'"],
  'a file that is not there': ['lib/core/errors.ts', "import './gone.js'"],
  'a file in no layer': ['lib/utils/all.ts', "import '../core/errors.js'"],
  'a cycle within a layer': ['lib/core/errors.ts', "import './errors.js'"],
  'node: in the client': ['lib/client/index.ts', "import { setTimeout } from 'node:timers/promises'"],
  'node: in the core': ['lib/core/errors.ts', "import type { Socket } from 'node:net'"],
  'node: in the protocol': ['lib/protocol/codes.ts', "import 'node:buffer'"],
  'Fastify in the broker': ['lib/broker/broker.ts', "import type { FastifyInstance } from 'fastify'"],
  "one of Fastify's packages in a connection": ['lib/connection/connection.ts', "import websocket from '@fastify/websocket'"],
  'ioredis outside its storage': ['lib/storage/memory/index.ts', "import { Redis } from 'ioredis'"],
  "typebox in the client's bundle": ['lib/client/index.ts', "import { HelloSchema } from '../protocol/frames.js'"],
  'typebox by another file': ['lib/protocol/codes.ts', "export { HelloSchema } from './frames.js'"]
}

t.test('the check catches each kind of violation', async (t) => {
  for (const [name, [path, source]] of Object.entries(wrong)) t.not(violations({ ...good, [path]: source }).length, 0, name)
  t.match(violations({ ...good, 'lib/core/a.ts': "import type { B } from './b.js'", 'lib/core/b.ts': "import './c.js'", 'lib/core/c.ts': "export type * from './a.js'" }),
    ['cycle: lib/core/a.ts -> lib/core/b.ts -> lib/core/c.ts -> lib/core/a.ts'])
})

// Run in a process of its own: what is open after the import, of what was not before.
const PROBE = `
void [process.stdout, process.stderr] // opened when first asked for
const before = process.getActiveResourcesInfo()
await import(process.argv[1])
await new Promise((resolve) => { setImmediate(resolve) }) // the loader closes its files
const after = process.getActiveResourcesInfo()
for (const kind of before) if (after.includes(kind)) after.splice(after.indexOf(kind), 1)
console.log(JSON.stringify(after))
`

t.test('importing an entry opens no timer and no handle', async (t) => {
  const { exports } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { exports: Record<string, string | Record<string, string>> }
  const entries = new Set(Object.values(exports).flatMap((entry) => typeof entry === 'string' ? [] : Object.values(entry)).filter((path) => path.endsWith('.js')))
  t.ok(entries.size >= 4)
  for (const entry of entries) {
    const url = new URL(entry.replace('./dist/', '../'), import.meta.url)
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', PROBE, url.href], { cwd: fileURLToPath(root) })
    t.same(JSON.parse(stdout), [], entry)
  }
})
