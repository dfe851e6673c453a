import type { Position } from '../../types/message.js'
import type { ClientFrame, HelloFrame, ServerFrame, SubscriptionVerdict } from '../../lib/protocol/frames.js'
import type { Reader } from './check-delivery.js'
import { show, type History, type Payload } from './history.js'
import type { Link, Tap } from './network.js'

/** What the wire shows of one subscription of one connection, seen from the server. */
interface Flow {
  readonly qos: number
  epoch: string
  sent: number
  acknowledged: number
}

/** What the wire's checks ask of the world. */
export interface WireWorld {
  readonly window: number
  /** What a process has had of a channel. */
  reader (process: string, channel: string): Reader | undefined
  /** What the store of a process says it has handled; `undefined` where it has none. */
  saved (process: string, channel: string): Position | null | undefined
  /** Whether the session's cursor has, up to `time`, ever been at or beyond a position. */
  committed (process: string, channel: string, position: Position, time?: number): boolean
  /** The same at any time, and even if the cursor was removed since. */
  everCommitted (process: string, channel: string, position: Position): boolean
  /** A process acknowledges a position. */
  acknowledges (process: string, channel: string, position: Position): void
  /** Whether the store has known a cursor of the session all the time since. */
  knows (process: string, channel: string, since: number): boolean
  /** A process of a client has been told that the session is not known any more. */
  renewed (process: string): void
  /** A process of a client is told where a subscription begins anew, or goes on after a loss. */
  told (process: string, channel: string, position: Position): void
  /** Whether another process of the same client has handled everything up to a position. */
  handledElsewhere (process: string, channel: string, position: Position): boolean
  /** A process begins to read a channel. */
  begins (process: string, verdict: SubscriptionVerdict): void
  /** The secret of the session that a process goes by. */
  secret (process: string, session: string): void
}

/** Watches every frame of every connection. */
export class WireChecks implements Tap {
  readonly #history: History
  readonly #world: WireWorld
  readonly #flows = new WeakMap<Link, Map<string, Flow>>()

  constructor (history: History, world: WireWorld) {
    this.#history = history
    this.#world = world
  }

  offered (link: Link, hello: string): void {
    this.#note(link, '→', hello)
    this.#world.secret(link.client.name, (JSON.parse(hello) as HelloFrame).session)
  }

  clientSent (link: Link, text: string): void {
    const frame = JSON.parse(text) as ClientFrame
    if (frame.type === 'hello') return this.offered(link, text)
    this.#note(link, '→', text)
    if (frame.type === 'publish') this.#history.sent((frame.data as Payload).ref)
    if (frame.type !== 'ack') return
    for (const position of frame.positions) this.#checkAck(link.client.name, position.channel, position)
  }

  serverReceived (link: Link, text: string): void {
    const frame = JSON.parse(text) as ClientFrame
    if (frame.type !== 'ack') return
    for (const { channel, epoch, offset } of frame.positions) {
      const flow = this.#flow(link, channel)
      if (flow?.epoch !== epoch || offset <= flow.acknowledged) continue
      // What lies beyond the log was never acknowledged by anybody.
      if (this.#history.log(channel, epoch).has(offset)) flow.acknowledged = offset
    }
  }

  serverSent (link: Link, text: string): void {
    const frame = JSON.parse(text) as ServerFrame
    switch (frame.type) {
      case 'welcome':
        for (const row of frame.subscriptions) {
          if (!('verdict' in row)) continue
          this.#checkStart(link, row)
          this.#open(link, row)
        }
        break
      case 'subscribed': this.#open(link, frame); break
      case 'unsubscribed': this.#flows.get(link)?.delete(frame.channel); break
      case 'messages':
        if (frame.epoch !== undefined && frame.from !== undefined) this.#advance(link, frame.channel, frame.epoch, frame.from, frame.from + frame.messages.length - 1)
        break
      case 'skip':
        this.#checkSkip(frame.channel, frame.epoch, frame.from, frame.to)
        this.#advance(link, frame.channel, frame.epoch, frame.from, frame.to)
        break
      case 'gap': this.#move(link, frame.channel, frame.position); break
      case 'confirmed':
        for (const position of frame.positions) this.#checkConfirmed(link.client.name, position.channel, position)
    }
  }

  clientReceived (link: Link, text: string): void {
    this.#note(link, '←', text)
    const frame = JSON.parse(text) as ServerFrame
    if (frame.type === 'welcome') {
      if (!frame.resumed) this.#world.renewed(link.client.name)
      for (const row of frame.subscriptions) if ('verdict' in row) this.#begin(link, row)
    } else if (frame.type === 'subscribed') {
      this.#begin(link, frame)
    }
  }

  clientClosed (link: Link, code: number): void {
    this.#history.note(`${link.client.name} ${link.number} closed ${code}`)
  }

  #note (link: Link, arrow: string, text: string): void {
    this.#history.note(`${link.client.name} ${arrow} ${link.listener?.process.name} (${link.number}) ${text.slice(0, 260)}`)
  }

