import { expect, test } from 'vitest'
import { agreeCcp, agreeIpcp, agreeIpv6cp, agreeLcp } from '../../src/track/ppp-agreement.ts'
import { PppLink } from '../../src/track/ppp-link.ts'
import { PppOptionCursor } from '../../src/wire/ppp-options.ts'
import { concat, fromHex, IPCP_OPTION, ipBytes, LCP_OPTION, pppOption } from '../support/craft.ts'

function options(...all: readonly (readonly [type: number, value: Uint8Array])[]): PppOptionCursor {
  const bytes = concat(...all.map(([type, value]) => pppOption(type, value)))
  return new PppOptionCursor().over(bytes, 0, bytes.length)
}

test('what LCP agreed holds for the end that asked, until it negotiates anew', () => {
  const link = new PppLink()
  agreeLcp(
    link,
    1,
    options(
      [LCP_OPTION.mru, fromHex('0578')],
      [LCP_OPTION.authentication, fromHex('c22381')],
      [LCP_OPTION.pfc, fromHex('')],
    ),
  )
  expect(link.agreed[1]).toMatchObject({ lcp: true, mru: 1400, authProtocol: 0xc223, chapAlgorithm: 0x81 })
  expect(link.agreed[0].lcp).toBe(false)
  expect(link.compression).toEqual(['pfc'])
  agreeLcp(link, 1, options([LCP_OPTION.authentication, fromHex('c023')]))
  expect(link.agreed[1]).toMatchObject({ lcp: true, mru: undefined, authProtocol: 0xc023, chapAlgorithm: undefined })
})

test('IPCP agrees on an address, name servers and compression; a value of another length is passed over', () => {
  const link = new PppLink()
  agreeIpcp(
    link,
    0,
    options(
      [IPCP_OPTION.compression, fromHex('002d0f01')],
      [IPCP_OPTION.address, ipBytes('10.9.8.7')],
      [IPCP_OPTION.primaryDns, ipBytes('10.0.0.53')],
      [IPCP_OPTION.secondaryDns, ipBytes('10.0.1.53')],
      [IPCP_OPTION.primaryNbns, fromHex('0a00')],
    ),
  )
  expect(link.agreed[0]).toMatchObject({
    ipcp: true,
    address: '10.9.8.7',
    dns: ['10.0.0.53', '10.0.1.53'],
    nbns: [],
  })
  expect(link.compression).toEqual(['vj'])
})

test('IPV6CP agrees on an interface identifier', () => {
  const link = new PppLink()
  agreeIpv6cp(link, 0, options([1, fromHex('02005efffe001234')]))
  expect(link.agreed[0]).toMatchObject({ ipv6cp: true, interfaceId: '0200:5eff:fe00:1234' })
})

test('CCP gives the bits of MPPE, and notes every method of compression', () => {
  const link = new PppLink()
  expect(agreeCcp(link, options([18, fromHex('01000041')]))).toBe(0x01000041)
  expect(agreeCcp(link, options([26, fromHex('7800')], [21, fromHex('2f')]))).toBe(0)
  expect(link.compression).toEqual(['mppc', 'deflate', 'bsd'])
})
