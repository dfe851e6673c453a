import { startChat } from './chat.js'

const { PORT = '3000', REDIS_URL } = process.env
const chat = await startChat(Number(PORT), REDIS_URL)
console.log(`The chat is open at ${chat.url} (Ctrl+C ends it). Open it in two windows and cut one of them off.`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => chat.close())