  #flow (link: Link, channel: string): Flow | undefined {
    return this.#flows.get(link)?.get(channel)
  }

  #open (link: Link, { channel, qos, position, verdict }: SubscriptionVerdict): void {
    let flows = this.#flows.get(link)
    if (flows === undefined) this.#flows.set(link, flows = new Map())
    if (verdict !== 'resumed') this.#world.told(link.client.name, channel, position)
    flows.set(channel, { qos, epoch: position.epoch, sent: position.offset, acknowledged: position.offset })
  }

  // A subscription never starts before what the session had acknowledged when the connection was opened.
  #checkStart ({ client, since }: Link, { channel, qos, gap, position: { epoch, offset } }: SubscriptionVerdict): void {
    // A process that still stands in another epoch is told of the change, whatever others of its name have had since.
    if (qos === 0 || gap?.from === null || !this.#world.knows(client.name, channel, since)) return
    if (this.#world.committed(client.name, channel, { epoch, offset: offset + 1 }, since)) {
      this.#history.found('resumed-wrong', `${client.name} is told that ${channel} begins at ${show({ epoch, offset })}, and its cursor was further`)
    }
  }

  #begin (link: Link, verdict: SubscriptionVerdict): void {
    const reader = this.#world.reader(link.client.name, verdict.channel)
    if (reader === undefined) return
    if (reader.stand === null) this.#world.begins(link.client.name, verdict)
    reader.begins(verdict.position, (position) => this.#world.handledElsewhere(link.client.name, verdict.channel, position))
  }

  #move (link: Link, channel: string, position: Position): void {
    const flow = this.#flow(link, channel)
    this.#world.told(link.client.name, channel, position)
    if (flow === undefined) return
    const acknowledged = position.epoch === flow.epoch ? Math.max(flow.acknowledged, position.offset) : position.offset
    Object.assign(flow, { epoch: position.epoch, sent: position.offset, acknowledged })
  }

  // On one connection nothing comes twice, nothing is left out unsaid, and only so much goes ahead of the acknowledgements.
  #advance (link: Link, channel: string, epoch: string, from: number, to: number): void {
    const flow = this.#flow(link, channel)
    if (flow === undefined || flow.qos === 0) return
    const what = `${link.client.name} (${link.number}) is sent ${channel} ${epoch.slice(0, 4)}:${from}…${to} after ${flow.epoch.slice(0, 4)}:${flow.sent}`
    if (epoch !== flow.epoch || from > Math.max(flow.sent, flow.acknowledged) + 1) this.#history.found('wire-hole', what)
    else if (from <= flow.sent) this.#history.found('wire-repeat', what)
    if (to - flow.acknowledged > this.#world.window) this.#history.found('window', `${what}, with ${flow.acknowledged} acknowledged`)
    flow.sent = to
  }

  #checkSkip (channel: string, epoch: string, from: number, to: number): void {
    const due = this.#history.firstDue(channel, epoch, from, to)
    if (due !== undefined) this.#history.found('hole', `${channel} ${epoch.slice(0, 4)}:${due} is skipped, and nothing stands against sending it`)
  }

  #checkAck (process: string, channel: string, { epoch, offset }: Position): void {
    const reader = this.#world.reader(process, channel)
    if (reader === undefined || reader.qos === 0) return
    this.#world.acknowledges(process, channel, { epoch, offset })
    const due = reader.unhandled(epoch, offset)
    const what = `${process} acknowledges ${channel} ${epoch.slice(0, 4)}:${offset}`
    if (due !== undefined) return this.#history.found('acknowledged-not-handled', `${what}, and ${due} is not handled`)
    if (reader.qos < 2) return
    const saved = this.#world.saved(process, channel)
    if (saved === undefined) return
    // It may have saved already that the log is another one.
    if (saved !== null && saved.epoch !== epoch && reader.knows(saved.epoch)) return
    if (saved?.epoch !== epoch || saved.offset < offset) this.#history.found('acknowledged-not-saved', `${what}, and its store says ${show(saved)}`)
  }

  #checkConfirmed (process: string, channel: string, position: Position): void {
    if (!this.#world.everCommitted(process, channel, position)) {
      this.#history.found('confirmed-not-stored', `${process} is told that ${channel} ${show(position)} is stored`)
    }
  }
}
