import t, { type Test } from 'tap'
import type { Page } from 'playwright-core'
import { startChat, type Chat } from '../../example/chat/chat.js'
import type { QoS } from '../../types/index.js'
import { startBrowser, type Browser } from './browser.js'

const ROOM = 'room/lobby'

t.setTimeout(240_000) // a browser on a busy machine

let browser: Browser
t.before(async () => { browser = await startBrowser() })
t.teardown(() => browser?.close())

type Scenario = (t: Test, chat: Chat) => Promise<void>

/** A test with a chat of its own. Leaves pictures of its pages if it fails. */
function scenario (name: string, run: Scenario): void {
  t.test(name, async (t) => {
    const chat = await startChat(0)
    browser.complaints.length = 0
    try {
      await run(t, chat)
      t.same(browser.complaints.filter((text) => !isCut(text)), [], 'no errors in the pages')
    } catch (error) {
      t.error(error)
    }
    if (!t.passing()) t.comment(`pictures of the pages are in ${await browser.picture()}`)
    await browser.closePages()
    await chat.close()
  })
}

/** What Chromium itself says of a connection that was cut. */
const isCut = (text: string) => /^WebSocket connection to \S+ failed: .*ERR_CONNECTION_RESET/.test(text)

async function enter (chat: Chat, name: string, viewport?: { width: number, height: number }): Promise<Page> {
  const page = await browser.open(chat.url, viewport)
  await signIn(page, name)
  return page
}

async function signIn (page: Page, name: string): Promise<void> {
  await page.fill('#name', name)
  await page.press('#name', 'Enter')
  await state(page, 'live')
}

/** Waits until the page shows somebody as doing something. */
async function member (page: Page, name: string, doing: 'here' | 'away' | 'typing'): Promise<void> {
  await page.locator(`#members li[data-name="${name}"][data-doing="${doing}"]`).waitFor()
}

/** Who is there, as the page shows it. */
function members (page: Page): Promise<string[]> {
  return page.locator('#members .sender').allTextContents()
}

async function say (page: Page, text: string, qos: QoS = 2): Promise<void> {
  await page.check(`[name=qos][value="${qos}"]`, { force: true })
  await page.fill('#text', text)
  await page.press('#text', 'Enter')
}

/** Waits until the page shows a message at its place in the log. */
async function placed (page: Page, text: string): Promise<void> {
  await page.locator('#log .message[data-offset] .words').getByText(text, { exact: true }).waitFor()
}

/** Waits for the client's state. */
async function state (page: Page, wanted: string): Promise<void> {
  await page.waitForFunction((wanted) => document.getElementById('state')?.dataset.state === wanted, wanted)
}

/** All messages that have their place, as they stand on the page. */
function texts (page: Page): Promise<string[]> {
  return page.locator('#log .message[data-offset] .words').allTextContents()
}

/** The mark of one of the page's own messages. */
function mark (page: Page, text: string): Promise<string | null> {
  return page.locator('.message', { has: page.getByText(text, { exact: true }) }).locator('.mark').textContent()
}

async function toggleNetwork (page: Page, wanted: 'cut' | 'restored'): Promise<void> {
  await page.click('#cut')
  await page.waitForSelector(`#cut[aria-pressed="${wanted === 'cut'}"]`)
  if (wanted === 'cut') await page.waitForSelector('#state:not([data-state="live"])')
  else await state(page, 'live')
}

scenario('what one says the other sees', async (t, chat) => {
  const ada = await enter(chat, 'Ada')
  const grace = await enter(chat, 'Grace')
  for (const qos of [0, 1, 2] as const) {
    await say(ada, `at QoS ${qos}`, qos)
    await placed(grace, `at QoS ${qos}`)
    await placed(ada, `at QoS ${qos}`)
  }
  const last = grace.locator('#log .message').last()
  t.equal(await last.locator('.sender').textContent(), 'Ada')
  t.equal(await last.locator('.level').textContent(), 'QoS 2')
  t.equal(await last.locator('.offset').textContent(), '#3')
  t.notOk(await grace.locator('.own').count(), 'nothing of it is her own')
  t.equal(await ada.locator('.own').count(), 3)
  t.equal(await mark(ada, 'at QoS 2'), '✓')
  const late = await enter(chat, 'Late')
  await placed(late, 'at QoS 2')
  t.same(await texts(late), ['at QoS 0', 'at QoS 1', 'at QoS 2'], 'who enters later gets the history')
})

scenario('a page that reloads while messages flow shows each once and in order', async (t, chat) => {
  const reloading = await enter(chat, 'Ada')
  const steady = await enter(chat, 'Grace')
  const all: string[] = []
  for (let n = 1; n <= 24; n++) {
    all.push(`message ${n}`)
    await chat.push.publish(ROOM, { text: `message ${n}` }, { qos: n % 2 === 0 ? 1 : 2 })
    const reloaded = n % 8 === 4 ? reloading.reload({ waitUntil: 'commit' }) : null
    await placed(steady, `message ${n}`)
    await reloaded
    if (n % 8 === 0) await placed(reloading, `message ${n}`)
  }
  t.same(await texts(reloading), all)
  t.same(await texts(steady), all)
})

