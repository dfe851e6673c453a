import type { AppendOutcome, Draft } from '../../types/storage.js'
import type { Channel } from '../broker/channels.js'
import type { Publication } from '../broker/publishing.js'
import { PushError, toPushError } from '../core/errors.js'
import type { PublishFrame } from '../protocol/frames.js'
import { sessionOf, type ConnectionContext, type Run } from './context.js'
import { permit } from './permit.js'

/** Most messages in one append. */
const RUN = 64

/**
 * How long after a session's own time its publishers' sequences are remembered: a resend begins when the client has noticed that the
 * link was dead, and the session was kept alive until the server had noticed.
 */
const MARGIN = 600_000

/**
 * What one publisher sends to one channel on one connection, strictly one append after the other, so that `sequence ≤ last`
 * tells a repeat. After anything but ok it discards frames until one restarts the run: the client decides what comes next. [P-5.5]
 */
export class PublishRun implements Run {
  readonly #connection: ConnectionContext
  readonly #channel: string
  #queue: PublishFrame[] = []
  /** Admitted and not yet appended, in order. */
  #admitted: { frame: PublishFrame, draft: Draft }[] = []
  #publisher: string | null = null
  /** The publisher's name in the storage. */
  #publisherKey = ''
  #discarding = false
  /** Until a message since the restart was new, each may be a repeat: from an earlier connection, or of an unknown outcome on this one. */
  #mayRepeat = true
  idle = true

  constructor (connection: ConnectionContext, channel: string) {
    this.#connection = connection
    this.#channel = channel
  }

  push (frame: PublishFrame): void {
    this.#queue.push(frame)
    if (this.idle) this.#work().catch((error: unknown) => this.#connection.fail(error))
  }

  async #work (): Promise<void> {
    this.idle = false
    while (this.#queue.length > 0 && !this.#connection.ended) {
      const frames = this.#queue.splice(0, RUN)
      for (const frame of frames) {
        const taking = this.#take(frame)
        if (taking !== undefined) await taking
        if (this.#connection.ended) return // nothing gets in afterwards
      }
      await this.#append()
      this.#connection.publishing -= frames.length
    }
    this.idle = true
  }

