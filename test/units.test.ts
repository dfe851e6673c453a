import { readdirSync } from 'node:fs'
import t from 'tap'

/**
 * The folders whose tests need neither a port nor a process. They run in this one, file by file: the runner needs two seconds of CPU for each process before its first test.
 * `npx tap build/test/core/window.test.js` runs one alone. `.taprc` leaves the same folders out.
 */
const FOLDERS = ['broker', 'client', 'connection', 'core', 'protocol']

t.setTimeout(300_000)

for (const folder of FOLDERS) {
  for (const file of readdirSync(new URL(folder, import.meta.url)).filter((name) => name.endsWith('.test.js')).sort()) {
    t.comment(`${folder}/${file}`)
    await import(`./${folder}/${file}`)
  }
}
