import t from 'tap'
import { setUpLive } from './helpers.js'

/** A client whose tokens count up, live, with an identity that ends. */
async function start (expiresIn: number | undefined, token?: () => unknown) {
  let given = 0
  const next = token ?? (() => `token-${++given}`)
  return setUpLive({ token: next as () => string }, undefined, expiresIn === undefined ? {} : { expiresIn })
}

t.test('[P-2.10] it presents another token in time', async (t) => {
  const cases: [number, number][] = [[3_600_000, 3_240_000], [100_000, 70_000], [60_000, 30_000], [59_999, 29_999.5], [10_000, 5_000], [1001, 500.5]]
  for (const [expiresIn, wait] of cases) {
    const { socket, pass } = await start(expiresIn)
    const ping = (): void => { socket.say({ type: 'ping' }) } // the link is alive all the while
    for (let waited = 0; waited + 20_000 < wait; waited += 20_000) {
      await pass(20_000)
      ping()
    }
    const left = wait % 20_000 === 0 ? 20_000 : wait % 20_000
    await pass(left - 1)
    t.same(socket.of('token'), [], `${expiresIn}`)
    await pass(1)
    t.same(socket.of('token'), [{ type: 'token', id: 1, token: 'token-2' }], `${expiresIn}`)
  }
})

t.test('and again, by what the answer says', async (t) => {
  const { socket, pass, errors } = await start(10_000)
  await pass(5000)
  socket.say({ type: 'token', id: 1, expiresIn: 20_000 })
  await pass(9999)
  t.equal(socket.of('token').length, 1)
  await pass(1)
  t.equal(socket.of('token').length, 2)
  socket.say({ type: 'token', id: 2 })
  for (let i = 0; i < 20; i++) {
    await pass(20_000)
    socket.say({ type: 'ping' })
  }
  t.equal(socket.of('token').length, 2, 'the new identity does not end')
  t.same(errors, [])
})

t.test('once only where there is no other token, and not at all for the last second', async (t) => {
  const { socket, pass, errors } = await start(60_000, () => 'cached')
  for (let waited = 0; waited < 59_000; waited += 1000) {
    await pass(1000)
    socket.say({ type: 'ping' })
    const { length } = socket.of('token')
    if (waited === 29_000) socket.say({ type: 'token', id: length, expiresIn: 30_020 })
  }
  t.equal(socket.of('token').length, 1)
  const short = await start(1000)
  await short.pass(999)
  t.same(short.socket.of('token'), [])
  t.same(errors, [])
})

t.test('not where the identity does not end, nor with a token that is always the same', async (t) => {
  const endless = await start(undefined)
  await endless.pass(30_000)
  t.same(endless.socket.of('token'), [])
  const fixed = await setUpLive({ token: 'fixed' }, undefined, { expiresIn: 10_000 })
  await fixed.pass(9000)
  t.same(fixed.socket.of('token'), [])
})

t.test('what cannot be had now is asked for again, and told', async (t) => {
  let calls = 0
  const { socket, pass, errors } = await start(32_000, () => {
    if (++calls === 1 || calls === 4) return 'good'
    if (calls === 2) throw new Error('down')
    return Promise.reject(new Error('still down'))
  })
  await pass(16_000)
  t.same(errors, ['PUSH_UNAVAILABLE'])
  await pass(8000)
  t.same(errors, ['PUSH_UNAVAILABLE', 'PUSH_UNAVAILABLE'])
  t.same(socket.of('token'), [])
  await pass(4000)
  t.same(socket.of('token'), [{ type: 'token', id: 1, token: 'good' }])
})

t.test('a refusal that may pass is tried again; near the end it waits for the end', async (t) => {
  const { socket, pass, errors } = await start(4000)
  await pass(2000)
  socket.say({ type: 'error', id: 1, code: 'PUSH_UNAVAILABLE', text: 'later' })
  t.same(errors, ['PUSH_UNAVAILABLE'])
  await pass(1000)
  t.equal(socket.of('token').length, 2)
  socket.say({ type: 'error', id: 2, code: 'PUSH_UNAVAILABLE', text: 'later' })
  await pass(5000)
  t.equal(socket.of('token').length, 2)
})

t.test('a token that never comes, or is none', async (t) => {
  let calls = 0
  const { socket, pass, errors } = await start(50_000, () => ++calls === 1 ? 'good' : calls === 2 ? new Promise(() => {}) : calls === 3 ? 7 : null)
  await pass(25_000)
  t.same(errors, [])
  await pass(8000)
  t.same(errors, ['PUSH_TIMEOUT'])
  socket.say({ type: 'ping' })
  await pass(8500)
  t.same(errors, ['PUSH_TIMEOUT', 'PUSH_INVALID'])
  await pass(8000)
  t.same(socket.of('token'), [], 'and without any it lets the identity end')
})

t.test('a lost link has nothing to renew; the next one asks for its own token', async (t) => {
  let settle: (token: string) => void = () => {}
  let calls = 0
  const { socket, pass, platform } = await start(10_000, () => ++calls === 2 ? new Promise((resolve) => { settle = resolve }) : `token-${calls}`)
  await pass(5000)
  socket.drop()
  settle('late')
  await pass(1000)
  t.same(socket.of('token'), [])
  const next = platform.last
  t.equal(next.hello.token, 'token-3')
  next.welcome({ expiresIn: 10_000 })
  await pass(5000)
  t.equal(next.of('token').length, 1)
  next.drop()
  await pass(1000)
  const third = platform.last.welcome()
  await pass(1000)
  t.same(third.of('token'), [], 'what was not answered is not sent again')
})

t.test('[P-2.9] after PUSH_EXPIRED it comes back at once, with what token() gives then', async (t) => {
  const { socket, pass, platform, client, errors } = await start(10_000)
  await pass(1000)
  socket.say({ type: 'goodbye', code: 'PUSH_EXPIRED' })
  socket.drop(4440, 'PUSH_EXPIRED')
  await pass(0)
  t.not(platform.last, socket)
  t.equal(platform.last.hello.token, 'token-2')
  platform.last.welcome()
  t.equal(client.state, 'live')
  t.same(errors, [])
})

t.test('with a token that is always the same, what the server says then ends it', async (t) => {
  const { socket, pass, platform, client, errors } = await setUpLive({ token: 'fixed' }, undefined, { expiresIn: 1000 })
  await pass(1000)
  socket.drop(4440, 'PUSH_EXPIRED')
  await pass(0)
  platform.last.open()
  platform.last.say({ type: 'goodbye', code: 'PUSH_UNAUTHENTICATED' })
  platform.last.drop(4401, 'PUSH_UNAUTHENTICATED')
  await pass(60_000)
  t.equal(client.state, 'closed')
  t.same(errors, ['PUSH_UNAUTHENTICATED'])
})

t.test('a closed client asks nobody', async (t) => {
  let calls = 0
  const { pass, client } = await start(10_000, () => `token-${++calls}`)
  const closing = client.close()
  await pass(10_000)
  await closing
  t.equal(calls, 1)
})
