/**
 * Which set of things a packet is part of, as one number for all packets of that set: a path. Found by the numbers of the trail
 * alone, and verified by the serial of the flow or by marks; a path is made, and its ids are asked for, only when a packet is the
 * first of its kind.
 *
 * Some packets are understood only later: pieces of datagrams, the first of an association that nobody believes in yet, or of a
 * tunnel that is older than the capture. Each such kind gets a path without things, which is remembered by what its packets have
 * in common; when one of them is understood the path is joined to its things.
 */
import { doubled } from '../base/growing.ts'
import { hashWindow, mixPair } from '../base/hash.ts'
import type { Verdict } from '../dissect/dissector.ts'
import type { Frame } from '../dissect/frame.ts'
import { PLAIN_IP_HEADER_LENGTH } from '../dissect/plain-data.ts'
import { Trail } from '../dissect/trail.ts'
import { Marks, type Trackers } from '../track/trackers.ts'
import type { IpView } from '../wire/ip.ts'
import { FlowWords } from './flow-words.ts'
import { isSame, type Thing, thingOf, thingOfSpi } from './things.ts'

/** Who keeps what paths stand for. Paths are numbered in turn, modulo 2^32. */
export interface PathKeeper {
  /** `flow` is the flow within the things, in words; null without one. False if there is no room for another path now. */
  begin(path: number, things: readonly Thing[], flow: Uint32Array | null): boolean
  /** What was found out later. */
  extend(path: number, things: readonly Thing[]): void
}

/** How a packet was read: `plain` is data of which the frame has no views but `plain` and `inner`. */
type Kind = Verdict | 'plain'

/** Of packets for which there was no room. */
export const NO_PATH = -1

/** A path that is found by its marks: all but those of flows in the clear. */
class Path {
  /** Things of the packets on it, those found out later included. */
  things: readonly Thing[]
  /** It is part of something that has an id. */
  readonly isNamed: boolean
  number = NO_PATH
  // What it is found again by.
  readonly hash: number
  readonly flow: number
  readonly carrier: string
  readonly tunnel: string
  readonly tunnelV3: string
  readonly exchange: string
  readonly association: string
  readonly connection: string
  readonly protection: object | null
  readonly spi: number
  readonly discovery: string

  constructor(hash: number, marks: Marks, { spi, discovery }: Trail, things: readonly Thing[], isNamed: boolean) {
    this.hash = hash
    this.flow = marks.flow
    this.carrier = marks.carrier
    this.tunnel = marks.tunnel
    this.tunnelV3 = marks.tunnelV3
    this.exchange = marks.exchange
    this.association = marks.association
    this.connection = marks.connection
    this.protection = marks.protection
    this.spi = spi
    this.discovery = discovery
    this.things = things
    this.isNamed = isNamed
  }

  isOf(hash: number, marks: Marks, { spi, discovery }: Trail): boolean {
    return (
      this.hash === hash &&
      this.flow === marks.flow &&
      this.carrier === marks.carrier &&
      this.tunnel === marks.tunnel &&
      this.tunnelV3 === marks.tunnelV3 &&
      this.exchange === marks.exchange &&
      this.association === marks.association &&
      this.connection === marks.connection &&
      this.protection === marks.protection &&
      this.spi === spi &&
      this.discovery === discovery
    )
  }
}

function thingsOf(uids: readonly string[], spi: number): Thing[] {
  const things = spi === 0 ? [] : [thingOfSpi(spi)]
  for (const uid of uids) {
    const thing = thingOf(uid)
    if (thing !== null) things.push(thing)
  }
  return things
}

/** Carriers whose flows share what they are inside of. */
const AROUND_MAX = 65_536

/** What the flows of a carrier are inside of. */
class Around {
  readonly things: readonly Thing[]
  readonly carrier: Thing | null
  readonly #tunnel: string
  readonly #tunnelV3: string
  readonly #association: string
  readonly #connection: string
  readonly #protection: object | null
  readonly #spi: number

