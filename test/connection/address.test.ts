import t from 'tap'
import { addressKey } from '../../lib/connection/address.js'

t.test('an address of IPv4 is itself, also as IPv6', async (t) => {
  t.equal(addressKey('192.0.2.7'), '192.0.2.7')
  t.equal(addressKey('::ffff:192.0.2.7'), '192.0.2.7')
  t.equal(addressKey('::FFFF:192.0.2.7'), '192.0.2.7')
})

t.test('of IPv6 the network of 64 bits, however it is written', async (t) => {
  const one = addressKey('2001:db8:0:1::1')
  for (const same of ['2001:db8:0:1:ffff::', '2001:0DB8:0000:0001:0:0:0:2', '2001:db8:0:1:1:2:3:4']) t.equal(addressKey(same), one, same)
  for (const other of ['2001:db8:0:2::1', '2001:db8::1', '2001:db9:0:1::1']) t.not(addressKey(other), one, other)
  t.equal(addressKey('::1'), addressKey('0:0:0:0:0:0:0:1'))
  t.equal(addressKey('fe80::1%eth0'), addressKey('fe80::2%eth0'))
})

t.test('what is no address is itself', async (t) => {
  for (const odd of ['', 'unknown', 'proxy-1']) t.equal(addressKey(odd), odd)
  t.type(addressKey('a:b:c:d:e:f:g:h:i:j'), 'string')
})
