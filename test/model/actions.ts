import type { QoS } from '../../types/message.js'
import { ID_WINDOW, type Publish } from './history.js'
import { MORE, NAMES, type Action } from './setup.js'
import type { World } from './world.js'

const actions: Readonly<Record<Action, (world: World) => void | Promise<void>>> = {
  publish: (world) => publish(world, 1),
  burst: (world) => publish(world, world.random.int(3, 12)),
  serverPublish,
  retry: (world) => again(world, false),
  conflict: (world) => again(world, true),
  subscribe: (world) => one(world, world.clients)?.subscribe(world.random.pick(NAMES), world.random.pick<QoS>([0, 1, 2])),
  unsubscribe: (world) => one(world, world.clients)?.unsubscribe(world.random.pick(NAMES)),
  cut,
  stall,
  sense: (world) => one(world, world.clients)?.sense(world.random.pick(['online', 'offline', 'visible', 'hidden', 'resumed'])),
  killNode,
  stopNode,
  killClient,
  takeOver,
  storeDown,
  storeLost,
  wait: (world) => world.pass(world.random.pick([5000, 15_000, 40_000, 100_000])),
  bogusAck
}

/** Lets something happen. */
export async function act (world: World, action: Action): Promise<void> {
  await actions[action](world)
}

function one<Item> (world: World, items: readonly Item[]): Item | undefined {
  return items.length === 0 ? undefined : world.random.pick(items)
}

function publish (world: World, count: number): void {
  const { random } = world
  const client = one(world, world.clients)
  const channel = random.pick(NAMES)
  const qos = random.pick<QoS>([0, 1, 1, 2, 2])
  for (let i = 0; i < count; i++) {
    client?.publish(channel, qos, { ...(random.chance(0.05) ? { id: `id-${++world.ids}` } : {}), ...ttl(world) })
  }
  publishMore(world)
}

function publishMore ({ more, running }: World): void {
  if (more === null || running.length === 0) return
  for (const channel of MORE) {
    for (let i = more.int(0, 3); i > 0; i--) more.pick(running).publish(channel, more.pick<QoS>([0, 1, 1, 2]), {})
  }
}

function ttl ({ random }: World): { ttl?: number } {
  return random.chance(0.12) ? { ttl: random.pick([200, 2000, 20_000]) } : {}
}

function serverPublish (world: World): void {
  const { random } = world
  const options = random.chance(0.4) ? { id: `id-${++world.ids}` } : ttl(world)
  one(world, world.running)?.publish(random.pick(NAMES), random.pick<QoS>([0, 1, 2]), options)
}

// The same message with the same id once more, on any node, while the id is remembered; or another message under that id.
function again (world: World, another: boolean): void {
  const { now, publishes } = world.history
  const known = (publish: Publish): boolean =>
    publish.id !== undefined && publish.qos > 0 && publish.plain && now - publish.at < ID_WINDOW / 2 && (!another || publish.ok > 0)
  const publish = one(world, publishes.filter(known))
  if (publish?.id === undefined) return
  one(world, world.running)?.publish(publish.channel, publish.qos, { id: publish.id }, another ? undefined : publish)
}

function cut (world: World): void {
  const link = one(world, [...world.network.links])
  const told = world.random.pick(['both', 'both', 'client', 'server', 'nobody'] as const)
  if (link === undefined) return
  world.history.note(`${link.client.name} (${link.number}) is cut, ${told} told`)
  link.reset(told)
}

function stall (world: World): void {
  const link = one(world, [...world.network.links])
  const direction = world.random.pick(['up', 'down'] as const)
  if (link === undefined) return
  world.history.note(`${link.client.name} (${link.number}) stalls ${direction}`)
  link.stall(direction, world.random.pick([500, 3000, 15_000, 60_000]))
}

function killNode (world: World): void {
  const node = one(world, world.running)
  if (node === undefined) return
  node.kill()
  world.network.drop(node, world.random.chance(0.3))
  world.scheduler.later(world.random.pick([100, 3000, 20_000]), () => {
    world.retireNode(node)
    world.startNode(node.name)
  })
}

function stopNode (world: World): void {
  const node = one(world, world.running)
  if (node === undefined) return
  world.history.note(`${node.name} stops`)
  world.retireNode(node)
  const again = (): void => { world.scheduler.later(500, () => world.startNode(node.name)) }
  node.close().then(again, (error: unknown) => {
    world.history.found('thrown', `closing ${node.name}: ${String((error as Error).stack)}`)
  })
}

function killClient (world: World): void {
  const person = world.random.pick(world.persons)
  const { process } = person
  if (process === undefined) return
  process.kill()
  world.network.leave(process.process, world.random.chance(0.3))
  world.scheduler.later(world.random.pick([10, 1000, 10_000, 60_000]), () => world.startPerson(person))
}

// Another process comes up under the same name while the first still lives.
function takeOver (world: World): void {
  const named = world.persons.filter((person) => person.plan.named && person.plan.store === 'none' && person.process !== undefined)
  one(world, named)?.start()
}

function storeDown (world: World): void {
  world.history.note('the store is down')
  world.store.down = true
  world.scheduler.later(world.random.pick([300, 3000, 20_000]), () => { world.store.down = false })
}

async function storeLost (world: World): Promise<void> {
  world.history.note('the store is lost')
  world.history.store++
  await world.store.lose()
}

// An acknowledgement beyond the log's head, which no client of ours would send.
function bogusAck (world: World): void {
  const link = one(world, [...world.network.links].filter((link) => link.served))
  if (link === undefined) return
  for (const [channel, { stand }] of world.client(link.client.name)?.readers ?? []) {
    if (stand !== null) link.inject(JSON.stringify({ type: 'ack', positions: [{ channel, epoch: stand.epoch, offset: stand.offset + 1000 }] }))
  }
}
