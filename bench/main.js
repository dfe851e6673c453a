// `npm run bench`, and `npm run bench -- fanout,qos1 --quick --rounds 5 --peers fastify-push,ws --dist dist --json out.json`.
import { installPeers } from './preparation.js'

installPeers() // before anything that imports them

const { runCommand } = await import('./run.js')
await runCommand(process.argv.slice(2))
