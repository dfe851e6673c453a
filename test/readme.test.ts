import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'
import { freePort } from './helpers/free-port.js'
import { RedisServer } from './helpers/redis.js'
import { spawnNode } from './helpers/spawn-node.js'

// Every snippet of README.md is run, as it stands but for the port and for where the package is found.

t.setTimeout(240_000)

const root = new URL('../../', import.meta.url)
const folder = new URL('test/readme/', new URL('../', import.meta.url))
const entries: Record<string, string> = {
  'fastify-push/client': '../../lib/client/node.js',
  'fastify-push/redis': '../../lib/storage/redis/index.js',
  'fastify-push/testkit': '../../lib/testkit/index.js',
  'fastify-push': '../../lib/index.js'
}

interface Snippet {
  readonly heading: string
  readonly code: string
}

function readSnippets (): Snippet[] {
  const text = readFileSync(new URL('README.md', root), 'utf8')
  const found: Snippet[] = []
  for (const section of text.split(/^## /m).slice(1)) {
    const heading = section.slice(0, section.indexOf('\n'))
    for (const [, code] of section.matchAll(/^```js\n(.*?)^```$/gms)) found.push({ heading, code: code as string })
  }
  return found
}

interface Run {
  readonly child: ChildProcess
  /** Resolves once the output has all of these lines, rejects if the process ends before. */
  prints (...lines: string[]): Promise<void>
  readonly output: () => string
  /** Resolves once the snippet has run to its end. */
  readonly done: Promise<void>
}

let files = 0

async function run (code: string, port: number): Promise<Run> {
  const imported = code.replaceAll(/from '(fastify-push[^']*)'/g, (_, name: string) => `from '${entries[name]}'`)
  const file = new URL(`snippet-${files++}.mjs`, folder)
  await writeFile(file, `${imported.replaceAll('3000', String(port))}\nprocess.send('done')\n`)
  const child = spawnNode([fileURLToPath(file)], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  let output = ''
  const look = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output += chunk
      for (const each of look) each()
    })
  }
  const ended = once(child, 'exit').then(() => { throw new Error(`the snippet ended:\n${output}`) })
  ended.catch(() => {})
  const prints = (...lines: string[]) => Promise.race([ended, new Promise<void>((resolve) => {
    const check = () => {
      if (!lines.every((line) => output.includes(line))) return
      look.delete(check)
      resolve()
    }
    look.add(check)
    check()
  })])
  const done = Promise.race([once(child, 'message').then(() => {}), ended])
  done.catch(() => {}) // whoever needs it awaits it
  return { child, prints, output: () => output, done }
}

async function end ({ child }: Run): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

mkdirSync(folder, { recursive: true })
t.teardown(() => rm(folder, { recursive: true, force: true }))

const snippets = readSnippets()
const of = (heading: string): string[] => snippets.filter((snippet) => snippet.heading === heading).map(({ code }) => code)

t.test('Usage: the server and the client', async (t) => {
  const [server, client] = of('Usage') as [string, string]
  const port = await freePort()
  const serving = await run(server, port)
  t.teardown(() => end(serving))
  await serving.done
  const receiving = await run(client, port)
  t.teardown(() => end(receiving))
  await receiving.prints('Welcome', 'Hello')
  t.equal(receiving.output().trim(), 'connecting\nlive\nWelcome\nHello')
})

t.test('Publishing', async (t) => {
  const [outcomes, waits] = of('Publishing') as [string, string]
  const first = await run(outcomes, 0)
  t.teardown(() => end(first))
  await first.prints('order-42-paid 1 false', 'PUSH_ID_CONFLICT')
  const second = await run(waits, 0)
  t.teardown(() => end(second))
  await second.prints('{ acknowledged: 0, pending: 0 }')
  t.pass('both print what their comments say')
})

t.test('Channels', async (t) => {
  const [code] = of('Channels') as [string]
  const declaring = await run(code, 0)
  t.teardown(() => end(declaring))
  await declaring.prints("{ text: 'hi' }", 'PUSH_INVALID the data must have required properties text')
  t.pass('it prints what its comments say')
})

