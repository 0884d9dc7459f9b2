import { expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { Sensor } from '../../src/sensor.ts'
import { LINKTYPE } from '../../src/wire/link.ts'
import { allocatedBy, Tape } from '../support/allocation.ts'
import { be32, concat, datagram, ethernet, ipv4 } from '../support/craft.ts'
import { Random } from '../support/random.ts'

const ASSOCIATIONS = 200
const MEASURED = 1_600_000
const PORTIONS = 8
const START_US = 1_700_000_000_000_000
const GATEWAY = '198.51.100.1'

/** Packets of many associations, native and in UDP, one after the other in one buffer; only their numbers change. */
class Load {
  readonly sensor = new Sensor(loadConfig(undefined, {}).config, 'test')
  readonly #tape = new Tape()
  readonly #edges: Int32Array
  readonly #spiAt: number[] = []
  #packets = 0

  constructor() {
    const random = new Random(50)
    for (let i = 0; i < ASSOCIATIONS; i++) {
      const packet = concat(be32(0xc000_0000 + i), be32(0), random.bytes(64))
      const host = `192.0.2.${1 + (i >> 1)}`
      const ends = i % 2 === 0 ? { source: host, target: GATEWAY } : { source: GATEWAY, target: host }
      const isNatted = i % 4 > 1
      const frame = isNatted
        ? datagram(packet, { ...ends, sourcePort: 4500, targetPort: 4500 })
        : ethernet(ipv4(packet, { ...ends, protocol: 50 }))
      this.#tape.add(frame)
      this.#spiAt.push(isNatted ? 42 : 34)
    }
    this.#edges = this.#tape.edges
  }

  run(count: number): void {
    const { frame } = this.sensor
    const { bytes } = this.#tape
    for (let i = 0; i < count; i++) {
      const which = this.#packets % ASSOCIATIONS
      const start = this.#edges[which]
      const sequence = 1 + Math.floor(this.#packets / ASSOCIATIONS)
      const at = start + this.#spiAt[which] + 4
      for (let octet = 0; octet < 4; octet++) bytes[at + octet] = sequence >>> (24 - octet * 8)
      // Another identification, or it would be a copy of the packet before.
      bytes[start + 18] = sequence >> 8
      bytes[start + 19] = sequence
      frame.bytes = bytes
      frame.start = start
      frame.end = this.#edges[which + 1]
      frame.originalLength = frame.end - start
      frame.linkType = LINKTYPE.ETHERNET
      frame.number = ++this.#packets
      frame.timeUs = START_US + this.#packets * 10
      this.sensor.observe()
    }
  }
}

test('a packet of a known association that nobody can read allocates nothing', () => {
  const load = new Load()
  load.run(400_000)
  const { counts } = load.sensor
  const seen = counts.ipsec
  const portions = Array.from({ length: PORTIONS }, () => allocatedBy(() => load.run(MEASURED / PORTIONS)))
  expect(counts.ipsec - seen).toBe(MEASURED)
  expect(counts.opened + counts.duplicates).toBe(0)
  expect(load.sensor.trackers.esp.size).toBe(ASSOCIATIONS)
  // The compiler works beside us and allocates now and then; what a packet costs is there in every portion, and the least is 12 octets.
  expect(Math.min(...portions) / (MEASURED / PORTIONS)).toBeLessThan(2)
})