  constructor(marks: Marks, spi: number, things: readonly Thing[]) {
    const { carrier, tunnel, tunnelV3, association, connection, protection } = marks
    this.things = things
    this.carrier = thingOf(carrier)
    this.#tunnel = tunnel
    this.#tunnelV3 = tunnelV3
    this.#association = association
    this.#connection = connection
    this.#protection = protection
    this.#spi = spi
  }

  isOf({ tunnel, tunnelV3, association, connection, protection }: Marks, spi: number): boolean {
    return (
      this.#tunnel === tunnel &&
      this.#tunnelV3 === tunnelV3 &&
      this.#association === association &&
      this.#connection === connection &&
      this.#protection === protection &&
      this.#spi === spi
    )
  }
}

/** Kinds of packets that wait to be understood. */
const WAITING_MAX = 65_536

/** Of each flow in the clear: its path, its serial, and the tunnels around it, of either version. */
const FLOW_WORDS = 4

export class Paths {
  readonly #capacity: number
  readonly #keeper: PathKeeper
  readonly #marks = new Marks()
  readonly #flow = new FlowWords()
  #next: number
  #flows = new Int32Array(1024 * FLOW_WORDS)
  #slots: (Path | null)[]
  #size = 0
  #last: Path | null = null
  #waiting = new Map<number, Path>()
  /** By carrier. */
  #around = new Map<string, Around>()
  /** Of all packets that are part of nothing. */
  readonly #keyless = new Path(NOTHING, new Marks(), new Trail(), [], false)

  /** Remembers so many paths as numbered last; numbers them from `first` on. */
  constructor(capacity: number, keeper: PathKeeper, first = 0) {
    this.#capacity = capacity
    this.#keeper = keeper
    this.#next = first
    this.#slots = new Array<Path | null>(1024).fill(null)
  }

  /** The number of the path that is found next. */
  get next(): number {
    return this.#next
  }

