import { scenarios } from './scenarios/index.js'
import { peers } from './peers/index.js'

/** What the command line asks for. Throws an error whose message is for the reader. @returns {Settings} */
export function readArguments (args) {
  const settings = { scenarios: Object.keys(scenarios), quick: false, rounds: undefined, names: undefined, dist: undefined, json: undefined, rest: [] }
  for (let i = 0; i < args.length; i++) {
    const option = args[i]
    const value = () => {
      if (args[i + 1] === undefined || args[i + 1].startsWith('--')) throw new Error(`${option} needs a value`)
      return args[++i]
    }
    switch (option) {
      case '--quick': settings.quick = true; break
      case '--rounds': settings.rounds = count(value()); break
      case '--peers': settings.names = known(value(), peers, 'peer'); break
      case '--dist': settings.dist = value(); break
      case '--json': settings.json = value(); break
      default:
        if (option.startsWith('--')) throw new Error(`there is no option ${option}; there are --quick, --rounds, --peers, --dist and --json`)
        settings.rest.push(option)
    }
  }
  const rounds = settings.rounds ?? (settings.quick ? 3 : 5)
  return { ...settings, rounds, roundCpu: settings.quick ? 500 : 1500, progress }
}

/** The names in a list with commas. Throws where one is not known. */
export function known (list, things, what) {
  const names = list.split(',')
  for (const name of names) {
    if (!Object.hasOwn(things, name)) throw new Error(`there is no ${what} '${name}'; there are ${Object.keys(things).join(', ')}`)
  }
  return names
}

function count (value) {
  if (!/^[1-9]\d*$/.test(value)) throw new Error(`--rounds needs a number, not '${value}'`)
  return Number(value)
}

// One line that is written over, where somebody watches.
function progress (text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

/**
 * @typedef {object} Settings
 * @property {string[]} scenarios
 * @property {boolean} quick shorter rounds, fewer of them, and fewer peers
 * @property {number} rounds
 * @property {number} roundCpu how long a round is, in milliseconds of server CPU
 * @property {string[] | undefined} names the peers that take part; all
 * @property {{ name: string, dist: string }[]} [trees] two builds of this plugin to compare, instead of peers
 * @property {string | undefined} dist a build of this plugin; by default it is built anew
 * @property {string | undefined} json where to write the result
 * @property {string[]} rest what is no option
 * @property {(text: string) => void} progress
 */
