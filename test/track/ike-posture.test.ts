import { describe, expect, test } from 'vitest'
import { concat, fromHex, utf8 } from '../support/craft.ts'
import { message, NO_COOKIE, notify1, sa1, transform1 } from '../support/ike.ts'
import { MODERN, OLD } from '../support/ike-certificates.ts'
import { CLIENT, KE, mainMode, NONCE, PAIR, pairNumber, SERVER, Tap, version2 } from '../support/ike-tap.ts'

const DAY = 86_400
const SOUND = sa1([transform1([7, 4, 1, 14])])
const OLD_SUITE = sa1([transform1([5, 1, 1, 2])])

function of(tap: Tap, address: string): Record<string, unknown>[] {
  return tap.postures.filter(({ fields }) => fields['source.ip'] === address).map(({ fields }) => ({ ...fields }))
}

/** Aggressive mode that works, with a certificate of the responder. */
function aggressive(tap: Tap, certificate: Uint8Array, pair = PAIR): void {
  const offer = sa1([transform1([7, 4, 3, 2])])
  const id = concat(Uint8Array.of(2, 0, 0, 0), utf8('vpn.example'))
  const payloads: [number, Uint8Array][] = [
    [1, offer],
    [4, KE],
    [10, NONCE],
    [5, id],
  ]
  tap.up(message({ ...pair, responder: NO_COOKIE, exchange: 4 }, payloads))
  const sig: [number, Uint8Array] = [9, new Uint8Array(128).fill(7)]
  tap.down(message({ ...pair, exchange: 4 }, [...payloads, [6, concat(Uint8Array.of(4), certificate)], sig]))
  tap.up(message({ ...pair, exchange: 4 }, [sig]))
}

describe('the posture of a host', () => {
  test('is told for both ends when an SA is established', () => {
    const tap = new Tap()
    version2(tap)
    expect(tap.postures).toHaveLength(2)
    expect(of(tap, SERVER)).toMatchObject([
      {
        'ike.posture.role': 'gateway',
        'ike.posture.level': 'strong',
        'ike.posture.suites': ['ENCR_AES_GCM_16_256/PRF_HMAC_SHA2_512/curve25519'],
        'ike.posture.versions': ['2.0'],
        'ike.posture.modes': ['IKE_SA_INIT'],
        'ike.posture.is_changed': false,
        'ike.posture.exchanges': 1,
        'ike.posture.weaknesses': undefined,
        'network.type': 'ipv4',
      },
    ])
    expect(of(tap, CLIENT)).toMatchObject([{ 'ike.posture.role': 'peer', 'ike.posture.offered_level': 'strong' }])
    expect(tap.postures.map(({ message: words }) => words)).toContain(`IKE gateway ${SERVER}: strong, no weakness seen`)
  })

  test('is told again when it changes, and not for more of the same', () => {
    const tap = new Tap()
    mainMode(tap, 6, pairNumber(1), SOUND)
    tap.wait(10)
    mainMode(tap, 6, pairNumber(2), SOUND)
    expect(of(tap, SERVER)).toHaveLength(1)
    tap.wait(10)
    mainMode(tap, 6, pairNumber(3), OLD_SUITE)
    expect(of(tap, SERVER)[1]).toMatchObject({
      'ike.posture.is_changed': true,
      'ike.posture.exchanges': 3,
      'ike.posture.level': 'forbidden',
      'ike.posture.suites': ['3DES-CBC/MD5/modp1024/PSK', 'AES-CBC/SHA2-256/modp2048/PSK'],
      'ike.posture.weaknesses': ['3des', 'md5', 'modp1024', 'version_1'],
      'ike.posture.authentication_methods': ['PSK'],
    })
  })

  test('is told once a day if it stays', () => {
    const tap = new Tap()
    mainMode(tap, 6, pairNumber(1), SOUND)
    tap.wait(DAY / 2)
    mainMode(tap, 6, pairNumber(2), SOUND)
    tap.wait(DAY / 2)
    mainMode(tap, 6, pairNumber(3), SOUND)
    expect(of(tap, SERVER)).toHaveLength(2)
  })

  test('of a gateway is learned from attempts that fail too, that of who tried is not', () => {
    const tap = new Tap()
    mainMode(tap, 2, PAIR, OLD_SUITE)
    tap.wait(40)
    expect(of(tap, SERVER)).toMatchObject([{ 'ike.posture.suites': ['3DES-CBC/MD5/modp1024/PSK'] }])
    expect(of(tap, CLIENT)).toEqual([])
    const refused = new Tap()
    refused.up(message({}, [[1, OLD_SUITE]]))
    refused.down(message({ ...PAIR, exchange: 5 }, [[11, notify1(14)]]))
    expect(refused.postures).toEqual([])
  })

  test('names products by their vendor ids, not features', () => {
    const tap = new Tap()
    mainMode(tap, 1, PAIR, SOUND)
    const windows = fromHex('1e2b516905991c7d7c96fcbfb587e46100000009')
    const fragmentation = fromHex('4048b7d56ebce88525e7de7f00d6c2d3')
    tap.down(
      message(PAIR, [
        [1, SOUND],
        [13, windows],
        [13, fragmentation],
      ]),
    )
    tap.wait(40)
    expect(of(tap, SERVER)[0]['ike.posture.products']).toHaveLength(1)
    expect(String(of(tap, SERVER)[0]['ike.posture.products'])).toContain('Windows')
  })
})

