/**
 * L2TPv3 in a dissection: its headers, its control messages, and where the payload of a data message begins and what it is.
 *
 * The describing side of `wire/l2tpv3*.ts`, with a memory: what both ends agreed on for each session, and of sessions whose
 * agreement was not seen the first messages, from which the layout is inferred.
 */
import { NO_BYTES } from '../base/bytes.ts'
import { describeFrameRelay, FrameRelayView } from '../wire/frame-relay.ts'
import { AvpCursor } from '../wire/l2tp-avp.ts'
import { recoverHidden } from '../wire/l2tp-hidden.ts'
import { describeL2tpV3, L2tpV3View } from '../wire/l2tpv3.ts'
import { PSEUDOWIRE, pseudowireName, SUBLAYER, sublayerName } from '../wire/l2tpv3-avp.ts'
import { describeV3Control, enterAgreement, type V3Agreement, type WantedLayout } from '../wire/l2tpv3-control.ts'
import { describeL2tpV3Data, isAtmCell, type L2tpV3Layout, L2tpV3DataView } from '../wire/l2tpv3-data.ts'
import { DigestChecker, hidingKey, nonceOf } from '../wire/l2tpv3-digest.ts'
import type { InferredLayout } from '../wire/l2tpv3-inference.ts'
import type { Layer, Window } from './layer.ts'
import { LayoutSampler } from './layout-sampler.ts'
import type { LinkPath } from './layers-ppp.ts'

/** How a payload is to be read. `typed`: what stands behind the EtherType. `serial`: HDLC of either kind. */
export interface L2tpV3Payload {
  readonly kind: 'ethernet' | 'typed' | 'serial' | 'ppp' | 'ip' | 'data'
  readonly window: Window
  readonly etherType: number
  /** For `data`: what it is called. */
  readonly name?: string
  readonly sessionId: number
}

export type L2tpV3Transport = 'udp' | 'ip'

const SCCRQ = 1
const SCCRP = 2

/** A control connection: what each end, named by its place in the path, contributed. */
interface Connection {
  readonly nonces: Map<string, Uint8Array>
}

interface Session {
  /** Null while only data was seen. */
  wanted: WantedLayout | null
  readonly sampler: LayoutSampler
}

/** What a message is read with. */
interface Ends {
  readonly from: string
  readonly to: string
}

export class L2tpV3Layers {
  readonly #hidingKeys: readonly Uint8Array[]
  readonly #digests: DigestChecker
  readonly #sessionsMax: number
  readonly #connections = new Map<string, Connection>()
  readonly #sessions = new Map<string, Session>()
  readonly #view = new L2tpV3View()
  readonly #data = new L2tpV3DataView()
  readonly #avps = new AvpCursor()

  constructor(secrets: readonly Uint8Array[], sessionsMax: number) {
    this.#hidingKeys = secrets.map(hidingKey)
    this.#digests = new DigestChecker(secrets)
    this.#sessionsMax = sessionsMax
  }

