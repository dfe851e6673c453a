import type { Channel, Member } from '../../../lib/client/index.js'
import { element, part, hueOf } from './view.js'

/** What a person is doing, as the others see it. */
export type Doing = 'here' | 'away' | 'typing'

const RANK: readonly Doing[] = ['away', 'here', 'typing']
const TEXTS: Readonly<Record<Doing, string>> = { here: '', away: 'away', typing: 'typing…' }

/** How long somebody counts as typing after the last key. Milliseconds. */
const TYPING = 3000

/** Shows who is in the room, and what they are doing; and tells the others what this page's person does. */
export class Members {
  readonly #room: Channel<unknown>
  readonly #self: string
  /** By member: one person may have several windows open. */
  readonly #members = new Map<string, Member>()
  #doing: Doing | null = null
  #typing: ReturnType<typeof setTimeout> | undefined

  constructor (room: Channel<unknown>, self: string) {
    this.#room = room
    this.#self = self
    for (const event of ['join', 'update'] as const) room.on(event, (member) => { this.#set(member) })
    room.on('leave', ({ id }) => {
      this.#members.delete(id)
      this.#show()
    })
    document.addEventListener('visibilitychange', () => this.#tell())
    this.#tell()
  }

  /** A key was pressed. */
  typed (): void {
    clearTimeout(this.#typing)
    this.#typing = setTimeout(() => this.stopped(), TYPING)
    this.#tell()
  }

  /** The message was sent, or nothing came of it. */
  stopped (): void {
    clearTimeout(this.#typing)
    this.#typing = undefined
    this.#tell()
  }

  #tell (): void {
    const doing = document.hidden ? 'away' : this.#typing === undefined ? 'here' : 'typing'
    if (doing === this.#doing) return
    this.#doing = doing
    this.#room.enter({ doing }).catch(() => {}) // a lost connection enters again by itself
  }

  #set (member: Member): void {
    this.#members.set(member.id, member)
    this.#show()
  }

  // A person with two windows is one person, who does the liveliest of what is done in them.
  #show (): void {
    const people = new Map<string, Doing>()
    for (const { userId = '?', data } of this.#members.values()) {
      const doing = doingOf(data)
      if (RANK.indexOf(doing) >= RANK.indexOf(people.get(userId) ?? 'away')) people.set(userId, doing)
    }
    const names = [...people.keys()].sort((a, b) => a.localeCompare(b))
    element('members').replaceChildren(...names.map((name) => this.#line(name, people.get(name) as Doing)))
    element('member-count').textContent = String(names.length)
  }

  #line (name: string, doing: Doing): HTMLElement {
    const line = document.createElement('li')
    line.dataset.doing = doing
    line.dataset.name = name
    const label = part('span', name === this.#self ? `${name} (you)` : name, 'sender')
    label.style.setProperty('--hue', String(hueOf(name)))
    line.append(label, part('span', TEXTS[doing], 'doing'))
    return line
  }
}

// Anybody may say anything of themselves.
function doingOf (data: unknown): Doing {
  const { doing } = (data ?? {}) as { doing?: unknown }
  return RANK.find((each) => each === doing) ?? 'here'
}