  // Returns at once where nothing has to be asked: with many messages in a row a promise each is felt.
  #take (frame: PublishFrame): Promise<void> | undefined {
    if (frame.publisher !== undefined) this.#restart(frame.publisher)
    if (this.#discarding) return undefined
    try {
      const { channels, publishing } = this.#connection.service.broker
      const channel = channels.find(this.#channel)
      const publication = this.#read(channel, frame)
      if (this.#mayRepeat || publication.named) return this.#takeRepeat(channel, publication, frame)
      const asked = permit(this.#connection, 'publish', channel)
      if (asked !== undefined) return this.#takeAsked(asked, publication, frame)
      const draft = publishing.prepare(publication, sessionOf(this.#connection).client)
      if (draft instanceof Promise) return this.#takePrepared(draft, frame)
      this.#admitted.push({ frame, draft })
      return undefined
    } catch (error) {
      return this.#takeRefused(frame, error)
    }
  }

  async #takeRepeat (channel: Channel, publication: Publication, frame: PublishFrame): Promise<void> {
    try {
      if (await this.#answerRepeat(publication, frame) || this.#connection.ended) return
      await this.#takeAsked(permit(this.#connection, 'publish', channel), publication, frame)
    } catch (error) {
      await this.#takeRefused(frame, error)
    }
  }

  async #takeAsked (asked: undefined | Promise<number>, publication: Publication, frame: PublishFrame): Promise<void> {
    try {
      await asked
      if (this.#connection.ended) return
      const draft = await this.#connection.service.broker.publishing.prepare(publication, sessionOf(this.#connection).client)
      this.#admitted.push({ frame, draft })
    } catch (error) {
      await this.#takeRefused(frame, error)
    }
  }

  async #takePrepared (preparing: Promise<Draft>, frame: PublishFrame): Promise<void> {
    try {
      const draft = await preparing
      this.#admitted.push({ frame, draft })
    } catch (error) {
      await this.#takeRefused(frame, error)
    }
  }

  // Those before it go their way first; if they do not, this one is discarded with all that follows them.
  async #takeRefused (frame: PublishFrame, error: unknown): Promise<void> {
    if (await this.#append()) this.#refuse(frame, error)
  }

  #restart (publisher: string): void {
    this.#mayRepeat = true
    this.#publisher = publisher
    this.#publisherKey = `${sessionOf(this.#connection).key}/${publisher}` // within the session: nobody else can use up its sequences
    this.#discarding = false
  }

  #read (channel: Channel, { sequence, id, ttl, qos, data }: PublishFrame): Publication {
    const session = sessionOf(this.#connection)
    const publisher = this.#publisher
    if (sequence === undefined) throw new PushError('PUSH_INVALID', 'a publish of QoS 1 or 2 has a sequence')
    if (publisher === null) throw new PushError('PUSH_BUSY', 'this run is not known: restart it')
    return {
      channel,
      data,
      qos,
      id: id ?? `${publisher}.${sequence}`,
      named: id !== undefined,
      ttl,
      publisher: session.publisher,
      key: { id: this.#publisherKey, sequence, ttl: session.ttl * 1.5 + MARGIN }
    }
  }

  async #answerRepeat (publication: Publication, frame: PublishFrame): Promise<boolean> {
    const known = await this.#connection.service.broker.publishing.recognise(publication)
    if (known === null) {
      this.#mayRepeat = false
      return false
    }
    if (await this.#append()) this.#answer(frame, known)
    return true
  }

  // One append for all that were admitted in a row. Whether all of them are stored.
  async #append (): Promise<boolean> {
    const admitted = this.#admitted
    const first = admitted[0]
    if (first === undefined) return true
    if (this.#connection.ended) return false
    this.#admitted = []
    const { channels, publishing } = this.#connection.service.broker
    try {
      const outcomes = await publishing.append(channels.find(this.#channel), admitted.map(({ draft }) => draft))
      return this.#answerAll(admitted.map(({ frame }) => frame), outcomes)
    } catch (error) {
      this.#refuse(first.frame, error)
      return false
    }
  }

  // Acknowledges runs of consecutive sequences at consecutive offsets with one frame each. [P-5.4]
  #answerAll (frames: readonly PublishFrame[], outcomes: readonly AppendOutcome[]): boolean {
    let start = 0
    for (let i = 0; i < frames.length; i++) {
      const outcome = outcomes[i] as AppendOutcome
      if (outcome.status === 'conflict') {
        this.#refuse(frames[i] as PublishFrame, new PushError('PUSH_ID_CONFLICT'))
        return false
      }
      if (i + 1 < frames.length && follows(frames, outcomes, i)) continue
      this.#answer(frames[start] as PublishFrame, outcomes[start] as AppendOutcome, i - start + 1)
      start = i + 1
    }
    return true
  }

  #answer ({ channel, sequence }: PublishFrame, outcome: AppendOutcome, count = 1): void {
    if (outcome.status === 'conflict') throw new PushError('PUSH_ID_CONFLICT')
    this.#connection.send({
      type: 'published',
      channel,
      sequence: sequence as number,
      count,
      ...(outcome.position ?? {}),
      ...(outcome.status === 'duplicate' ? { duplicate: true } : {})
    })
  }

  #refuse ({ channel, sequence }: PublishFrame, error: unknown): void {
    const { code, message } = toPushError(error, 'PUSH_INTERNAL')
    if (!(error instanceof PushError)) this.#connection.log.warn({ err: error }, 'push: publish failed')
    this.#discarding = true
    this.#connection.service.broker.counters.refused++
    // What is wrong with the message, so that whoever sent it need not guess.
    const text = code === 'PUSH_INVALID' ? { text: message } : {}
    this.#connection.send({ type: 'refused', channel, sequence: sequence ?? 1, code, ...text })
  }
}

// Whether the outcome after `i` continues it: both new, next sequence, next offset.
function follows (frames: readonly PublishFrame[], outcomes: readonly AppendOutcome[], i: number): boolean {
  const here = outcomes[i]
  const next = outcomes[i + 1]
  return here?.status === 'stored' && next?.status === 'stored' &&
    next.position.epoch === here.position.epoch && next.position.offset === here.position.offset + 1 &&
    frames[i + 1]?.sequence === (frames[i]?.sequence as number) + 1
}
