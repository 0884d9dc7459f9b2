/**
 * Which set of things a packet is part of, as one record for all packets of that set: a path. Found by the numbers of the trail
 * alone, and verified by its marks; a path is made, and its ids are asked for, only when a packet is the first of its kind.
 *
 * Some packets are understood only later: pieces of datagrams, the first of an association that nobody believes in yet, or of a
 * tunnel that is older than the capture. Each such kind gets a path without things, which is remembered by what its packets have
 * in common; when one of them is understood the path is joined to its things.
 */
import { hashWindow, mixPair } from '../base/hash.ts'
import type { Verdict } from '../dissect/dissector.ts'
import type { Frame } from '../dissect/frame.ts'
import { Trail } from '../dissect/trail.ts'
import { Marks, type Trackers } from '../track/trackers.ts'
import type { IpView } from '../wire/ip.ts'
import { type Thing, thingOf, thingOfSpi } from './things.ts'

export class Path {
  /** Things of the packets on it, those found out later included. */
  things: readonly Thing[]
  /** Of those; of flows perhaps another flow's in the same session. */
  uids: readonly string[]
  /** Where it was written last, and under which number. */
  segment = 0
  number = 0
  /** What the recorder knows about alerts was of this age when `isAlerted` was found. */
  alertAge = -1
  isAlerted = false
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

  constructor(
    hash: number,
    marks: Marks,
    { spi, discovery }: Trail,
    uids: readonly string[],
    things?: readonly Thing[],
  ) {
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
    this.uids = uids
    this.things = things ?? thingsOf(uids, this.spi)
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

function isAround(path: Path, { tunnel, tunnelV3, association, connection, protection }: Marks, spi: number): boolean {
  return (
    path.tunnel === tunnel &&
    path.tunnelV3 === tunnelV3 &&
    path.association === association &&
    path.connection === connection &&
    path.protection === protection &&
    path.spi === spi
  )
}

/** Kinds of packets that wait to be understood. */
const WAITING_MAX = 65_536

export class Paths {
  readonly #capacity: number
  readonly #marks = new Marks()
  readonly #onJoined: (path: Path, things: readonly Thing[]) => void
  #slots: (Path | null)[]
  #size = 0
  #last: Path | null = null
  #waiting = new Map<number, Path>()
  /** By carrier: the first flow in it. */
  #around = new Map<string, Path>()
  /** Of all packets that are part of nothing. */
  readonly #keyless = new Path(NOTHING, new Marks(), new Trail(), [])

  /** `onJoined` is told what was found out about a path later. */
  constructor(capacity: number, onJoined: (path: Path, things: readonly Thing[]) => void) {
    this.#capacity = capacity
    this.#onJoined = onJoined
    this.#slots = new Array<Path | null>(1024).fill(null)
  }

  /** The path of the packet in the frame. `outer` is its outermost IP header; null without one. */
  of(frame: Frame, verdict: Verdict, trackers: Trackers, outer: IpView | null): Path {
    const { trail } = frame
    const marks = this.#marks
    trackers.mark(frame, marks)
    const hash = hashOf(trail)
    const last = this.#last
    const isPiece = outer?.isFragment
    if (last !== null && !isPiece && last.isOf(hash, marks, trail)) return last
    const isUnknown = hash === NOTHING && marks.protection === null && trail.discovery === ''
    if (isUnknown) return this.#unknown(frame, verdict, outer)
    const mask = this.#slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const path = this.#slots[slot]
      if (path === null) break
      if (!path.isOf(hash, marks, trail)) continue
      if (isPiece) this.#join(frame, verdict, outer, path)
      this.#last = path
      return path
    }
    return this.#add(frame, verdict, trackers, outer, hash)
  }

  #add(frame: Frame, verdict: Verdict, trackers: Trackers, outer: IpView | null, hash: number): Path {
    const path = this.#make(frame, trackers, hash)
    if (this.#size >= this.#capacity) this.#forgetAll()
    else if (this.#size * 2 >= this.#slots.length) this.#grow()
    this.#insert(path)
    this.#size++
    this.#last = path
    if (path.uids.length > 0) this.#join(frame, verdict, outer, path)
    // An association that nobody believes in yet: only its SPI is known.
    else this.#wait(keyOf(frame, verdict, outer), path)
    return path
  }

  /** Most paths are flows: what one is inside of is asked for once for all of them. */
  #make(frame: Frame, trackers: Trackers, hash: number): Path {
    const marks = this.#marks
    const { trail } = frame
    if (trail.flow === -1 || marks.carrier === '') return new Path(hash, marks, trail, trackers.uidsOf(frame))
    const known = this.#around.get(marks.carrier)
    const flow = thingOf(trackers.flowUidOf(trail.flow))
    if (known === undefined || flow === null || !isAround(known, marks, trail.spi)) {
      const path = new Path(hash, marks, trail, trackers.uidsOf(frame))
      if (this.#around.size >= AROUND_MAX) this.#around.clear()
      this.#around.set(marks.carrier, path)
      return path
    }
    return new Path(hash, marks, trail, known.uids, [...known.things.slice(0, -1), flow])
  }

  #unknown(frame: Frame, verdict: Verdict, outer: IpView | null): Path {
    const key = keyOf(frame, verdict, outer)
    if (key === KEYLESS) return this.#keyless
    const waiting = this.#waiting.get(key)
    if (waiting !== undefined) return waiting
    const path = new Path(NOTHING, this.#marks, frame.trail, [])
    this.#wait(key, path)
    return path
  }

  #wait(key: number, path: Path): void {
    if (key === KEYLESS) return
    if (this.#waiting.size >= WAITING_MAX) this.#waiting.clear()
    this.#waiting.set(key, path)
  }

  #join(frame: Frame, verdict: Verdict, outer: IpView | null, path: Path): void {
    const key = keyOf(frame, verdict, outer)
    const waiting = this.#waiting.get(key)
    if (waiting === undefined || waiting === path) return
    this.#waiting.delete(key)
    const things = path.things.filter((thing) => !waiting.things.includes(thing))
    waiting.things = [...waiting.things, ...things]
    waiting.uids = path.uids
    waiting.alertAge = -1
    this.#onJoined(waiting, things)
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

/** No key: packets that have nothing in common. */
const KEYLESS = 0

/** What packets have in common that will be understood together: the datagram, the SPI, the tunnel or the session, the connection. */
function keyOf(frame: Frame, verdict: Verdict, outer: IpView | null): number {
  if (outer === null) return KEYLESS
  const { bytes, sourceAt, destinationAt, addressLength } = outer
  const from = hashWindow(bytes, sourceAt, sourceAt + addressLength)
  const to = hashWindow(bytes, destinationAt, destinationAt + addressLength)
  if (outer.isFragment) return mixPair(mixPair(from, to), mixPair(outer.id, outer.protocol))
  if (frame.trail.spi !== 0) return mixPair(to, frame.trail.spi)
  if (verdict === 'l2tp') return mixPair(mixPair(to, frame.destinationPort), frame.l2tp.tunnelId)
  if (verdict === 'l2tpv3') return mixPair(mixPair(to, frame.destinationPort), frame.l2tpv3.sessionId | 0)
  if (verdict === 'gre') return mixPair(to, frame.gre.callId)
  if (verdict !== 'pptp' && verdict !== 'ike_tcp') return KEYLESS
  const { sourcePort, destinationPort } = frame.tcp
  // The same in both directions.
  return mixPair(mixPair(from, sourcePort) ^ mixPair(to, destinationPort), verdict.length)
}