  /** The path of the packet in the frame. `outer` is its outermost IP header; null without one. */
  of(frame: Frame, kind: Kind, trackers: Trackers, outer: IpView | null): number {
    const { flow, isSpread, association, exchange, connection, tunnel, tunnelV3 } = frame.trail
    const isPlain = association === -1 && exchange === -1 && connection === -1 && frame.protection === null
    if (flow === -1 || isSpread || !isPlain || outer?.isFragment) return this.#ofMarks(frame, kind, trackers, outer)
    const at = flow * FLOW_WORDS
    while (at >= this.#flows.length) this.#flows = doubled(this.#flows)
    const flows = this.#flows
    const serial = trackers.flowSerialOf(flow)
    // The tunnels are written down as numbers above zero, which is what an empty row has.
    const isKnown = flows[at + 1] === serial && flows[at + 2] === tunnel + 2 && flows[at + 3] === tunnelV3 + 2
    if (isKnown && this.#isRemembered(flows[at])) return flows[at] >>> 0
    const path = this.#beginFlow(frame, kind, trackers, outer)
    if (path === NO_PATH) return path
    flows[at] = path
    flows[at + 1] = serial
    flows[at + 2] = tunnel + 2
    flows[at + 3] = tunnelV3 + 2
    return path
  }

  #isRemembered(path: number): boolean {
    return (this.#next - path) >>> 0 <= this.#capacity
  }

  #beginFlow(frame: Frame, kind: Kind, trackers: Trackers, outer: IpView | null): number {
    trackers.mark(frame, this.#marks)
    const { things, carrier } = this.#aroundOf(frame, trackers)
    const flow = trackers.flowOf(frame.trail.flow)
    if (flow !== null && carrier !== null) this.#flow.set(carrier, flow)
    const path = this.#begin(things, flow === null || carrier === null ? null : this.#flow.words)
    const waiting = path === NO_PATH ? null : this.#waitingFor(frame, kind, outer)
    if (waiting !== null) this.#join(waiting, [...things, ...thingsOf([trackers.flowUidOf(frame.trail.flow)], 0)])
    return path
  }

  /** Most paths are flows: what one is inside of is asked for once for all of them. */
  #aroundOf(frame: Frame, trackers: Trackers): Around {
    const { trail } = frame
    const { carrier } = this.#marks
    const known = this.#around.get(carrier)
    if (known?.isOf(this.#marks, trail.spi)) return known
    const things = thingsOf(trackers.uidsOf(frame, false), trail.spi)
    const around = new Around(this.#marks, trail.spi, things)
    if (this.#around.size >= AROUND_MAX) this.#around.clear()
    this.#around.set(carrier, around)
    return around
  }

  #begin(things: readonly Thing[], flow: Uint32Array | null): number {
    if (!this.#keeper.begin(this.#next, things, flow)) return NO_PATH
    const path = this.#next
    this.#next = (path + 1) >>> 0
    return path
  }

  #numberOf(path: Path): number {
    if (path.number === NO_PATH || !this.#isRemembered(path.number)) path.number = this.#begin(path.things, null)
    return path.number
  }

  #ofMarks(frame: Frame, kind: Kind, trackers: Trackers, outer: IpView | null): number {
    const { trail } = frame
    const marks = this.#marks
    trackers.mark(frame, marks)
    const hash = hashOf(trail)
    const last = this.#last
    const isPiece = outer?.isFragment
    if (last !== null && !isPiece && last.isOf(hash, marks, trail)) return this.#numberOf(last)
    const isUnknown = hash === NOTHING && marks.protection === null && trail.discovery === ''
    if (isUnknown) return this.#numberOf(this.#unknown(frame, kind, outer))
    const mask = this.#slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const path = this.#slots[slot]
      if (path === null) break
      if (!path.isOf(hash, marks, trail)) continue
      if (isPiece) this.#joinAll(frame, kind, outer, path)
      this.#last = path
      return this.#numberOf(path)
    }
    return this.#numberOf(this.#add(frame, kind, trackers, outer, hash))
  }

  #add(frame: Frame, kind: Kind, trackers: Trackers, outer: IpView | null, hash: number): Path {
    const path = this.#make(frame, trackers, hash)
    if (this.#size >= this.#capacity) this.#forgetAll()
    else if (this.#size * 2 >= this.#slots.length) this.#grow()
    this.#insert(path)
    this.#size++
    this.#last = path
    if (path.isNamed) this.#joinAll(frame, kind, outer, path)
    // An association that nobody believes in yet: only its SPI is known.
    else this.#wait(keyOf(frame, kind, outer), path)
    return path
  }

  #make(frame: Frame, trackers: Trackers, hash: number): Path {
    const marks = this.#marks
    const { trail } = frame
    const flow = trail.flow === -1 ? null : thingOf(trackers.flowUidOf(trail.flow))
    if (flow !== null && marks.carrier !== '')
      return new Path(hash, marks, trail, [...this.#aroundOf(frame, trackers).things, flow], true)
    const uids = trackers.uidsOf(frame, true)
    return new Path(hash, marks, trail, thingsOf(uids, trail.spi), uids.length > 0)
  }

  #unknown(frame: Frame, kind: Kind, outer: IpView | null): Path {
    const key = keyOf(frame, kind, outer)
    if (key === KEYLESS) return this.#keyless
    const waiting = this.#waiting.get(key)
    if (waiting !== undefined) return waiting
    const path = new Path(NOTHING, this.#marks, frame.trail, [], false)
    this.#wait(key, path)
    return path
  }

  #wait(key: number, path: Path): void {
    if (key === KEYLESS) return
    if (this.#waiting.size >= WAITING_MAX) this.#waiting.clear()
    this.#waiting.set(key, path)
  }

  /** What waits for this packet, which is on `path`, to be understood. */
  #joinAll(frame: Frame, kind: Kind, outer: IpView | null, path: Path): void {
    const waiting = this.#waitingFor(frame, kind, outer, path)
    if (waiting !== null) this.#join(waiting, path.things)
  }

  /** What has waited for this packet to be understood, and waits no more; null if nothing has but the packet's own `path`. */
  #waitingFor(frame: Frame, kind: Kind, outer: IpView | null, path: Path | null = null): Path | null {
    if (this.#waiting.size === 0) return null
    const key = keyOf(frame, kind, outer)
    const waiting = this.#waiting.get(key)
    if (waiting === undefined || waiting === path) return null
    this.#waiting.delete(key)
    return waiting
  }

  /** What waited is part of these things. */
  #join(waiting: Path, known: readonly Thing[]): void {
    const things = known.filter((thing) => !waiting.things.some((other) => isSame(thing, other)))
    waiting.things = [...waiting.things, ...things]
    if (waiting.number !== NO_PATH && things.length > 0) this.#keeper.extend(waiting.number, things)
  }

  #insert(path: Path): void {
    const mask = this.#slots.length - 1
    let slot = path.hash & mask
    while (this.#slots[slot] !== null) slot = (slot + 1) & mask
    this.#slots[slot] = path
  }

  #grow(): void {
    const old = this.#slots
    this.#slots = new Array<Path | null>(old.length * 2).fill(null)
    for (const path of old) if (path !== null) this.#insert(path)
  }

  /** Paths are only shorthand: forgotten, they are made again. */
  #forgetAll(): void {
    this.#slots = new Array<Path | null>(1024).fill(null)
    this.#size = 0
  }
}

function hashOf(trail: Trail): number {
  const { flow, carrier, tunnel, tunnelV3, exchange, association, connection } = trail
  const a = mixPair(flow, carrier)
  const b = mixPair(association, exchange)
  return mixPair(
    mixPair(a, b),
    Math.imul(tunnel + 1, 0x01000193) ^ Math.imul(tunnelV3 + 1, 0x85ebca6b) ^ (connection + 1),
  )
}

/** The hash of an empty trail. */
const NOTHING = mixPair(mixPair(mixPair(-1, -1), mixPair(-1, -1)), 0)

/** In a header of IPv4 (RFC 791). */
const IPV4_DESTINATION_AT = 16

/** No key: packets that have nothing in common. */
const KEYLESS = 0

/** What packets have in common that will be understood together: the datagram, the SPI, the tunnel or the session, the connection. */
function keyOf(frame: Frame, kind: Kind, outer: IpView | null): number {
  if (kind === 'plain') return plainKeyOf(frame)
  if (outer === null) return KEYLESS
  const { bytes, sourceAt, destinationAt, addressLength } = outer
  const from = hashWindow(bytes, sourceAt, sourceAt + addressLength)
  const to = hashWindow(bytes, destinationAt, destinationAt + addressLength)
  if (outer.isFragment) return mixPair(mixPair(from, to), mixPair(outer.id, outer.protocol))
  if (frame.trail.spi !== 0) return mixPair(to, frame.trail.spi)
  if (kind === 'l2tp') return mixPair(mixPair(to, frame.destinationPort), frame.l2tp.tunnelId)
  if (kind === 'l2tpv3') return mixPair(mixPair(to, frame.destinationPort), frame.l2tpv3.sessionId | 0)
  if (kind === 'gre') return mixPair(to, frame.gre.callId)
  if (kind !== 'pptp' && kind !== 'ike_tcp') return KEYLESS
  const { sourcePort, destinationPort } = frame.tcp
  // The same in both directions.
  return mixPair(mixPair(from, sourcePort) ^ mixPair(to, destinationPort), kind.length)
}

/** As that of the same message if it was dissected. */
function plainKeyOf({ bytes, plain }: Frame): number {
  const { ipAt, receiverPort, tunnelId } = plain
  const to = hashWindow(bytes, ipAt + IPV4_DESTINATION_AT, ipAt + PLAIN_IP_HEADER_LENGTH)
  return mixPair(mixPair(to, receiverPort), tunnelId)
}
