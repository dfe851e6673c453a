import t from 'tap'
import { MAX_CHANNEL_LENGTH, MAX_CHANNEL_SEGMENTS, isChannelName } from '../../lib/core/channel-name.js'

t.test('[P-1.1] names of channels', async (t) => {
  const segments = (count: number): string => Array(count).fill('a').join('/')
  const names = ['a', 'A', '0', 'room/1', 'room/1/x', 'a-b_c.d~e@f', 'a..b', 'alice@example.com', '1.2', 'constructor', 'toString/valueOf',
    'x'.repeat(MAX_CHANNEL_LENGTH), segments(MAX_CHANNEL_SEGMENTS)]
  for (const name of names) t.ok(isChannelName(name), name.slice(0, 40))
})

t.test('[P-1.1] what is no name of a channel', async (t) => {
  const names = ['', '/', '/a', 'a/', 'a//b', '.', '..', 'a/..', '-a', '_a', '~a', '@a', '__proto__', '$inbox/alice', 'a/-b', 'a b', 'a\n', 'a\0', 'a*', 'a/*', ':id', 'a{b}',
    'a?b', 'a#b', 'a%20', 'a\\b', 'ä', 'а', '１', 'a\u200b', '\ufeffa', '\ud800', 'a/\ud83d\ude00',
    'x'.repeat(MAX_CHANNEL_LENGTH + 1), Array(MAX_CHANNEL_SEGMENTS + 1).fill('a').join('/')]
  for (const name of names) t.notOk(isChannelName(name), JSON.stringify(name).slice(0, 40))
  for (const value of [undefined, null, 5, {}, [], ['a'], { toString: () => 'a' }, true]) t.notOk(isChannelName(value))
})

t.test('says of every ASCII character where it may stand', async (t) => {
  for (let code = 0; code < 128; code++) {
    const char = String.fromCharCode(code)
    t.equal(isChannelName(char), /^[A-Za-z0-9]$/.test(char), `${code} first`)
    t.equal(isChannelName(`a${char}a`), /^[A-Za-z0-9/\-_.~@]$/.test(char), `${code} within`)
    t.equal(isChannelName(`a${char}`), /^[A-Za-z0-9\-_.~@]$/.test(char), `${code} last`)
  }
})
