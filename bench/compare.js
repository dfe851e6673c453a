// `npm run bench:compare -- <revision> [scenario,…] [--quick] [--rounds n]`: this tree against an older commit.
import { installPeers } from './preparation.js'

installPeers() // before anything that imports them

const { compareCommand } = await import('./compare-trees.js')
await compareCommand(process.argv.slice(2))
