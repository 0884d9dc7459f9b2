/**
 * What the receiver of MPPE and MPPC packets does (RFC 3078 sections 8 and 9), by a bystander who has the start key: keeps
 * the key in step with the coherency counts, decrypts, decompresses.
 *
 * MPPE has no integrity check, so a packet counts as opened only if what comes out can be a PPP frame; a network header
 * with the right checksum proves the key. What a forged packet would change is taken back: nobody puts a bystander out of
 * step by writing a count.
 *
 * One object a direction of a link.
 */
import { NO_BYTES, u16 } from '../base/bytes.ts'
import { Rc4 } from '../base/rc4.ts'
import { MppcDecompressor } from './mppc.ts'
import { COHERENCY_COUNTS, MppeKey, type MppeStrength, type MppeView } from './mppe.ts'
import { PPP } from './ppp.ts'

export interface MppeTerms {
  /** Null where nothing is encrypted, and where the key is unknown. */
  readonly startKey: Uint8Array | null
  readonly strength: MppeStrength
  readonly isStateless: boolean
}

/**
 * `opened`: the frame stands in the target. `no_key`: encrypted, and no key. `late`: older than the keys that are kept.
 * `repeated`: the newest count again, where that cannot be read twice. `lost_step`: packets are missing, and the sender has
 * not begun afresh since. `implausible`: no PPP frame came out, so it was another key, or another sender.
 */
export type MppeVerdict = 'opened' | 'no_key' | 'late' | 'repeated' | 'lost_step' | 'implausible'

/** Counts behind the newest from which packets may still arrive: networks reorder a few, not more. */
const KEYS_KEPT = 32
/** Half of the counts lie ahead of the newest, half behind. */
const AHEAD_MAX = COHERENCY_COUNTS / 2
/** Key changes that may be computed in vain, and how many of them each opened packet makes good. */
const VAIN_CHANGES_MAX = 2 * AHEAD_MAX
const VAIN_CHANGES_FORGIVEN = 8
/** Key changes that a sender may have made besides those that the counts tell. */
const EXTRA_CHANGES_MAX = 4
const KEY_BYTES_MAX = 16

/** How sure it is that octets are a PPP frame. `UNREADABLE`: compressed against a history that is not whole. */
const IMPOSSIBLE = 0
const UNREADABLE = 1
const POSSIBLE = 2
const PROVEN = 3

export class MppeReceiver {
  /** After 'opened': how many octets of the frame stand in the target. */
  length = 0
  /** A frame came out that only the right key can give. */
  isProven = false
  readonly #isStateless: boolean
  readonly #key: MppeKey | null
  readonly #rc4 = new Rc4()
  readonly #rc4Before = new Rc4()
  /** Of the newest packet; a sender begins with 0. */
  #count = COHERENCY_COUNTS - 1
  /** Stateless: the keys of the last counts, each at its count modulo `KEYS_KEPT`, and those of a way not yet gone. */
  readonly #keys: Uint8Array
  readonly #ahead: Uint8Array
  #known = 0
  #vainChanges = 0
  /** Stateful: the key stream stands where the next packet begins. */
  #isInStep = true
  #mppc: MppcDecompressor | null = null
  #mppcBefore: MppcDecompressor | null = null
  #isHistoryWhole = true
  #plain: Uint8Array = NO_BYTES

  constructor({ startKey, strength, isStateless }: MppeTerms) {
    this.#isStateless = isStateless
    this.#key = startKey === null ? null : new MppeKey(startKey, strength)
    this.#keys = new Uint8Array(KEYS_KEPT * KEY_BYTES_MAX)
    this.#ahead = new Uint8Array(KEYS_KEPT * KEY_BYTES_MAX)
    this.#key?.begin(this.#rc4)
  }

