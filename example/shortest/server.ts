import Fastify from 'fastify'
import fastifyPush from '../../lib/index.js' // in your project: 'fastify-push'

const app = Fastify()
await app.register(fastifyPush)
app.push.channel('news', { history: true })

await app.push.publish('news', { text: 'Hello, whoever comes' })
const address = await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 3000), backlog: 4096 })
console.log(`${address}/push`)
