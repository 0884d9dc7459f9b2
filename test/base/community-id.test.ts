import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { communityId } from '../../src/base/community-id.ts'
import { ipBytes } from '../support/craft.ts'

function idOf(
  protocol: number,
  source: string,
  sourcePort: number,
  destination: string,
  destinationPort: number,
): string {
  return communityId(ipBytes(source), ipBytes(destination), protocol, sourcePort, destinationPort, true)
}

/** The baseline of the specification, seed 0: TCP, UDP and SCTP with ports, ICMP with type and code. */
const BASELINE = [
  [6, '128.232.110.120', 34855, '66.35.250.204', 80, '1:LQU9qZlK+B5F3KDmev6m5PMibrg='],
  [6, '66.35.250.204', 80, '128.232.110.120', 34855, '1:LQU9qZlK+B5F3KDmev6m5PMibrg='],
  [6, '10.0.0.1', 10, '10.0.0.2', 11569, '1:SXBGMX1lBOwhhoDrZynfROxnhnM='],
  [6, '192.168.1.42', 42, '192.168.1.42', 41, '1:eRcf7I/xocOxnYo5pbJBV5NhVm0='],
  [6, '192.168.1.42', 41, '192.168.1.42', 42, '1:eRcf7I/xocOxnYo5pbJBV5NhVm0='],
  [6, '2001:470:e5bf:dead:4957:2174:e82c:4887', 63943, '2607:f8b0:400c:c03::1a', 25, '1:/qFaeAR+gFe1KYjMzVDsMv+wgU4='],
  [17, '192.168.1.52', 54585, '8.8.8.8', 53, '1:d/FP5EW3wiY1vCndhwleRRKHowQ='],
  [17, '8.8.8.8', 53, '192.168.1.52', 54585, '1:d/FP5EW3wiY1vCndhwleRRKHowQ='],
  [132, '192.168.170.8', 7, '192.168.170.56', 80, '1:jQgCxbku+pNGw8WPbEc/TS/uTpQ='],
  [132, '192.168.170.56', 80, '192.168.170.8', 7, '1:jQgCxbku+pNGw8WPbEc/TS/uTpQ='],
  [1, '192.168.0.89', 8, '192.168.0.1', 0, '1:X0snYXpgwiv9TZtqg64sgzUn6Dk='],
  [1, '192.168.0.1', 0, '192.168.0.89', 8, '1:X0snYXpgwiv9TZtqg64sgzUn6Dk='],
  [1, '192.168.0.89', 20, '192.168.0.1', 0, '1:3o2RFccXzUgjl7zDpqmY7yJi8rI='],
  [1, '192.168.0.89', 20, '192.168.0.1', 1, '1:tz/fHIDUHs19NkixVVoOZywde+I='],
  [1, '192.168.0.1', 0, '192.168.0.89', 20, '1:X0snYXpgwiv9TZtqg64sgzUn6Dk='],
  [58, 'fe80::200:86ff:fe05:80da', 135, 'fe80::260:97ff:fe07:69ea', 0, '1:dGHyGvjMfljg6Bppwm3bg0LO8TY='],
  [58, 'fe80::260:97ff:fe07:69ea', 136, 'fe80::200:86ff:fe05:80da', 0, '1:dGHyGvjMfljg6Bppwm3bg0LO8TY='],
  [58, '3ffe:507:0:1:200:86ff:fe05:80da', 3, '3ffe:507:0:1:260:97ff:fe07:69ea', 0, '1:/OGBt9BN1ofenrmSPWYicpij2Vc='],
  [58, '3ffe:501:0:1802:260:97ff:feb6:7ff0', 3, '3ffe:507:0:1:200:86ff:fe05:80da', 0, '1:bnQKq8A2r//dWnkRW2EYcMhShjc='],
] as const

describe('the baseline of the specification', () => {
  test.each(BASELINE)(
    'protocol %i, %s %i → %s %i',
    (protocol, source, sourcePort, destination, destinationPort, id) => {
      expect(idOf(protocol, source, sourcePort, destination, destinationPort)).toBe(id)
    },
  )
})

test('a protocol without ports is hashed by addresses and protocol alone', () => {
  const [a, b] = [ipBytes('1.2.3.4'), ipBytes('5.6.7.8')]
  expect(communityId(a, b, 46, 0, 0, false)).toBe('1:ikv3kmf89luf73WPz1jOs49S768=')
  expect(communityId(b, a, 46, 9, 9, false)).toBe('1:ikv3kmf89luf73WPz1jOs49S768=')
})

test('both directions of a flow have one id, and another port another', () => {
  const port = fc.integer({ min: 0, max: 65_535 })
  const address = fc.uint8Array({ minLength: 4, maxLength: 4 })
  fc.assert(
    fc.property(address, address, port, port, fc.constantFrom(6, 17), (a, b, aPort, bPort, protocol) => {
      const id = communityId(a, b, protocol, aPort, bPort, true)
      expect(communityId(b, a, protocol, bPort, aPort, true)).toBe(id)
      expect(communityId(a, b, protocol, aPort, bPort ^ 1, true)).not.toBe(id)
    }),
  )
})