t.test('Hooks', async (t) => {
  const [code] = of('Hooks') as [string]
  const port = await freePort()
  const serving = await run(code, port)
  t.teardown(() => end(serving))
  await serving.done
  const publishing = await run(`
    import { createClient } from 'fastify-push/client'
    const alice = createClient('ws://127.0.0.1:3000/push', { clientId: 'alice-phone' })
    alice.channel('room/1').subscribe(({ data }) => console.log(data))
    await alice.channel('room/1').publish({ text: 'hi' })
    await alice.channel('room/lobby').publish({ text: 'hi' }).catch(({ code }) => console.log(code))`, port)
  t.teardown(() => end(publishing))
  await publishing.prints("{ text: 'hi', at: 'noon' }", 'PUSH_FORBIDDEN')
  await serving.prints('alice-phone was sent room/1 1 1')
  t.pass('each hook was asked')
})

t.test('Types: the files compile as they stand', async (t) => {
  const blocks = [...readFileSync(new URL('README.md', root), 'utf8').matchAll(/^```ts\n(\/\/ (\S+)\n.*?)^```$/gms)]
  t.same(blocks.map(([, , name]) => name), ['channels.ts', 'server.ts', 'client.ts'])
  const files = await Promise.all(blocks.map(async ([, code = '', name = '']) => {
    const file = new URL(name, folder)
    await writeFile(file, code)
    return fileURLToPath(file)
  }))
  const declarations = Object.entries(entries).map(([name, path]) => [name, [fileURLToPath(new URL(path.replace('.js', '.d.ts'), folder))]])
  const program = ts.createProgram(files, {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    paths: Object.fromEntries(declarations)
  })
  t.same(ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')), [])
})

t.test('AsyncAPI', async (t) => {
  const [code] = of('AsyncAPI') as [string]
  const describing = await run(code, 0)
  t.teardown(() => end(describing))
  await describing.prints('room/{id}')
  t.pass('the document is served')
})

t.test('Permissions: who may do what', async (t) => {
  const [code] = of('Permissions: who may do what') as [string]
  const port = await freePort()
  const serving = await run(`${code}\nawait app.listen({ port: 3000, host: '127.0.0.1' })`, port)
  t.teardown(() => end(serving))
  await serving.done
  const asking = await run(`
    import { createClient } from 'fastify-push/client'
    const alice = createClient('ws://127.0.0.1:3000/push', { token: 'token-of-alice' })
    for (const user of ['alice', 'bob']) {
      await alice.channel('orders/' + user).subscribe(() => {}).ready.then(() => console.log(user, 'yes'), ({ code }) => console.log(user, code))
      await alice.channel('orders/' + user).history().then(() => console.log(user, 'history'), ({ code }) => console.log(user, 'history', code))
    }
    const eve = createClient('ws://127.0.0.1:3000/push', { token: 'guess' })
    eve.on('error', ({ code }) => console.log('eve', code))`, port)
  t.teardown(() => end(asking))
  await asking.prints('alice yes', 'alice history\n', 'bob PUSH_FORBIDDEN', 'bob history PUSH_FORBIDDEN', 'eve PUSH_UNAUTHENTICATED')
  t.pass('only alice, and only what is hers')
})

t.test('Authentication: who connects', async (t) => {
  const [code] = of('Authentication: who connects') as [string]
  const port = await freePort()
  const serving = await run(`${code}\nawait app.listen({ port: 3000, host: '127.0.0.1' })\nconsole.log('token:' + app.jwt.sign({ sub: 'alice' }, { expiresIn: '1h' }) + ':')`, port)
  t.teardown(() => end(serving))
  await serving.prints('token:', ':\n')
  const token = serving.output().split(':')[1] as string
  const asking = await run(`
    import { createClient } from 'fastify-push/client'
    const alice = createClient('ws://127.0.0.1:3000/push', { token: '${token}' })
    await alice.channel('room/1').publish('hi').then(({ position }) => console.log('alice', position.offset))
    const eve = createClient('ws://127.0.0.1:3000/push', { token: '${token}x' })
    eve.on('error', ({ code }) => console.log('eve', code))`, port)
  t.teardown(() => end(asking))
  await asking.prints('alice 1', 'eve PUSH_UNAUTHENTICATED')
  t.pass('who has a token')
})

t.test('The client', async (t) => {
  const [code, iterator] = of('The client') as [string, string]
  const port = await freePort()
  const serving = await run(of('Usage')[0] as string, port)
  t.teardown(() => end(serving))
  await serving.done
  const client = await run(code, port)
  t.teardown(() => end(client))
  await client.done
  t.match(client.output(), /^connecting$/m)
  t.match(client.output(), /^2 \{ text: 'hi' \}$/m, 'the message arrived')
  t.match(client.output(), /^2 2$/m, 'it is the second record, and history has both')
  t.match(client.output(), /^closed$/m)
  const iterating = await run(iterator, port)
  t.teardown(() => end(iterating))
  await iterating.done
  t.equal(iterating.output(), 'one\ntwo\n')
})

t.test('Presence', async (t) => {
  const [server, client] = of('Presence') as [string, string]
  const port = await freePort()
  const serving = await run(server, port)
  t.teardown(() => end(serving))
  await serving.prints('0 0 0 null\nfalse\n[]\nnull')
  const present = await run(client, port)
  t.teardown(() => end(present))
  await present.prints("join phone alice { mood: 'curious' } join", "update phone { mood: 'delighted' }", 'alice is online', 'leave phone leave')
  t.match(present.output(), /^1 1$/m)
})

t.test('Inbox', async (t) => {
  const [toAll, toAny] = of('Inbox') as [string, string]
  const sending = await run(toAll, await freePort())
  t.teardown(() => end(sending))
  await sending.done
  t.match(sending.output(), "1\nYour order was shipped\n[ { clientId: 'alice-phone', userId: 'alice' } ]\n")
  const handling = await run(toAny, await freePort())
  t.teardown(() => end(handling))
  await handling.done
  t.equal(handling.output(), 'phone handles job 1\nlaptop handles job 2\n')
})

t.test('Under load', async (t) => {
  const [code] = of('Under load') as [string]
  const serving = await run(code, await freePort())
  t.teardown(() => end(serving))
  await serving.prints('0')
  t.pass('the options are taken')
})

t.test('Storage adapters', async (t) => {
  const [code] = of('Storage adapters') as [string]
  const kit = await run(code, 0)
  t.teardown(() => end(kit))
  const [status] = await once(kit.child, 'exit')
  t.equal(status, 0)
  t.match(kit.output(), /^# pass [1-9]/m)
  t.match(kit.output(), /^# fail 0/m)
})

t.test('Redis', async (t) => {
  const [code, withPlugin] = of('Redis') as [string, string]
  const server = await RedisServer.start()
  t.teardown(() => server.stop())
  const publishing = await run(code.replace('6379', String(server.port)), 0)
  t.teardown(() => end(publishing))
  await publishing.done
  t.equal(publishing.output(), '1\n', 'it prints what its comment says')
  const closing = await run(`${withPlugin.replace('6379', String(server.port))}
    process.on('message', () => app.close().then(() => console.log('closed')))`, 0)
  t.teardown(() => end(closing))
  await closing.done
  server.signal('SIGSTOP')
  closing.child.send('close')
  await closing.prints('closed')
  t.pass('it closes although Redis hangs')
})

t.test('no snippet is left out', async (t) => {
  t.strictSame([...new Set(snippets.map(({ heading }) => heading))],
    ['Usage', 'The client', 'Authentication: who connects', 'Permissions: who may do what', 'Channels', 'Publishing', 'Presence', 'Inbox', 'Hooks', 'Under load', 'Redis', 'Storage adapters', 'AsyncAPI'])
  t.equal(snippets.length, 19)
})
