import type { Shown } from './saved.js'

/** How far a message of this page has come. Others' messages have none. */
export type Mark = 'sending' | 'sent' | 'failed'

const log = element('log')
const waiting = element('waiting')
const scroll = element('scroll')
const bubbles = new Map<string, HTMLElement>()
const minutes = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
const seconds = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })

/** The element of the page with this id. */
export function element<E extends HTMLElement = HTMLElement> (id: string): E {
  return document.getElementById(id) as E
}

/** Shows a message at its place: at the end of the log, where all have come in order; without an offset, below it. */
export function show (message: Shown, mark?: Mark): void {
  const isAtEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80
  bubbles.get(message.id)?.remove()
  const bubble = bubbleOf(message)
  bubbles.set(message.id, bubble)
  if (mark !== undefined) {
    bubble.classList.add('own')
    setMark(message.id, mark)
  }
  const list = message.offset === null && mark === 'sending' ? waiting : log
  list.append(bubble)
  element('empty').hidden = true
  if (isAtEnd || list === waiting) scroll.scrollTop = scroll.scrollHeight
}

/** Draws a line above what this person has not seen yet. */
export function showUnread (count: number): void {
  const line = part('li', `${count} new ${count === 1 ? 'message' : 'messages'} since you left`, 'unread')
  line.id = 'unread'
  log.append(line)
}

/** Says how far a message of this page has come. */
export function setMark (id: string, mark: Mark, text = mark === 'sending' ? 'sending…' : mark === 'sent' ? '✓' : 'not sent'): void {
  const bubble = bubbles.get(id)
  if (bubble === undefined) return
  bubble.dataset.mark = mark
  const label = bubble.querySelector('.mark') as HTMLElement
  label.textContent = text
  label.title = mark === 'sent' ? 'acknowledged' : ''
}

/** Adds a line to the journal, the newest first. Returns what changes its text. */
export function journal (text: string): (text: string) => void {
  const line = document.createElement('li')
  const words = part('span', text)
  line.append(part('time', seconds.format(Date.now())), words)
  element('journal').prepend(line)
  return (changed) => { words.textContent = changed }
}

/** Counts in one line of the journal, which appears with the first and says `text` of the count. */
export function tally (text: (count: number) => string): () => void {
  let count = 0
  let change: ((text: string) => void) | null = null
  return () => {
    const words = text(++count)
    if (change === null) change = journal(words)
    else change(words)
  }
}

function bubbleOf ({ id, name, text, qos, timestamp, offset }: Shown): HTMLElement {
  const bubble = document.createElement('li')
  bubble.className = 'message'
  bubble.dataset.id = id
  if (offset !== null) bubble.dataset.offset = String(offset)
  const sender = part('span', name, 'sender')
  sender.style.setProperty('--hue', String(hueOf(name)))
  const time = part('time', minutes.format(timestamp))
  time.dateTime = new Date(timestamp).toISOString()
  const header = document.createElement('header')
  header.append(sender, time)
  const footer = document.createElement('footer')
  footer.append(part('span', `QoS ${qos}`, 'level'), part('span', offset === null ? '' : `#${offset}`, 'offset'), part('span', '', 'mark'))
  bubble.append(header, part('p', text, 'words'), footer)
  return bubble
}

/** An element with a text. */
export function part<Tag extends keyof HTMLElementTagNameMap> (tag: Tag, text: string, className = ''): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag)
  made.textContent = text
  if (className !== '') made.className = className
  return made
}

/** One colour a name, similar names far apart. */
export function hueOf (name: string): number {
  let sum = 0
  for (const character of name) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 997
  return sum * 137 % 360
}