describe('a certificate', () => {
  test('is part of it, with what is wrong with it', () => {
    const tap = new Tap()
    aggressive(tap, OLD)
    expect(of(tap, SERVER)[0]).toMatchObject({
      'ike.posture.certificate': 'CN=old',
      'ike.posture.certificate_expires': '2011-01-01T00:00:00.000000Z',
      'ike.posture.modes': ['aggressive'],
      'ike.posture.weaknesses': [
        'certificate_expired',
        'certificate_key',
        'certificate_signature',
        'modp1024',
        'version_1',
      ],
    })
    const established = tap.events.find(({ name }) => name === 'ike.exchange.established')?.fields
    expect(established).toMatchObject({
      'ike.responder.certificate': 'CN=old',
      'ike.responder.certificate_issuer': 'C=DE, O=Example\\, Ltd, CN=vpn.example',
      'ike.responder.certificate_key': 'rsa 1024',
      'ike.responder.certificate_serial': '5a02',
      'ike.responder.certificate_expires': '2011-01-01T00:00:00.000000Z',
    })
  })

  test('that is not valid yet, and signs itself', () => {
    const tap = new Tap()
    aggressive(tap, MODERN)
    expect(of(tap, SERVER)[0]['ike.posture.weaknesses']).toEqual([
      'certificate_not_yet_valid',
      'certificate_self_issued',
      'modp1024',
      'version_1',
    ])
  })
})

describe('bounds', () => {
  test('of many hosts the last ones are remembered', () => {
    const tap = new Tap({ ikePosturesMax: 4, ikeExchangesMax: 1000 })
    for (let i = 0; i < 20; i++) {
      const server = `198.51.100.${i}`
      const offer = message({ initiator: pairNumber(i).initiator }, [[1, OLD_SUITE]])
      tap.send(offer, CLIENT, server)
      tap.send(message(pairNumber(i), [[1, OLD_SUITE]]), server, CLIENT)
    }
    tap.wait(40)
    expect(tap.postures).toHaveLength(20)
    tap.tracker.finish(tap.nowUs)
  })

  test('a host that is tried out is told a few times a minute', () => {
    const tap = new Tap({ ikeExchangesMax: 1000 })
    for (let i = 0; i < 60; i++) {
      const suite = sa1([transform1([i % 2 === 0 ? 1 : 5, (i % 3) + 1, 1, (i % 5) + 1])])
      tap.up(message({ initiator: pairNumber(i).initiator }, [[1, suite]]))
      tap.down(message(pairNumber(i), [[1, suite]]))
    }
    tap.wait(40)
    expect(tap.postures.length).toBeLessThanOrEqual(20)
    expect(tap.tracker.suppressed).toBeGreaterThan(0)
  })
})
