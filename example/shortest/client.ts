import { createClient } from '../../lib/client/node.js' // in your project: 'fastify-push/client'

const client = createClient(process.argv[2] ?? 'ws://127.0.0.1:3000/push')
client.channel<{ text: string }>('news').subscribe(({ data, position }) => {
  console.log(data.text, position)
}, { rewind: 1 })
