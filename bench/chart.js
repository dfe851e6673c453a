// `node bench/chart.js [results.json [chart.svg]]`: draws the result of `npm run bench` for the README.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const CHARTED = [
  ['fanout', 'N=1000 one', 'QoS 0, 1,000 subscribers, one message at a time'],
  ['fanout', 'N=1000 burst10', 'QoS 0, 1,000 subscribers, ten messages at a time'],
  ['fanout', 'N=10000 burst10', 'QoS 0, 10,000 subscribers, ten messages at a time'],
  ['qos1', '1:1, 50 in flight', 'QoS 1, one subscriber, 50 in flight'],
  ['qos1', 'N=1000, 10 in flight', 'QoS 1, 1,000 subscribers, 10 in flight']
]
const OURS = 'fastify-push'
const WIDTH = 720
const LABELS = 120 // px left of the bars
const NUMBERS = 80 // px right of them
const BAR = 18
const ROW = 24
const TITLE = 40

const STYLE = `
    text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #24292f }
    .title { font-weight: 600 }
    .small { font-size: 12px; fill: #57606a }
    .bar { fill: #afb8c1 }
    .ours { fill: #1a7f37 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .small { fill: #8d96a0 }
      .bar { fill: #545d68 }
      .ours { fill: #3fb950 }
    }`

/** Draws the result of a run: bars of server CPU for each delivery. Returns the SVG. Trials that were not measured are left out. */
export function chartOf ({ trials, machine }) {
  const parts = []
  let y = 0
  for (const [scenario, name, title] of CHARTED) {
    const trial = trials.find((each) => each.scenario === scenario && each.name === name)
    if (trial === undefined) continue
    const rows = trial.rows.filter(({ median }) => median !== undefined)
    parts.push(...group(title, rows, y))
    y += TITLE + rows.length * ROW
  }
  parts.push(`<text class="small" x="0" y="${y + 30}">Microseconds of server CPU for each delivery of 128 bytes: shorter is better.</text>`)
  parts.push(`<text class="small" x="0" y="${y + 48}">${escape(machine.cpu)}, ${machine.cores} cores, Node.js ${escape(machine.node)}</text>`)
  const height = y + 62
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Server CPU for each delivery">`,
    `  <style>${STYLE}\n  </style>`,
    ...parts.map((part) => `  ${part}`),
    '</svg>',
    ''
  ].join('\n')
}

// Each group has a scale of its own: they differ too much to share one.
function group (title, rows, y) {
  const longest = Math.max(...rows.map(({ median }) => median))
  const bars = rows.flatMap(({ name, median }, i) => {
    const top = y + TITLE + i * ROW
    const width = Math.max(1, median / longest * (WIDTH - LABELS - NUMBERS))
    const middle = top + BAR / 2 + 4.5
    return [
      `<text x="${LABELS - 10}" y="${middle}" text-anchor="end">${escape(name)}</text>`,
      `<rect class="${name === OURS ? 'ours' : 'bar'}" x="${LABELS}" y="${top}" width="${width.toFixed(1)}" height="${BAR}" rx="2"/>`,
      `<text x="${(LABELS + width + 8).toFixed(1)}" y="${middle}">${Number(median.toPrecision(3))} µs</text>`
    ]
  })
  return [`<text class="title" x="0" y="${y + 27}">${escape(title)}</text>`, ...bars]
}

function escape (text) {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const results = new URL('results/', import.meta.url)
  const [from = new URL('results.json', results), to = new URL('chart.svg', results)] = process.argv.slice(2)
  writeFileSync(to, chartOf(JSON.parse(readFileSync(from, 'utf8'))))
}
