import { describe, expect, test } from 'vitest'
import { packLink, unpackLink } from '../../src/track/packed-ppp.ts'
import { PppLink } from '../../src/track/ppp-link.ts'

const USER = 'Ünlü\t"user"\n@example.com'

function loggedIn(): PppLink {
  const link = new PppLink()
  for (const protocol of [0xc021, 0xc223, 0x8021]) link.noteProtocol(protocol)
  link.noteCompression('acfc')
  Object.assign(link, {
    phase: 'network',
    isOpenTold: true,
    encrypted: 7,
    mppeBits: 128,
    isStateless: false,
    server: 0,
  })
  Object.assign(link, { terminatedBy: 0, terminationReason: 'terminated by the client: "bye"\n' })
  Object.assign(link.agreed[0], {
    lcp: true,
    ipcp: true,
    ipv6cp: true,
    ccp: true,
    mru: 1400,
    address: '10.64.0.1',
    interfaceId: '0001:0002:0003:0004',
    dns: ['10.0.0.53', '10.0.0.54'],
    nbns: ['10.0.0.55'],
  })
  Object.assign(link.agreed[1], { lcp: true, authProtocol: 0xc223, chapAlgorithm: 129 })
  Object.assign(link.login(0), {
    user: USER,
    server: 'lns',
    method: 'MS-CHAPv2',
    attempts: 2,
    identifier: 0,
    digest: -1_234_567,
    isJudged: true,
    outcome: 'failed',
    told: '',
  })
  return link
}

describe('a packed link', () => {
  test('is the same when it is unpacked', () => {
    for (const [link, userName] of [
      [new PppLink(), undefined],
      [loggedIn(), undefined],
      [loggedIn(), USER],
      [loggedIn(), 'another'],
    ] as const) {
      const unpacked = unpackLink(packLink(link, userName), userName)
      expect(unpacked).toEqual(link)
      for (const role of [0, 1] as const) expect(unpacked.loginOf(role)).toEqual(link.loginOf(role))
      expect(packLink(unpacked, userName)).toBe(packLink(link, userName))
    }
  })

  test('does not repeat the name of the user, which the carrier keeps', () => {
    const link = loggedIn()
    link.login(0).told = USER
    const packed = packLink(link, USER)
    expect(packed).not.toContain('example.com')
    expect(unpackLink(packed, USER).loginOf(0)).toMatchObject({ user: USER, told: USER })
  })

  test('of which nothing is known is next to nothing', () => {
    expect(packLink(new PppLink(), undefined).length).toBeLessThan(5)
  })

  test('holds no secret, and a link with one is not plain', () => {
    expect(loggedIn().isPlain).toBe(true)
    const keys = { startKey: () => Uint8Array.of(0xab, 0xcd) }
    const secrets: ((link: PppLink) => unknown)[] = [
      (link) => (link.login(1).challenge = 'feedbeef'),
      (link) => (link.login(0).serverAnswer = 'feedbeef'),
      (link) => (link.login(0).proof = { verdict: 'verified', keys, serverAnswers: ['feedbeef'] }),
      (link) => (link.keys = keys),
    ]
    for (const give of secrets) {
      const link = loggedIn()
      give(link)
      expect(link.isPlain).toBe(false)
      expect(packLink(link, undefined)).not.toContain('feedbeef')
    }
  })
})
