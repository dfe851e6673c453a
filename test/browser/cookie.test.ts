import t from 'tap'
import { start } from '../example/program.js'
import { startBrowser } from './browser.js'
import { freePort } from '../helpers/free-port.js'

t.setTimeout(240_000) // a browser on a busy machine

t.test('the page with a JWT in a cookie: signed in, a reload, signed out', async (t) => {
  const port = await freePort()
  const program = start('cookie/server.js', [], { PORT: String(port) })
  await program.line()
  const browser = await startBrowser()
  t.teardown(async () => { await browser.close(); await program.end() })
  const page = await browser.open(`http://127.0.0.1:${port}/`)
  await page.getByText('Signed out.').waitFor()
  await page.fill('[name=name]', 'alice')
  await page.press('[name=name]', 'Enter')
  await page.getByText('Signed in.').waitFor()
  await page.locator('#inbox li').getByText('signed in').waitFor()
  t.equal(await page.evaluate(() => document.cookie), '', 'no script sees it')
  await page.reload()
  await page.getByText('Signed in.').waitFor()
  t.equal(await page.locator('#in').isVisible(), false)
  await page.click('#out')
  await page.getByText('Signed out.').waitFor()
  t.equal(await page.locator('#in').isVisible(), true)
})