scenario('what both sides say during a cut arrives afterwards, once and in order', async (t, chat) => {
  const ada = await enter(chat, 'Ada')
  const grace = await enter(chat, 'Grace')
  await say(ada, 'before')
  await placed(grace, 'before')
  await toggleNetwork(ada, 'cut')
  t.equal(await ada.getAttribute('#cut', 'aria-pressed'), 'true')
  await say(ada, 'first in the tunnel')
  await say(ada, 'second in the tunnel', 1)
  await say(ada, 'whispered in the tunnel', 0)
  await say(grace, 'first outside')
  await say(grace, 'second outside', 1)
  await say(grace, 'whispered outside', 0)
  await placed(grace, 'whispered outside')
  await ada.locator('#state').getByText(/^waiting · \d+ s$/).waitFor()
  t.same(await texts(ada), ['before'])
  t.equal(await mark(ada, 'first in the tunnel'), 'sending…')
  t.equal(await mark(ada, 'whispered in the tunnel'), 'not sent: offline')

  await toggleNetwork(ada, 'restored')
  await placed(ada, 'second in the tunnel')
  await placed(grace, 'second in the tunnel')
  await say(grace, 'after')
  await placed(ada, 'after')
  const kept = ['before', 'first outside', 'second outside', 'first in the tunnel', 'second in the tunnel', 'after']
  t.same(await texts(ada), kept, 'QoS 0 is not delivered later')
  t.same(await texts(grace), kept.toSpliced(3, 0, 'whispered outside'))
  t.equal(await mark(ada, 'first in the tunnel'), '✓')
  await ada.locator('#journal').getByText('2 messages caught up').waitFor()
  await ada.locator('#journal').getByText('2 of yours arrived late').waitFor()
  t.equal(await grace.locator('#journal li').count(), 1, 'the other noticed nothing')
})

scenario('a reload during a cut keeps what waits', async (t, chat) => {
  const ada = await enter(chat, 'Ada')
  const grace = await enter(chat, 'Grace')
  await toggleNetwork(ada, 'cut')
  await say(ada, 'one')
  await say(ada, 'two', 1)
  await ada.reload()
  await ada.waitForSelector('#cut[aria-pressed="true"]')
  t.same(await ada.locator('#waiting .words').allTextContents(), ['one', 'two'])
  await toggleNetwork(ada, 'restored')
  await placed(ada, 'two')
  await placed(grace, 'two')
  t.same(await texts(ada), ['one', 'two'])
  t.same(await texts(grace), ['one', 'two'])
  t.equal(await ada.locator('#waiting .message').count(), 0)
})

scenario('what the room no longer keeps is said aloud', async (t, chat) => {
  const ada = await enter(chat, 'Ada')
  await say(ada, 'before')
  await placed(ada, 'before')
  await toggleNetwork(ada, 'cut')
  for (let n = 1; n <= 205; n++) await chat.push.publish(ROOM, { text: `message ${n}` })
  await toggleNetwork(ada, 'restored')
  await placed(ada, 'message 205')
  await ada.locator('#journal').getByText('gap of 5', { exact: true }).waitFor()
  await ada.locator('#journal').getByText('200 messages caught up').waitFor()
  t.same(await texts(ada), ['before', ...Array.from({ length: 200 }, (_, i) => `message ${i + 6}`)])
})

scenario('nothing is wider than a small screen', async (t, chat) => {
  const page = await enter(chat, 'A name of forty characters, as long as it', { width: 390, height: 844 })
  await say(page, `https://example.com/${'unbroken'.repeat(40)}`)
  await placed(page, `https://example.com/${'unbroken'.repeat(40)}`)
  await toggleNetwork(page, 'cut')
  await say(page, 'whispered', 0)
  const excess = await page.evaluate(() => Array.from(document.querySelectorAll('html, main, .scroll, .composer'), (each) => each.scrollWidth - each.clientWidth))
  t.same(excess, [0, 0, 0, 0], 'no horizontal scroll')
})

scenario('who is there, and what they do', async (t, chat) => {
  const ada = await enter(chat, 'Ada')
  await member(ada, 'Ada', 'here')
  const grace = await enter(chat, 'Grace')
  await member(ada, 'Grace', 'here')
  await member(grace, 'Ada', 'here')
  t.same(await members(ada), ['Ada (you)', 'Grace'])
  await grace.locator('#text').pressSequentially('I think')
  await member(ada, 'Grace', 'typing')
  await grace.press('#text', 'Enter')
  await member(ada, 'Grace', 'here')
  await toggleNetwork(grace, 'cut')
  await toggleNetwork(grace, 'restored')
  t.same(await members(ada), ['Ada (you)', 'Grace'], 'a short cut shows nothing')
  const second = await enter(chat, 'Grace')
  await member(second, 'Ada', 'here')
  t.same(await members(ada), ['Ada (you)', 'Grace'], 'one person with two windows')
  await second.click('#sign-out')
  await second.waitForSelector('#sign-in[open]')
  await grace.click('#sign-out')
  await ada.locator('#members li[data-name="Grace"]').waitFor({ state: 'detached' })
  t.equal(await ada.locator('#member-count').textContent(), '1')
})

scenario('who signs in again sees how much is new', async (t, chat) => {
  const ada = await enter(chat, 'Ada')
  const grace = await enter(chat, 'Grace')
  await say(ada, 'before')
  await placed(grace, 'before')
  await grace.click('#sign-out')
  await grace.waitForSelector('#sign-in[open]')
  for (const text of ['one', 'two', 'three']) await say(ada, text)
  await placed(ada, 'three')
  await signIn(grace, 'Grace')
  await placed(grace, 'three')
  t.equal(await grace.locator('#unread').textContent(), '3 new messages since you left')
  t.same(await texts(grace), ['one', 'two', 'three'])
  await grace.click('#sign-out')
  await grace.waitForSelector('#sign-in[open]')
  await signIn(grace, 'Edsger')
  await placed(grace, 'three')
  t.equal(await grace.locator('#unread').count(), 0, 'somebody else has read nothing before')
  t.same(await texts(grace), ['before', 'one', 'two', 'three'])
})