  /**
   * Adds the layers of a message; gives what is inside, or null. With `learns` the message is believed: a packet that an
   * error quotes is described only.
   */
  describe(
    window: Window,
    transport: L2tpV3Transport,
    path: LinkPath,
    layers: Layer[],
    learns: boolean,
  ): L2tpV3Payload | null {
    const { bytes, start, end, wireEnd } = window
    const view = this.#view
    const flaw =
      transport === 'udp' ? view.decodeUdp(bytes, start, end, wireEnd) : view.decodeIp(bytes, start, end, wireEnd)
    if (flaw !== null) {
      const isSnapped = wireEnd > end && flaw === 'l2tpv3.truncated'
      layers.push({ ...(describeL2tpV3(view) as unknown as Layer), ...(isSnapped ? { isSnapped } : { flaw }) })
      return null
    }
    const [from, to] = path.forward.split('>')
    if (view.isControl) {
      layers.push(this.#control({ from, to }, learns))
      return null
    }
    return this.#payload(to, layers, learns)
  }

  // --- Control --------------------------------------------------------------------------------------------------------

  #control(ends: Ends, learns: boolean): Layer {
    const view = this.#view
    const header = describeL2tpV3(view) as unknown as Layer
    if (view.isAcknowledgement) return { ...header, messageName: 'ZLB' }
    const { messageType, messageName, avps, findings, flaw, isSnapped, agreement } = describeV3Control(
      view,
      this.#avps,
      (avp) => recoverHidden(avp, this.#hidingKeys),
    )
    const connection = this.#connection(ends, messageType, agreement, learns)
    const nonces = {
      sender: connection?.nonces.get(ends.from) ?? null,
      receiver: connection?.nonces.get(ends.to) ?? null,
    }
    const digest = this.#digests.check(view, nonces, messageType === SCCRQ)
    if (learns) this.#agree(ends, messageType, agreement)
    const all = [...(header.findings ?? []), ...findings]
    return {
      ...header,
      ...(messageType === undefined ? {} : { messageType }),
      messageName,
      avps,
      ...(digest === null ? {} : { digest }),
      ...(all.length > 0 ? { findings: all } : {}),
      ...(flaw === null ? {} : { flaw }),
      ...(isSnapped ? { isSnapped } : {}),
    }
  }

  /** The connection of the message, with the nonce that the message brings. */
  #connection(
    { from, to }: Ends,
    messageType: number | undefined,
    { assignedConnectionId }: V3Agreement,
    learns: boolean,
  ): Connection | undefined {
    const known = this.#connections.get(`${to}/${this.#view.controlConnectionId}`)
    if (!learns || (messageType !== SCCRQ && messageType !== SCCRP)) return known
    const connection = known ?? { nonces: new Map<string, Uint8Array>() }
    connection.nonces.set(from, nonceOf(this.#view, this.#avps) ?? NO_BYTES)
    if (assignedConnectionId !== undefined) {
      keep(this.#connections, `${from}/${assignedConnectionId}`, connection, this.#sessionsMax)
    }
    return connection
  }

  #agree({ from, to }: Ends, messageType: number | undefined, agreement: V3Agreement): void {
    const { localSessionId, remoteSessionId } = agreement
    if (localSessionId === undefined || localSessionId === 0) return
    const session = this.#session(`${from}/${localSessionId}`)
    const peer = remoteSessionId === undefined ? undefined : this.#sessions.get(`${to}/${remoteSessionId}`)
    session.wanted ??= {
      cookie: NO_BYTES,
      sublayer: SUBLAYER.NONE,
      pseudowireType: peer?.wanted?.pseudowireType ?? 0,
      isKnown: peer?.wanted?.isKnown ?? true,
    }
    enterAgreement(session.wanted, messageType, agreement)
  }

  #session(key: string): Session {
    const known = this.#sessions.get(key)
    if (known !== undefined) return known
    const session: Session = { wanted: null, sampler: new LayoutSampler() }
    keep(this.#sessions, key, session, this.#sessionsMax)
    return session
  }

  // --- Data -----------------------------------------------------------------------------------------------------------

  #payload(to: string, layers: Layer[], learns: boolean): L2tpV3Payload | null {
    const view = this.#view
    const { bytes, payloadStart, payloadEnd, messageEnd, sessionId } = view
    const header = describeL2tpV3(view) as unknown as Layer
    const known = this.#sessions.get(`${to}/${sessionId}`)
    const session = known ?? (learns ? this.#session(`${to}/${sessionId}`) : null)
    const layout = session === null ? null : layoutOf(session, view, learns)
    if (session === null || layout === null) {
      layers.push(header)
      const window = { bytes, start: payloadStart, end: payloadEnd, wireEnd: messageEnd }
      return messageEnd > payloadStart ? { kind: 'data', window, etherType: 0, sessionId } : null
    }
    const { cookieLength, sublayer, pseudowireType } = layout
    const data = this.#data
    const flaw = data.decode(bytes, payloadStart, payloadEnd, messageEnd, cookieLength, sublayer)
    const findings = [...(header.findings ?? []), ...(isForged(session, data, flaw) ? ['l2tpv3.cookie_mismatch'] : [])]
    layers.push({
      ...header,
      cookieLength,
      sublayer,
      sublayerName: sublayerName(sublayer),
      pseudowireType,
      pseudowireName: pseudowireName(pseudowireType),
      layout: session.wanted?.isKnown ? 'negotiated' : 'inferred',
      ...('confidence' in layout ? { confidence: layout.confidence } : {}),
      ...(flaw === null ? describeL2tpV3Data(data) : {}),
      ...(findings.length > 0 ? { findings } : {}),
      ...(flaw === null ? {} : messageEnd > payloadEnd ? { isSnapped: true } : { flaw }),
    })
    if (flaw !== null || data.payloadWireEnd <= data.payloadStart) return null
    return this.#inside(pseudowireType, sessionId, layers)
  }

  #inside(pseudowireType: number, sessionId: number, layers: Layer[]): L2tpV3Payload | null {
    const { bytes, payloadStart, payloadEnd, payloadWireEnd, isControlChannel, isFragment, sublayerFlags } = this.#data
    const window = { bytes, start: payloadStart, end: payloadEnd, wireEnd: payloadWireEnd }
    const payload = { window, etherType: 0, sessionId }
    if (isControlChannel) return { ...payload, kind: 'data', name: 'vccv' }
    if (isFragment) return { ...payload, kind: 'data', name: 'fragment' }
    switch (pseudowireType) {
      case PSEUDOWIRE.ETHERNET:
      case PSEUDOWIRE.ETHERNET_VLAN:
        return { ...payload, kind: 'ethernet' }
      case PSEUDOWIRE.PPP:
        return { ...payload, kind: 'ppp' }
      case PSEUDOWIRE.IP:
        return { ...payload, kind: 'ip' }
      case PSEUDOWIRE.HDLC:
        return { ...payload, kind: 'serial' }
      case PSEUDOWIRE.FRAME_RELAY:
        return this.#frameRelay(payload, layers)
      case PSEUDOWIRE.ATM_AAL5:
        // An EtherType of 0 is a length of 0: LLC to the end of the frame.
        return isAtmCell(sublayerFlags) ? { ...payload, kind: 'data', name: 'atm-cell' } : { ...payload, kind: 'typed' }
      case PSEUDOWIRE.ATM_PORT:
      case PSEUDOWIRE.ATM_VCC:
      case PSEUDOWIRE.ATM_VPC:
        return { ...payload, kind: 'data', name: 'atm-cell' }
      default:
        return { ...payload, kind: 'data' }
    }
  }

  #frameRelay(payload: Omit<L2tpV3Payload, 'kind'>, layers: Layer[]): L2tpV3Payload | null {
    const { window } = payload
    const frame = new FrameRelayView()
    const flaw = frame.decode(window.bytes, window.start, window.end)
    if (flaw !== null) {
      const isSnapped = window.wireEnd > window.end && flaw === 'fr.truncated'
      layers.push({ layer: 'frame-relay', ...(isSnapped ? { isSnapped } : { flaw }) })
      return null
    }
    layers.push(describeFrameRelay(frame, window.bytes) as unknown as Layer)
    const inside = { ...window, start: frame.payloadStart }
    if (inside.wireEnd <= inside.start) return null
    const { etherType } = frame
    return { ...payload, window: inside, etherType, kind: etherType === 0 ? 'data' : 'typed' }
  }
}

/** What the ends agreed on, else what this message and those before it have in common. */
function layoutOf(
  { wanted, sampler }: Session,
  view: L2tpV3View,
  learns: boolean,
): L2tpV3Layout | InferredLayout | null {
  if (wanted?.isKnown) {
    const { cookie, sublayer, pseudowireType } = wanted
    return { cookieLength: cookie.length, sublayer, pseudowireType }
  }
  if (learns) sampler.take(view.bytes, view.payloadStart, view.payloadEnd, view.messageEnd)
  return sampler.layout
}

function isForged(session: Session, data: L2tpV3DataView, flaw: string | null): boolean {
  return flaw === null && session.wanted?.isKnown === true && !data.hasCookie(session.wanted.cookie)
}

/** Enters into a table of bounded size; the oldest entry goes. */
function keep<T>(table: Map<string, T>, key: string, value: T, max: number): void {
  table.delete(key)
  if (table.size >= max) table.delete(table.keys().next().value as string)
  table.set(key, value)
}
