/** An L2TPv3 session as a record: what its ends agreed on, or what their data shows (RFC 3931 sections 4.1, 4.6 and 5.4.4). */
import { NO_BYTES } from '../base/bytes.ts'
import { LayoutSampler } from '../dissect/layout-sampler.ts'
import { pseudowireName, SUBLAYER, sublayerName } from '../wire/l2tpv3-avp.ts'
import { enterAgreement, type V3Agreement, type WantedLayout } from '../wire/l2tpv3-control.ts'
import { type L2tpV3Layout, sequenceStep } from '../wire/l2tpv3-data.ts'
import type { Role } from './role.ts'
import type { SavedV3Session } from './saved-l2tpv3.ts'
import { Session } from './session.ts'
import type { SessionDetails, SessionSum } from './session-events.ts'

const SEQUENCE_UNKNOWN = -1
/** After so many messages in a row with another cookie an inferred one is given up: the tunnel was set up anew. */
const MISMATCHES_MAX = 32

/** Data in one direction, named by the role that receives it. */
export class Direction {
  /** What the receiver asked for; null if that was not seen. */
  wanted: WantedLayout | null = null
  readonly sampler = new LayoutSampler()
  /** The inferred layout and its cookie, when the samples are complete and leave no doubt; else null and none. */
  settled: L2tpV3Layout | null = null
  cookie: Uint8Array = NO_BYTES
  /** Messages with another cookie since the last right one. */
  strangers = 0
  lastSequence = SEQUENCE_UNKNOWN
  lost = 0
  reordered = 0

  reset(): void {
    this.wanted = null
    this.sampler.reset()
    this.settled = null
    this.cookie = NO_BYTES
    this.strangers = 0
    this.lastSequence = SEQUENCE_UNKNOWN
    this.lost = 0
    this.reordered = 0
  }

  get isNegotiated(): boolean {
    return this.wanted?.isKnown === true
  }

  get pseudowireType(): number {
    const negotiated = this.wanted?.pseudowireType ?? 0
    return negotiated === 0 ? (this.sampler.layout?.pseudowireType ?? 0) : negotiated
  }

  /** As far as it is known. */
  get cookieLength(): number | undefined {
    return this.isNegotiated ? this.wanted?.cookie.length : this.sampler.layout?.cookieLength
  }

  get sublayer(): number | undefined {
    return this.isNegotiated ? this.wanted?.sublayer : this.sampler.layout?.sublayer
  }

  /** Whether the data is read without a guess. */
  get isSure(): boolean {
    return this.isNegotiated || this.sampler.layout?.confidence === 'certain'
  }

  /** Takes one more message in, until the layout is settled. */
  sample(bytes: Uint8Array, start: number, end: number, wireEnd: number): void {
    const { sampler } = this
    sampler.take(bytes, start, end, wireEnd)
    if (!sampler.isDone || sampler.layout === null) return
    this.settled = sampler.layout
    this.cookie = sampler.layout.confidence === 'certain' ? sampler.cookie : NO_BYTES
  }

  /** A message with another cookie than the one that was inferred. */
  mismatch(): void {
    this.strangers++
    if (this.isNegotiated || this.strangers < MISMATCHES_MAX) return
    this.sampler.reset()
    this.settled = null
    this.cookie = NO_BYTES
    this.strangers = 0
  }

  observeSequence(sequence: number): void {
    const step = this.lastSequence === SEQUENCE_UNKNOWN ? 1 : sequenceStep(this.lastSequence, sequence)
    if (step > 0) {
      this.lost += step - 1
      this.lastSequence = sequence
    } else if (step < 0) {
      this.reordered++
      if (this.lost > 0) this.lost--
    }
  }
}

export class V3Session extends Session {
  /** By the role that receives. */
  readonly directions: readonly [Direction, Direction] = [new Direction(), new Direction()]
  /** The endpoint under which the id of each role is filed, or -1; kept by the tracker. */
  readonly filed: [number, number] = [-1, -1]
  remoteEndId: string | undefined
  circuitStatus: readonly string[] | undefined
  mismatches = 0
  isSequenced = false

  override reset(tunnel: number, timeUs: number): void {
    super.reset(tunnel, timeUs)
    for (const direction of this.directions) direction.reset()
    this.filed.fill(-1)
    this.remoteEndId = undefined
    this.circuitStatus = undefined
    this.mismatches = 0
    this.isSequenced = false
  }

  /** What a message of the set-up says that its sender wants. */
  agree(sender: Role, messageType: number | undefined, agreement: V3Agreement): void {
    const own = this.directions[sender]
    const other = this.directions[(1 - sender) as Role]
    own.wanted ??= { cookie: NO_BYTES, sublayer: SUBLAYER.NONE, pseudowireType: 0, isKnown: true }
    enterAgreement(own.wanted, messageType, agreement)
    this.remoteEndId = agreement.remoteEndId ?? this.remoteEndId
    // Only the request names the pseudowire: it is the same in both directions.
    if (own.wanted.pseudowireType === 0) own.wanted.pseudowireType = other.wanted?.pseudowireType ?? 0
    else if (other.wanted !== null) other.wanted.pseudowireType = own.wanted.pseudowireType
  }

  save(): SavedV3Session {
    const { remoteEndId, circuitStatus, mismatches, isSequenced } = this
    const directions = this.directions.map(({ wanted, lost, reordered }) => ({
      wanted: wanted === null ? null : { ...wanted, cookie: Buffer.from(wanted.cookie).toString('hex') },
      lost,
      reordered,
    }))
    return { remoteEndId, circuitStatus, mismatches, isSequenced, directions }
  }

  /** How data is laid out that nobody agreed on must be seen anew. */
  restore({ directions, ...rest }: SavedV3Session): void {
    Object.assign(this, rest)
    for (const [role, { wanted, lost, reordered }] of directions.entries()) {
      const own = this.directions[role]
      own.wanted = wanted === null ? null : { ...wanted, cookie: Uint8Array.from(Buffer.from(wanted.cookie, 'hex')) }
      own.lost = lost
      own.reordered = reordered
    }
  }

  get details(): SessionDetails {
    const { directions } = this
    const type = directions[0].pseudowireType || directions[1].pseudowireType
    const lengths = directions.map(({ cookieLength }) => cookieLength).filter((length) => length !== undefined)
    const sublayer = directions[0].sublayer ?? directions[1].sublayer
    const isNegotiated = directions.some((direction) => direction.isNegotiated)
    return {
      'l2tp.session.pseudowire': type === 0 ? undefined : pseudowireName(type),
      'l2tp.session.cookie_bytes': lengths.length === 0 ? undefined : Math.min(...lengths),
      'l2tp.session.sublayer': sublayer === undefined ? undefined : sublayerName(sublayer),
      'l2tp.session.layout': lengths.length === 0 ? undefined : isNegotiated ? 'negotiated' : 'inferred',
      'l2tp.session.remote_end_id': this.remoteEndId,
      'l2tp.session.circuit_status': this.circuitStatus,
    }
  }

  get sum(): SessionSum {
    const [first, second] = this.directions
    return {
      'l2tp.session.cookie_mismatches': this.mismatches === 0 ? undefined : this.mismatches,
      ...(this.isSequenced
        ? {
            'l2tp.session.sequenced': true,
            'l2tp.session.lost': first.lost + second.lost,
            'l2tp.session.reordered': first.reordered + second.reordered,
          }
        : {}),
    }
  }
}
