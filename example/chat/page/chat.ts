import { createClient } from '../../../lib/client/browser.js'
import type { Message, PushError, QoS } from '../../../lib/client/index.js'
import { showState } from './badge.js'
import { askName, tokenFor } from './account.js'
import { CatchUp } from './catch-up.js'
import { Members } from './members.js'
import { forget, isWords, load, save, type Shown, type Words } from './saved.js'
import { element, journal, setMark, show, showUnread, tally } from './view.js'

const promises = ['at most once: lost if the network is', 'at least once', 'exactly once'] as const

const saved = load()
const isNew = saved.name === null
const name = saved.name ??= await askName()
save(saved)

// The name of this page as a client keeps its place in the room while nobody is signed in here.
const client = createClient(`ws://${location.host}/push?page=${saved.page}`, { clientId: saved.page, token: () => tokenFor(name), store: sessionStorage })
const room = client.channel<Words>('room/lobby')

// ---- what is said

let catchUp = new CatchUp(() => {})
let lostAt: number | null = null
let arrived = tally(() => '')

const isOwn = (id: string) => id.startsWith(`${saved.page}.`)

// Each message comes here once, in order, also over cuts and reloads: nothing has to be compared or sorted.
function receive ({ id, data, qos, timestamp, position, publisher }: Message): void {
  if (!isWords(data)) return
  const message: Shown = { id, name: publisher?.userId ?? 'Server', text: data.text, qos, timestamp, offset: position?.offset ?? null }
  saved.waiting = saved.waiting.filter((each) => each.id !== id)
  saved.shown.push(message)
  save(saved)
  show(message, isOwn(id) ? 'sent' : undefined)
  if (message.offset !== null && !isOwn(id)) catchUp.add(message.offset)
}

async function say (text: string, qos: QoS): Promise<void> {
  const { page } = saved
  const message: Shown = { id: `${page}.${crypto.randomUUID().slice(0, 8)}`, name, text, qos, timestamp: Date.now(), offset: null }
  const isLate = client.state !== 'live'
  saved.waiting.push(message)
  save(saved)
  show(message, 'sending')
  try {
    await room.publish({ text }, { qos, id: message.id })
    if (qos === 0) return // nobody acknowledges it: sent is what comes back
    setMark(message.id, 'sent')
    if (isLate) arrived()
  } catch (error) {
    giveUp(message.id, (error as PushError).code)
  }
}

function giveUp (id: string, code: PushError['code']): void {
  const message = saved.waiting.find((each) => each.id === id)
  if (message === undefined) return
  saved.waiting = saved.waiting.filter((each) => each !== message)
  save(saved)
  show(message, 'failed')
  setMark(id, 'failed', code === 'PUSH_OFFLINE' ? 'not sent: offline' : code === 'PUSH_UNKNOWN' ? 'may be lost' : `not sent: ${code}`)
}

/** What of QoS 0 has not come back when a connection ends never will. */
function giveUpVolatile (): void {
  for (const { id, qos } of saved.waiting) if (qos === 0) giveUp(id, 'PUSH_UNKNOWN')
}

// ---- what the client tells

client.on('state', (state, error) => {
  showState(client)
  if (state === 'live') {
    journal(lostAt === null ? 'connected' : `back after ${((Date.now() - lostAt) / 1000).toFixed(1)} s`)
    lostAt = null
  } else if (state !== 'connecting' && lostAt === null) {
    lostAt = Date.now()
    arrived = tally((count) => `${count} of yours arrived late`)
    journal(state === 'closed' ? `closed: ${error?.code ?? 'PUSH_CLOSED'}` : 'connection lost')
    giveUpVolatile()
  }
})

client.on('error', ({ code, id }) => {
  if (id !== undefined) giveUp(id, code) // of a message that an earlier load of this page sent
})

room.on('verdict', async ({ verdict }) => {
  const came = verdict === 'started' ? 'from the history' : 'caught up'
  const current = catchUp = new CatchUp(tally((count) => `${count} ${count === 1 ? 'message' : 'messages'} ${came}`))
  const { head } = await room.history({ limit: 1 })
  current.setHead(head.offset)
})

room.on('gap', ({ reason, count }) => {
  journal(count === null ? `gap of unknown size (${reason})` : `gap of ${count}`)
})

// ---- what the person does

element<HTMLFormElement>('composer').addEventListener('submit', (event) => {
  event.preventDefault()
  const field = element<HTMLInputElement>('text')
  const text = field.value.trim()
  field.value = ''
  members.stopped()
  if (text !== '') say(text, chosenQoS())
})

element('text').addEventListener('input', () => members.typed())

element('sign-out').addEventListener('click', async () => {
  await client.close()
  forget(saved)
  location.reload()
})

element('composer').addEventListener('change', showPromise)

element('cut').addEventListener('click', ({ currentTarget }) => {
  const isCut = (currentTarget as HTMLElement).getAttribute('aria-pressed') === 'true'
  network({ method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ cut: !isCut }) })
})

/** Asks for the state of this page's network, or changes it. */
async function network (request?: RequestInit): Promise<void> {
  try {
    const { cut } = await (await fetch(`/network/${saved.page}`, request)).json() as { cut: boolean }
    const button = element('cut')
    button.setAttribute('aria-pressed', String(cut))
    button.textContent = cut ? 'Restore the network' : 'Cut the network'
    if (!cut && request !== undefined) dispatchEvent(new Event('online')) // what a browser says when its network comes back
  } catch {
    journal('the server does not answer')
  }
}

function chosenQoS (): QoS {
  return Number(new FormData(element<HTMLFormElement>('composer')).get('qos')) as QoS
}

function showPromise (): void {
  element('promise').textContent = promises[chosenQoS()]
}

// ---- the beginning

element('self').textContent = name
document.body.classList.add('signed-in')
showPromise()
for (const message of saved.shown) show(message, isOwn(message.id) ? 'sent' : undefined)
for (const message of saved.waiting) show(message, 'sending')
giveUpVolatile()
const members = new Members(room, name)
network()
if (isNew) await unread()
room.subscribe(receive, { qos: 2, rewind: 50 })

/** Somebody who was here before, and away, sees where to go on reading. */
async function unread (): Promise<void> {
  const count = await room.unread().catch(() => 0)
  if (count > 0) showUnread(count)
}
