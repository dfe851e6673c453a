import type { Position } from '../../types/message.js'
import { checkPublishes } from './check-publish.js'
import { show, type Publish } from './history.js'
import type { ClientProcess, Person } from './person.js'
import { NAMES } from './setup.js'
import type { World } from './world.js'

/** Ends all faults, waits until all is quiet, and checks that nothing is missing; then closes everything, and nothing may be left. */
export async function end (world: World): Promise<void> {
  const { history } = world
  history.note('all faults end')
  world.network.heal()
  world.store.heal()
  Object.assign(world.people.handlers, { slow: 0, fail: 0 })
  Object.assign(world.cluster.refusals, { subscribe: 0, publish: 0 })
  await world.pass(25_000)
  for (const person of world.persons) revive(world, person)
  await world.pass(60_000)
  // An old process may just have learnt that it was overtaken by one that is gone.
  for (const person of world.persons) world.startPerson(person)
  await world.pass(20_000)
  for (const person of world.persons) await checkPerson(world, person)
  checkPublishes(history)
  if (history.findings.length === 0) await probe(world)
  for (const person of world.persons) checkOwner(world, person)
  if (history.findings.length === 0) await close(world)
}

function revive (world: World, person: Person): void {
  world.startPerson(person)
  for (const client of person.processes) client.sense('online')
  for (const { channel, qos } of person.plan.subscriptions) person.process?.subscribe(channel, qos)
}

async function checkPerson (world: World, person: Person): Promise<void> {
  const { history } = world
  const { process } = person
  if (process === undefined || process.client.state !== 'live') {
    return history.found('not-live', `${process?.name ?? person.plan.name} is ${process?.client.state ?? 'not there'}`)
  }
  for (const [channel, reader] of process.readers) {
    if (reader.qos === 0) continue
    const { epoch, head } = await world.store.state(channel)
    const due = reader.missing(epoch, head)
    if (reader.stand === null || due !== undefined) {
      history.found('lost', `${process.name} never had ${channel} ${epoch.slice(0, 4)}:${due}, of ${head}; it stands at ${show(reader.stand)}`)
    } else {
      await checkCursor(world, process, channel, { epoch, offset: head })
    }
  }
}

// Whoever was overtaken has learnt it by now: from the hint, or from the probe, whose acknowledgement was fenced.
function checkOwner (world: World, person: Person): void {
  const owners = person.processes.filter((client) => client.alive && [...client.readers.values()].some((reader) => reader.qos > 0))
  if (owners.length > 1) world.history.found('two-owners', owners.map((client) => client.name).join(', '))
}

// What was handled is what is stored, once all is quiet: the next process goes on from there.
async function checkCursor (world: World, client: ClientProcess, channel: string, head: Position): Promise<void> {
  if (!client.person.plan.named) return // it may have expired: such a client knows its position itself
  const cursor = await world.cursor(client, channel)
  // What it was told is lost need not be in the cursor: the next process is told once more. Nor what it has saved itself.
  const known = [cursor, client.person.saved(channel) ?? null, ...client.person.told.get(channel) ?? []].filter((position) => position?.epoch === head.epoch)
  const from = known.reduce((furthest, position) => Math.max(furthest, position?.offset ?? 0), 0)
  const due = world.history.firstDue(channel, head.epoch, from + 1, head.offset)
  if (cursor === null || due !== undefined) {
    world.history.found('cursor-lags', `${client.name} has handled ${channel} up to ${show(head)}, and its cursor stands at ${show(cursor)}`)
  }
}

// With all well, a message of any QoS reaches everybody.
async function probe (world: World): Promise<void> {
  const probes: Array<{ channel: string, publish: Publish }> = []
  for (const qos of [1, 0, 1] as const) {
    for (const channel of NAMES) probes.push({ channel, publish: world.random.pick(world.running).publish(channel, qos, {}) })
    await world.pass(5000)
  }
  // The first of each channel may show a subscriber at QoS 0 that the log is another one.
  for (const { channel, publish } of probes.slice(NAMES.length)) {
    for (const { process } of world.persons) {
      const reader = process?.readers.get(channel)
      if (reader === undefined || reader.had.has(publish.ref)) continue
      world.history.found('not-live', `${process?.name} does not get #${publish.ref} (QoS ${publish.qos}) in ${channel}`)
    }
  }
}

async function close (world: World): Promise<void> {
  const { history } = world
  history.note('everything is closed')
  for (const person of world.persons) for (const client of person.processes) client.close()
  await world.pass(10_000)
  const nodes = world.running
  let closed = 0
  for (const node of nodes) {
    node.close().then(() => { closed++ }, (error: unknown) => history.found('thrown', String((error as Error).stack)))
  }
  await world.pass(30_000)
  if (closed < nodes.length) history.found('endless', 'a node does not close')
  const clients = world.persons.flatMap((person) => person.processes)
  for (const { process } of [...nodes, ...clients]) {
    if (process.alive && process.timers > 0) history.found('timers-left', `${process.name}: ${process.timers}`)
  }
  await world.store.close()
  if (world.storeProcess.timers > 0) history.found('timers-left', `the store: ${world.storeProcess.timers}`)
}