  /** `wireEnd` is where the packet ended on the wire. `target` takes the frame; it is as long as any. */
  open(view: MppeView, wireEnd: number, target: Uint8Array): MppeVerdict {
    this.length = 0
    if (!view.isEncrypted) return this.#openClear(view, wireEnd, target)
    if (this.#key === null) return 'no_key'
    if (wireEnd - view.payloadStart > target.length) return 'implausible'
    return this.#isStateless
      ? this.#openStateless(this.#key, view, wireEnd, target)
      : this.#openStateful(this.#key, view, wireEnd, target)
  }

  /** Compressed at most. Where there is a key its step is not touched: whoever encrypts sends nothing in the clear. */
  #openClear(view: MppeView, wireEnd: number, target: Uint8Array): MppeVerdict {
    const { coherencyCount, bytes, payloadStart, payloadEnd } = view
    const ahead = distance(this.#count, coherencyCount)
    if (this.#key === null) {
      if (ahead === 0) return 'repeated'
      if (ahead > AHEAD_MAX) return 'late'
      this.#count = coherencyCount
    }
    return verdictOf(this.#unpack(view, bytes, payloadStart, payloadEnd, wireEnd, ahead, target))
  }

  // --- a key for every packet (RFC 3078 section 8.1)

  #openStateless(key: MppeKey, view: MppeView, wireEnd: number, target: Uint8Array): MppeVerdict {
    const ahead = distance(this.#count, view.coherencyCount)
    if (ahead === 0 || ahead > AHEAD_MAX) return this.#openBehind(key, view, wireEnd, target)
    if (ahead > KEYS_KEPT && this.#vainChanges + ahead > VAIN_CHANGES_MAX) return 'lost_step'
    const before = keyAt(this.#count)
    key.copyTo(this.#keys, before)
    for (let step = 1; step <= ahead; step++) {
      key.change()
      key.copyTo(this.#ahead, keyAt(this.#count + step))
    }
    key.begin(this.#rc4)
    const sureness = this.#decrypt(view, wireEnd, ahead, target)
    this.#vainChanges =
      sureness === IMPOSSIBLE ? this.#vainChanges + ahead : Math.max(0, this.#vainChanges - VAIN_CHANGES_FORGIVEN)
    // A short step does no harm if it was forged: the packets that it went past are open to the keys that are kept.
    if (sureness !== PROVEN && ahead >= KEYS_KEPT / 2) {
      key.restore(this.#keys, before)
      return 'implausible'
    }
    for (let step = Math.max(1, ahead - KEYS_KEPT + 1); step <= ahead; step++) {
      const at = keyAt(this.#count + step)
      this.#keys.set(this.#ahead.subarray(at, at + KEY_BYTES_MAX), at)
    }
    this.#known = Math.min(KEYS_KEPT, this.#known + ahead)
    this.#count = view.coherencyCount
    return verdictOf(sureness)
  }

  /** The newest packet again, or one that others overtook. */
  #openBehind(key: MppeKey, view: MppeView, wireEnd: number, target: Uint8Array): MppeVerdict {
    if (distance(view.coherencyCount, this.#count) >= this.#known) return 'late'
    key.restore(this.#keys, keyAt(view.coherencyCount))
    key.begin(this.#rc4)
    key.restore(this.#keys, keyAt(this.#count))
    return verdictOf(this.#decrypt(view, wireEnd, 0, target))
  }

  // --- one key for up to 256 packets (RFC 3078 section 8.2)

  #openStateful(key: MppeKey, view: MppeView, wireEnd: number, target: Uint8Array): MppeVerdict {
    const ahead = distance(this.#count, view.coherencyCount)
    if (ahead === 0) return 'repeated'
    if (ahead > AHEAD_MAX) return 'late'
    if (view.isFlushed || isFlag(view.coherencyCount)) return this.#beginAfresh(key, view, wireEnd, ahead, target)
    if (ahead > 1 || !this.#isInStep) {
      this.#isInStep = false
      return 'lost_step'
    }
    this.#rc4Before.copyFrom(this.#rc4)
    const sureness = this.#decrypt(view, wireEnd, ahead, target)
    if (sureness === IMPOSSIBLE) this.#rc4.copyFrom(this.#rc4Before)
    else this.#count = view.coherencyCount
    return verdictOf(sureness)
  }

  /**
   * The key stream begins anew, with a key that changed at each count on the way that ends in FF. Section 3.1 asks for no
   * other change; Linux makes one more whenever its peer had asked for a reset.
   */
  #beginAfresh(key: MppeKey, view: MppeView, wireEnd: number, ahead: number, target: Uint8Array): MppeVerdict {
    key.copyTo(this.#keys, 0)
    this.#rc4Before.copyFrom(this.#rc4)
    for (let step = 1; step <= ahead; step++) if (isFlag(this.#count + step)) key.change()
    for (let extra = 0; extra <= EXTRA_CHANGES_MAX; extra++) {
      if (extra > 0) key.change()
      key.begin(this.#rc4)
      const sureness = this.#decrypt(view, wireEnd, ahead, target)
      if (sureness === IMPOSSIBLE || (extra > 0 && sureness !== PROVEN)) continue
      this.#isInStep = true
      this.#count = view.coherencyCount
      return verdictOf(sureness)
    }
    key.restore(this.#keys, 0)
    this.#rc4.copyFrom(this.#rc4Before)
    return 'implausible'
  }

  // --- what comes out

  #decrypt(view: MppeView, wireEnd: number, ahead: number, target: Uint8Array): number {
    const { bytes, payloadStart, payloadEnd } = view
    const length = payloadEnd - payloadStart
    const wireLength = wireEnd - payloadStart
    if (this.#plain.length < wireLength) this.#plain = new Uint8Array(Math.max(wireLength, 2048))
    this.#rc4.apply(bytes, payloadStart, payloadEnd, this.#plain, 0)
    // The key stream goes on past the octets that the capture left out.
    if (wireLength > length) this.#rc4.apply(this.#plain, length, wireLength, this.#plain, length)
    return this.#unpack(view, this.#plain, 0, length, wireLength, ahead, target)
  }

  /** `ahead`: counts since the packet before; 0 for one that is out of order. */
  #unpack(
    view: MppeView,
    bytes: Uint8Array,
    start: number,
    end: number,
    wireEnd: number,
    ahead: number,
    target: Uint8Array,
  ): number {
    if (view.isCompressed) return this.#expand(view, bytes, start, end, wireEnd, ahead, target)
    if (end - start > target.length) return IMPOSSIBLE
    target.set(bytes.subarray(start, end))
    this.length = end - start
    const sureness = this.#judge(target, this.length, wireEnd - start)
    if (sureness !== IMPOSSIBLE && ahead > 1) this.#isHistoryWhole = false
    return sureness
  }

  #expand(
    view: MppeView,
    bytes: Uint8Array,
    start: number,
    end: number,
    wireEnd: number,
    ahead: number,
    target: Uint8Array,
  ): number {
    this.#mppc ??= new MppcDecompressor()
    if (!view.isFlushed && (!this.#isHistoryWhole || ahead !== 1)) {
      if (ahead > 1) this.#isHistoryWhole = false
      return UNREADABLE
    }
    this.#mppcBefore ??= new MppcDecompressor()
    this.#mppcBefore.copyFrom(this.#mppc)
    if (view.isFlushed) this.#mppc.flush()
    const flaw = this.#mppc.decompress(bytes, start, end, view.isAtFront, target)
    const isSnapped = wireEnd > end
    const { length } = this.#mppc
    const sureness =
      flaw !== null && !isSnapped ? IMPOSSIBLE : this.#judge(target, length, isSnapped ? target.length : length)
    if (sureness === IMPOSSIBLE || ahead === 0) this.#mppc.copyFrom(this.#mppcBefore)
    else this.#isHistoryWhole = !isSnapped
    this.length = length
    return sureness
  }

  #judge(frame: Uint8Array, length: number, wireLength: number): number {
    const sureness = frameSureness(frame, length, wireLength, this.isProven)
    if (sureness === PROVEN) this.isProven = true
    return sureness
  }
}

function verdictOf(sureness: number): MppeVerdict {
  if (sureness === IMPOSSIBLE) return 'implausible'
  return sureness === UNREADABLE ? 'lost_step' : 'opened'
}

/** From one count forward to the other. */
function distance(from: number, to: number): number {
  return (to - from) & (COHERENCY_COUNTS - 1)
}

function isFlag(count: number): boolean {
  return (count & 0xff) === 0xff
}

function keyAt(count: number): number {
  return (count & (KEYS_KEPT - 1)) * KEY_BYTES_MAX
}

/** Only network data are encrypted (RFC 3078 section 3): their protocol numbers. */
const PROTOCOL_MIN = 0x21
const PROTOCOL_MAX = 0xfa

/** Protocols that deployed links carry beside IP, in the short form that Protocol-Field-Compression allows. */
const SHORT_PROTOCOLS: ReadonlySet<number> = new Set([
  PPP.IPX,
  PPP.VJ_COMPRESSED,
  PPP.VJ_UNCOMPRESSED,
  PPP.BRIDGING,
  PPP.MULTILINK,
])

/** A frame from its protocol on. It may be cut at `length`; on the wire it had `wireLength` octets, or fewer. */
function frameSureness(frame: Uint8Array, length: number, wireLength: number, isProven: boolean): number {
  if (length < 2) return IMPOSSIBLE
  const at = (frame[0] & 1) === 1 ? 1 : 2
  const protocol = at === 1 ? frame[0] : u16(frame, 0)
  if (protocol < PROTOCOL_MIN || protocol > PROTOCOL_MAX || (protocol & 1) === 0) return IMPOSSIBLE
  if (protocol === PPP.IPV4) return ipv4Sureness(frame, at, length, wireLength)
  if (protocol === PPP.IPV6) return ipv6Sureness(frame, at, length, wireLength)
  // Of random octets every other one may be a protocol of one octet, and of two hardly any.
  return at === 2 || (isProven && SHORT_PROTOCOLS.has(protocol)) ? POSSIBLE : IMPOSSIBLE
}

function ipv4Sureness(frame: Uint8Array, at: number, length: number, wireLength: number): number {
  if (length - at < 20) return length < wireLength ? POSSIBLE : IMPOSSIBLE
  const headerLength = (frame[at] & 0x0f) * 4
  if (frame[at] >> 4 !== 4 || headerLength < 20 || u16(frame, at + 2) > wireLength - at) return IMPOSSIBLE
  if (length - at < headerLength) return length < wireLength ? POSSIBLE : IMPOSSIBLE
  let sum = 0
  for (let i = 0; i < headerLength; i += 2) sum += u16(frame, at + i)
  return ((sum & 0xffff) + (sum >>> 16)) % 0xffff === 0 ? PROVEN : IMPOSSIBLE
}

function ipv6Sureness(frame: Uint8Array, at: number, length: number, wireLength: number): number {
  if (length - at < 40) return length < wireLength ? POSSIBLE : IMPOSSIBLE
  const stated = u16(frame, at + 4) + 40
  if (frame[at] >> 4 !== 6 || stated > wireLength - at) return IMPOSSIBLE
  return stated === wireLength - at ? PROVEN : POSSIBLE
}
