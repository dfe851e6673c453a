import t from 'tap'
import { ChannelPatterns } from '../../lib/core/channel-patterns.js'

function declared (...patterns: string[]): ChannelPatterns<string> {
  const channels = new ChannelPatterns<string>()
  for (const pattern of patterns) channels.add(pattern, pattern.toUpperCase())
  return channels
}

t.test('literals, parameters and the rest', async (t) => {
  const channels = declared('news', 'room/:id', 'room/:id/typing', 'logs/*', 'user/:user/files/*')
  t.same(channels.match('news'), { pattern: 'news', value: 'NEWS', params: {} })
  t.same(channels.match('room/1')?.params, { id: '1' })
  t.equal(channels.match('room/1/typing')?.pattern, 'room/:id/typing')
  t.same(channels.match('logs/a/b/c')?.params, { '*': 'a/b/c' })
  t.same(channels.match('user/alice/files/x/y')?.params, { user: 'alice', '*': 'x/y' })
  for (const name of ['room', 'room/1/2', 'new', 'news/1', 'logs', 'user/alice/files', 'NEWS']) t.equal(channels.match(name), null, name)
})

t.test('the most specific pattern wins, from the left, whatever the order of declaration', async (t) => {
  const patterns = ['a/b', 'a/:x', 'a/*', ':x/b', ':x/:y', '*', 'a/:x/c', 'a/b/*']
  for (const order of [patterns, patterns.toReversed()]) {
    const channels = declared(...order)
    const expected: Record<string, string> = {
      'a/b': 'a/b', 'a/z': 'a/:x', 'a/z/z': 'a/*', 'z/b': ':x/b', 'z/z': ':x/:y', z: '*', 'z/z/z': '*', 'a/z/c': 'a/:x/c', 'a/b/c': 'a/b/*', 'a/b/z': 'a/b/*'
    }
    for (const [name, pattern] of Object.entries(expected)) t.equal(channels.match(name)?.pattern, pattern, name)
  }
})

t.test('a branch that leads nowhere leaves no parameters behind', async (t) => {
  const channels = declared(':a/:b/x', ':c/*', 'k/:d/y')
  t.same({ ...channels.match('k/2/z')?.params }, { c: 'k', '*': '2/z' })
  t.same({ ...channels.match('k/2/x')?.params }, { a: 'k', b: '2' })
  t.same({ ...channels.match('k/2/y')?.params }, { d: '2' })
})

t.test('parameters have no prototype', async (t) => {
  const params = declared(':constructor/:toString').match('a/b')?.params
  t.equal(Object.getPrototypeOf(params), null)
  t.same({ ...params }, { constructor: 'a', toString: 'b' })
  t.equal(declared('room/:id').match('constructor'), null)
})

t.test('two patterns that match the same names are ambiguous', async (t) => {
  for (const [one, two] of [['a', 'a'], ['room/:id', 'room/:name'], ['*', '*'], ['a/:x/*', 'a/:y/*']] as const) {
    t.throws(() => declared(one, two), { code: 'PUSH_CHANNEL_AMBIGUOUS' }, `${one} and ${two}`)
  }
  t.doesNotThrow(() => declared('room/:id', 'room/*', 'room/new', 'room'))
})

t.test('malformed patterns', async (t) => {
  const patterns = ['', '/', 'a/', '/a', 'a//b', 'a/*/b', '**', 'a*', ':', ':1', ':a-b', 'a/:id/:id', 'a b', '$inbox', '__proto__', `:${'x'.repeat(33)}`,
    'x'.repeat(256), Array(17).fill('a').join('/')]
  for (const pattern of patterns) t.throws(() => declared(pattern), { code: 'PUSH_CHANNEL_INVALID' }, JSON.stringify(pattern).slice(0, 40))
  t.throws(() => new ChannelPatterns().add(5 as unknown as string, 0), { code: 'PUSH_CHANNEL_INVALID' })
})

t.test('the longest name is matched without delay, whatever the patterns', async (t) => {
  const patterns = Array.from({ length: 14 }, (_, i) => [...Array.from({ length: i + 1 }, (_, k) => k % 2 === 0 ? 'a' : `:p${k}`), 'end'].join('/'))
  t.equal(declared(...patterns).match(Array(16).fill('a').join('/')), null)
})
