import t from 'tap'
import { codeOfClose, codes, isCode, type CodeRow } from '../../lib/protocol/codes.js'

const rows = Object.entries<CodeRow>(codes)

t.test('[P-10] each code is a name of its own form, with a status and a retry', async (t) => {
  for (const [code, row] of rows) {
    t.match(code, /^PUSH_[A-Z]+(_[A-Z]+)*$/)
    t.ok(row.status >= 400 && row.status <= 599, code)
    t.ok(['never', 'now', 'later'].includes(row.retry), code)
    t.ok(row.text.length > 0 && row.text.length < 100 && !row.text.endsWith('.'), code)
  }
})

t.test('[P-8.2] close codes are an application\'s own or those of WebSocket, each used once, short enough with its name', async (t) => {
  const closes = rows.flatMap(([, { close }]) => close === null ? [] : [close])
  t.equal(new Set(closes).size, closes.length)
  for (const close of closes) t.ok((close >= 4000 && close <= 4999) || [1000, 1012].includes(close), `${close}`)
  for (const [code] of rows) t.ok(code.length <= 123, 'a reason has at most 123 bytes')
})

t.test('[P-8.2] a code is found by its close code', async (t) => {
  for (const [code, { close }] of rows) if (close !== null) t.equal(codeOfClose(close), code)
  for (const close of [0, 999, 1001, 1005, 1006, 1011, 4000, 4999, Number.NaN]) t.equal(codeOfClose(close), null)
})

t.test('isCode', async (t) => {
  for (const [code] of rows) t.ok(isCode(code))
  for (const value of ['PUSH_NOTHING', 'constructor', '__proto__', 'toString', '', null, undefined, 4400, ['PUSH_CLOSED']]) t.notOk(isCode(value))
})
