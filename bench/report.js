const COLUMNS = {
  cpu: { title: 'CPU µs', show: (value) => significant(value) },
  rate: { title: 'deliveries/s', show: (value) => Math.round(value).toLocaleString('en') },
  loadCpu: { title: 'load µs', show: (value) => significant(value) },
  bytes: { title: 'bytes each', show: (value) => value.toFixed(0) },
  p99: { title: 'p99 ms', show: (value) => significant(value) },
  perConnection: { title: 'CPU µs/connection', show: (value) => value.toFixed(0) },
  publisherCpu: { title: 'publisher µs', show: (value) => significant(value) },
  redisCpu: { title: 'Redis µs', show: (value) => significant(value) },
  followerCpu: { title: 'other node µs', show: (value) => significant(value) },
  commands: { title: 'calls of nodes', show: (value) => Math.round(value).toLocaleString('en') },
  reads: { title: 'reads of logs', show: (value) => Math.round(value).toLocaleString('en') },
  rss: { title: 'RSS MB', show: (value) => value.toFixed(0) }
}
const ALWAYS = ['rate', 'loadCpu']

/** The ratios of a trial's targets, and whether they are `met`; both `null` where a peer is not installed. Without a bound there is a ratio alone. */
export function judge ({ targets }, rows) {
  const medianOf = (name) => rows.find((row) => row.name === name)?.median
  const takesPart = (name) => rows.some((row) => row.name === name)
  return targets.filter(({ row, of }) => takesPart(row) && takesPart(of)).map((target) => {
    const ratio = medianOf(target.row) / medianOf(target.of)
    if (!Number.isFinite(ratio)) return { ...target, ratio: null, met: null }
    return { ...target, ratio, met: ratio >= (target.atLeast ?? -Infinity) && ratio <= (target.atMost ?? Infinity) }
  })
}

/** A trial as a table of text. */
export function tableOf ({ name, unit, baseline }, rows, verdicts, columns = []) {
  const shown = [...columns, ...ALWAYS].filter((key) => rows.some(({ more }) => more?.[key] !== undefined))
  const base = rows.find((row) => row.name === baseline)?.median
  const lines = [
    ['', 'median', 'min–max', ...(base === undefined ? [] : [`× ${baseline}`]), ...shown.map((key) => COLUMNS[key].title), ''],
    ...rows.map((row) => row.median === undefined
      ? [row.name, '–', '–', ...(base === undefined ? [] : ['–']), ...shown.map(() => '–'), row.notes.join('; ')]
      : [
          row.name, significant(row.median), `${significant(row.min)}–${significant(row.max)}`,
          ...(base === undefined ? [] : [(row.median / base).toFixed(2)]),
          ...shown.map((key) => row.more?.[key] === undefined ? '–' : COLUMNS[key].show(row.more[key])), row.notes.join('; ')
        ])
  ]
  return [`${name}: ${unit}`, ...align(lines), ...verdicts.map(sentenceOf)].map((line) => `  ${line}`).join('\n')
}

function sentenceOf ({ row, of, atLeast, atMost, ratio, met }) {
  const result = `${row} / ${of}: ${ratio === null ? 'not measured' : ratio.toFixed(2)}`
  if (atLeast === undefined && atMost === undefined) return result
  const target = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`
  return `${result}, target ${target}${ratio === null ? '' : met ? ', met' : ', NOT MET'}`
}

function align (lines) {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  return lines.map((line) => line.map((cell, column) => column === 0 || column === line.length - 1 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])).join('  ').trimEnd())
}

function significant (value) {
  return value >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString()
}
