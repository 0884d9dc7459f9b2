/**
 * Writes captures of IPsec at work, to measure the sensor with: ESP data of many associations, native and behind NAT
 * traversal, and IKE set-ups one after the other. Nothing in them can be decrypted: the ciphertext is random.
 *
 * The same parameters give the same bytes.
 */
import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import * as craft from '../support/craft.ts'
import { attribute, encrypted, message, type MessageFields, sa1, transform1 } from '../support/ike.ts'
import { Random } from '../support/random.ts'
import { PcapWriter, put32, versionOf } from './pcap-writer.ts'
import { CACHE } from './run.ts'

const START_US = 1_760_000_000_000_000
const GATEWAY = '203.0.113.1'
const PEERS = 500
/** Packets of one direction that follow each other, at most. */
const TRAIN_PACKETS_MAX = 7
/** Ciphertext with its IV and ICV: small ones, middling ones, and the largest that a link carries. */
const ESP_LENGTHS = [76, 92, 108, 124, 580, 1388]
const GAP_US = 20

const AES128_SHA1 = transform1([7, 2, 1, 2], [attribute(14, 128), attribute(11, 1), attribute(12, 28_800)])
const NONCE = 20
const MODP1024 = 128

interface Direction {
  readonly frames: readonly Uint8Array[]
  /** Where in each frame the sequence number of ESP stands. */
  readonly sequenceAt: number
  sequence: number
}

class Peer {
  readonly directions: readonly [Direction, Direction]
  readonly address: string
  readonly #random: Random

  constructor(random: Random, index: number) {
    this.#random = random
    this.address = `198.51.${100 + (index >> 8)}.${index & 0xff}`
    const isBehindNat = index % 2 === 1
    this.directions = [this.#direction(true, isBehindNat), this.#direction(false, isBehindNat)]
  }

  #direction(isUp: boolean, isBehindNat: boolean): Direction {
    const spi = 0xc000_0000 | (this.#random.next() >>> 2)
    const frames = ESP_LENGTHS.map((length) => {
      const esp = craft.concat(craft.be32(spi), craft.be32(0), this.#random.bytes(length))
      return isBehindNat ? this.frame(esp, isUp, 4500) : this.frame(esp, isUp)
    })
    return { frames, sequenceAt: isBehindNat ? 14 + 20 + 8 + 4 : 14 + 20 + 4, sequence: 0 }
  }

  /** A packet between the peer and the gateway: in UDP if a port is given, else ESP. */
  frame(payload: Uint8Array, isUp: boolean, port?: number): Uint8Array {
    const ends = isUp ? { source: this.address, target: GATEWAY } : { source: GATEWAY, target: this.address }
    if (port !== undefined) return craft.datagram(payload, { ...ends, sourcePort: port, targetPort: port })
    return craft.ethernet(craft.ipv4(payload, { ...ends, protocol: 50 }))
  }

  /** Main mode and quick mode, as far as they can be seen. */
  setUp(): readonly Uint8Array[] {
    const random = this.#random
    const initiator = hexOf(random.bytes(8))
    const responder = hexOf(random.bytes(8))
    const both: MessageFields = { initiator, responder }
    const half = (): Uint8Array =>
      message(both, [
        [4, random.bytes(MODP1024)],
        [10, random.bytes(NONCE)],
      ])
    const quick: MessageFields = { ...both, exchange: 32, messageId: random.next() }
    const messages = [
      message({ initiator }, [[1, sa1([AES128_SHA1])]]),
      message(both, [[1, sa1([AES128_SHA1])]]),
      half(),
      half(),
      encrypted(both, 64),
      encrypted(both, 64),
      encrypted(quick, 160),
      encrypted(quick, 160),
      encrypted(quick, 48),
    ]
    return messages.map((payload, i) => this.frame(payload, i % 2 === 0, 500))
  }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function peers(random: Random): readonly Peer[] {
  return Array.from({ length: PEERS }, (_, i) => new Peer(random, i))
}

/** Every peer is set up once, then all of them carry data, in trains. */
function* espPackets(random: Random): Generator<Uint8Array> {
  const all = peers(random)
  for (const peer of all) yield* peer.setUp()
  for (;;) {
    const direction = random.pick(random.pick(all).directions)
    for (let left = random.below(TRAIN_PACKETS_MAX); left >= 0; left--) {
      const frame = random.pick(direction.frames)
      put32(frame, direction.sequenceAt, ++direction.sequence)
      yield frame
    }
  }
}

/** Peers set up one association after the other. */
function* ikePackets(random: Random): Generator<Uint8Array> {
  const all = peers(random)
  for (;;) yield* random.pick(all).setUp()
}

const KINDS = { esp: espPackets, ike: ikePackets } as const

/** The path of the capture in the temporary folder, written only if it is not there. */
export function cachedIpsec(kind: keyof typeof KINDS, packets: number): string {
  const path = join(CACHE, `ipsec-${kind}-${versionOf(['generate-ipsec.ts', '../support/ike.ts'])}-${packets}.pcap`)
  if (existsSync(path)) return path
  mkdirSync(CACHE, { recursive: true })
  const temporary = `${path}.${process.pid}.part`
  const writer = new PcapWriter(temporary)
  const source = KINDS[kind](new Random(1))
  for (let i = 0; i < packets; i++) writer.add(START_US + i * GAP_US, source.next().value as Uint8Array)
  writer.close()
  renameSync(temporary, path)
  return path
}
