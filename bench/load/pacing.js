const SPIN = 2 // milliseconds before a moment in which timers are not trusted

/**
 * When a publisher publishes. Each is made for one run of one channel, and tells through `publish (count)` that so many messages go
 * out now, in one write.
 * @typedef {object} Pacing
 * @property {() => void} start
 * @property {() => void} delivered everything published in this channel has reached all its subscribers
 * @property {(count: number) => void} acknowledged so many publishes more were acknowledged
 */

/** Makes what a scenario asked for: `{ kind: 'delivered', burst }`, `{ kind: 'acknowledged', inFlight }` or `{ kind: 'rate', perSecond }`. @returns {Pacing} */
export function pacingOf ({ kind, burst, inFlight, perSecond }, left, publish) {
  switch (kind) {
    case 'delivered': return whenDelivered(burst, left, publish)
    case 'acknowledged': return whenAcknowledged(inFlight, left, publish)
    case 'rate': return atRate(perSecond, left, publish)
    default: throw new Error(`no such pacing: ${kind}`)
  }
}

// One burst outstanding.
function whenDelivered (burst, left, publish) {
  const next = () => {
    if (left === 0) return
    const count = Math.min(burst, left)
    left -= count
    publish(count)
  }
  return { start: next, delivered: next, acknowledged () {} }
}

// So many outstanding.
function whenAcknowledged (inFlight, left, publish) {
  const more = (room) => {
    const count = Math.min(room, left)
    left -= count
    if (count > 0) publish(count)
  }
  return { start: () => more(inFlight), delivered () {}, acknowledged: more }
}

// Evenly spaced, however long deliveries take.
function atRate (perSecond, left, publish) {
  const interval = 1000 / perSecond
  let due = performance.now()
  const tick = () => {
    while (left > 0 && performance.now() >= due) {
      left--
      due += interval
      publish(1)
    }
    if (left === 0) return
    const wait = due - performance.now()
    if (wait > SPIN) setTimeout(tick, wait - SPIN)
    else setImmediate(tick)
  }
  return { start: tick, delivered () {}, acknowledged () {} }
}
