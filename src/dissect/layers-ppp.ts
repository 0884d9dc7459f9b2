/**
 * The layers of a PPP frame, for the dissection of single packets: the header, what it negotiates, who logs in, and where the
 * network packet inside begins.
 *
 * A bystander cannot read all of PPP from one packet: the form of CHAP, of multilink headers and of compressed data was agreed
 * in earlier ones. `PppContext` keeps what was acknowledged, per link and direction, in a bounded table.
 */
import { hex, u16 } from '../base/bytes.ts'
import { describeEap } from '../wire/eap.ts'
import { describeMppe, MppeView } from '../wire/mppe.ts'
import { describeLqr, describePpp, MultilinkView, PPP, PppView, pppProtocolName } from '../wire/ppp.ts'
import { CHAP_CODE, describeChap, describePap } from '../wire/ppp-auth.ts'
import { describePppControl, PPP_CODE, PppControlView, pppCodeName } from '../wire/ppp-control.ts'
import { CCP, endpointName, LCP, PppOptionCursor } from '../wire/ppp-options.ts'
import { describeVjCompressed } from '../wire/vj-describe.ts'
import type { Layer, Window } from './layer.ts'
import { MultilinkFragments } from './multilink-fragments.ts'

/** A link in one direction, and the same in the other; as far as one packet tells, which is without the ids of the other side. */
export interface LinkPath {
  /** The direction of this packet, down to tunnel and session. */
  readonly key: string
  /** Sender and receiver of this packet, and the other way round. */
  readonly forward: string
  readonly backward: string
}

/** What both ends agreed for one direction of a link. */
interface Agreement {
  /** CHAP algorithms: of those who answer challenges in this direction, and of those who ask. */
  answering?: number
  asking?: number
  isShortSequence?: boolean
  /** How its sender, and its receiver, name themselves to multilink, in hexadecimal digits. */
  sender?: string | undefined
  receiver?: string | undefined
  isMppe?: boolean
}

/** The oldest entry is the first of a `Map`, so that dropping it keeps the table bounded. */
class BoundedMap<V> {
  readonly #capacity: number
  readonly #entries = new Map<string, V>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get(key: string): V | undefined {
    return this.#entries.get(key)
  }

  set(key: string, value: V): void {
    this.#entries.delete(key)
    if (this.#entries.size >= this.#capacity) this.#entries.delete(this.#entries.keys().next().value as string)
    this.#entries.set(key, value)
  }
}

export class PppContext {
  readonly #agreements: BoundedMap<Agreement>
  /** Configure-Requests by what an acknowledgement of them would look like: which link direction they went. */
  readonly #requests: BoundedMap<string>
  readonly #options = new PppOptionCursor()

  constructor(linksMax: number) {
    this.#agreements = new BoundedMap(linksMax)
    this.#requests = new BoundedMap(linksMax)
  }

  of(path: LinkPath): Agreement {
    return this.#agreements.get(path.key) ?? {}
  }

  /** Learns from a Configure-Request or Configure-Ack of LCP or CCP. */
  observe(protocol: number, control: PppControlView, path: LinkPath): void {
    if (protocol !== PPP.LCP && protocol !== PPP.CCP) return
    const options = `${protocol}/${control.identifier}/${hex(control.bytes, control.dataStart, control.dataEnd)}`
    if (control.code === PPP_CODE.CONFIGURE_REQUEST) {
      this.#requests.set(`${path.forward} ${options}`, path.key)
    } else if (control.code === PPP_CODE.CONFIGURE_ACK) {
      // An acknowledgement repeats the request octet by octet, magic number and all: so the two directions find each other.
      const requested = this.#requests.get(`${path.backward} ${options}`)
      if (protocol === PPP.LCP) this.#agreeLink(control, path.key, requested)
      else this.#agreeCompression(control, path.key)
    }
  }

  #agreeLink(control: PppControlView, key: string, requested: string | undefined): void {
    const own: Agreement = { ...this.#agreements.get(key), isShortSequence: false }
    // Who asked for a login acknowledges nothing of its own: its half of the agreement belongs to the other direction.
    const other: Agreement = { ...(requested === undefined ? {} : this.#agreements.get(requested)) }
    delete own.answering
    delete own.isMppe
    delete own.receiver
    delete other.asking
    delete other.sender
    this.#options.over(control.bytes, control.dataStart, control.dataEnd)
    while (this.#options.next()) {
      const { bytes, type, valueStart: at, valueEnd } = this.#options
      if (type === LCP.SHORT_SEQUENCE_NUMBER) own.isShortSequence = true
      else if (type === LCP.MULTILINK_HEADER_FORMAT && valueEnd > at) own.isShortSequence = bytes[at] === 6
      else if (type === LCP.ENDPOINT_DISCRIMINATOR) {
        own.receiver = endpointName(bytes, at, valueEnd)
        other.sender = own.receiver
      } else if (type === LCP.AUTHENTICATION_PROTOCOL && valueEnd - at >= 3 && u16(bytes, at) === PPP.CHAP) {
        own.answering = bytes[at + 2]
        other.asking = bytes[at + 2]
      }
    }
    this.#agreements.set(key, own)
    if (requested === key) this.#agreements.set(key, { ...own, ...other })
    else if (requested !== undefined) this.#agreements.set(requested, other)
  }

  #agreeCompression(control: PppControlView, key: string): void {
    let isMppe = false
    this.#options.over(control.bytes, control.dataStart, control.dataEnd)
    while (this.#options.next()) if (this.#options.type === CCP.MPPE) isMppe = true
    this.#agreements.set(key, { ...this.#agreements.get(key), isMppe })
  }
}

/** What a PPP frame carries that others describe. */
export interface PppPayload {
  readonly kind: 'ip' | 'ethernet' | 'mpls'
  readonly window: Window
}

export class PppLayers {
  readonly #context: PppContext
  readonly #options = new PppOptionCursor()
  readonly #fragments = new MultilinkFragments()
  #timeUs = 0

  constructor(context: PppContext) {
    this.#context = context
  }

  /**
   * Appends the layers of the PPP frame in the window; gives what it carries, or null if nothing is left to describe.
   * `learns` is false for quoted packets: they are copies, and anybody can make one up. `timeUs` is that of the packet.
   */
  describe(window: Window, path: LinkPath, layers: Layer[], learns: boolean, timeUs: number): PppPayload | null {
    this.#timeUs = timeUs
    return this.#frame(window, path, layers, learns)
  }

  #frame(window: Window, path: LinkPath, layers: Layer[], learns: boolean): PppPayload | null {
    const { bytes, start, end, wireEnd } = window
    const view = new PppView()
    const flaw = view.decode(bytes, start, end)
    if (flaw !== null) {
      layers.push({
        layer: 'ppp',
        ...pppEvidence(bytes, start, end),
        length: end - start,
        ...(wireEnd > end && flaw === 'ppp.truncated' ? { isSnapped: true } : { flaw }),
      })
      return null
    }
    layers.push({ layer: 'ppp', ...describePpp(view) })
    return this.#payload(view, { bytes, start: view.payloadStart, end, wireEnd }, path, layers, learns)
  }

  #payload(view: PppView, window: Window, path: LinkPath, layers: Layer[], learns: boolean): PppPayload | null {
    const { bytes, start, end } = window
    switch (view.protocol) {
      case PPP.IPV4:
      case PPP.IPV6:
        return { kind: 'ip', window }
      case PPP.MPLS_UNICAST:
      case PPP.MPLS_MULTICAST:
        return { kind: 'mpls', window }
      case PPP.BRIDGING:
        return describeBridging(window, layers)
      case PPP.VJ_UNCOMPRESSED:
        return describeVjUncompressed(window, layers)
      case PPP.VJ_COMPRESSED: {
        const record = describeVjCompressed(bytes, start, end)
        layers.push(
          typeof record === 'string' ? flawed('vj-compressed', window, record) : { layer: 'vj-compressed', ...record },
        )
        return null
      }
      case PPP.MULTILINK:
        return this.#multilink(window, path, layers, learns)
      case PPP.COMPRESSED:
        this.#compressed(window, path, layers)
        return null
      case PPP.LQR: {
        const record = describeLqr(view)
        layers.push(typeof record === 'string' ? flawed('lqr', window, record) : { layer: 'lqr', ...record })
        return null
      }
      default:
    }
    if (hasControlHeader(view.protocol)) this.#control(view.protocol, window, path, layers, learns)
    else layers.push({ layer: 'data', protocolName: pppProtocolName(view.protocol), length: end - start })
    return null
  }

  #control(protocol: number, window: Window, path: LinkPath, layers: Layer[], learns: boolean): void {
    const { bytes, start, end } = window
    const layer = controlLayerName(protocol)
    const control = new PppControlView()
    const flaw = control.decode(bytes, start, end)
    if (flaw !== null) {
      // The header is told even where its length is false: it is evidence.
      const header =
        end - start < 4
          ? {}
          : {
              code: bytes[start],
              codeName: pppCodeName(protocol, bytes[start]),
              identifier: bytes[start + 1],
              length: u16(bytes, start + 2),
            }
      layers.push({ ...flawed(layer, window, flaw), ...header })
      return
    }
    if (learns) this.#context.observe(protocol, control, path)
    const padding = control.paddingLength > 0 ? { paddingLength: control.paddingLength } : {}
    layers.push({ layer, ...this.#record(protocol, control, path), ...padding })
    if (control.code === PPP_CODE.CODE_REJECT && negotiates(protocol))
      this.#rejected(protocol, control, control.dataStart, path, layers)
    else if (
      control.code === PPP_CODE.PROTOCOL_REJECT &&
      protocol === PPP.LCP &&
      control.dataEnd - control.dataStart >= 2
    ) {
      const rejected = u16(control.bytes, control.dataStart)
      if (hasControlHeader(rejected)) this.#rejected(rejected, control, control.dataStart + 2, path, layers)
    }
  }

  /** The packet that a Code-Reject or Protocol-Reject gives back, as far as the rejecting end copied it. */
  #rejected(
    protocol: number,
    { bytes, dataEnd }: PppControlView,
    start: number,
    path: LinkPath,
    layers: Layer[],
  ): void {
    const control = new PppControlView()
    if (control.decode(bytes, start, dataEnd) === null) {
      layers.push({ layer: controlLayerName(protocol), rejected: true, ...this.#record(protocol, control, path) })
    }
  }

  #record(protocol: number, control: PppControlView, path: LinkPath): object {
    switch (protocol) {
      case PPP.PAP:
        return describePap(control)
      case PPP.EAP:
        return describeEap(control)
      case PPP.CHAP: {
        const { answering, asking } = this.#context.of(path)
        // Responses and changes of a password come from the end that logs in.
        return describeChap(
          control,
          control.code === CHAP_CODE.RESPONSE || control.code > CHAP_CODE.FAILURE ? answering : asking,
        )
      }
      default:
        return describePppControl(protocol, control, this.#options)
    }
  }

  #multilink(window: Window, path: LinkPath, layers: Layer[], learns: boolean): PppPayload | null {
    const { bytes, start, end, wireEnd } = window
    const view = new MultilinkView()
    const isShort = this.#context.of(path).isShortSequence === true
    const flaw = view.decode(bytes, start, end, isShort)
    if (flaw !== null) {
      layers.push(flawed('mp', window, flaw))
      return null
    }
    const { isFirst, isLast, classNumber, sequence, payloadStart } = view
    layers.push({ layer: 'mp', isFirst, isLast, classNumber, sequence, length: end - payloadStart })
    // A fragment that is first and last is a whole frame. Multilink within multilink does not exist.
    let frame = { bytes, start: payloadStart, end, wireEnd }
    if (!isFirst || !isLast) {
      layers.push({ layer: 'fragment', length: end - payloadStart })
      const { sender, receiver } = this.#context.of(path)
      // Links whose ends name themselves alike are one bundle.
      const stream = sender === undefined || receiver === undefined ? path.key : `${path.forward} ${sender} ${receiver}`
      if (!learns || wireEnd > end || !this.#fragments.join(stream, view, isShort, bytes, this.#timeUs)) return null
      const { length } = this.#fragments
      layers.push({ layer: 'reassembled', length })
      frame = { bytes: this.#fragments.bytes, start: 0, end: length, wireEnd: length }
    }
    const inner = new PppView()
    if (inner.decode(frame.bytes, frame.start, frame.end) === null && inner.protocol === PPP.MULTILINK) {
      layers.push({ layer: 'fragment', length: frame.end - frame.start })
      return null
    }
    return this.#frame(frame, path, layers, learns)
  }

  #compressed(window: Window, path: LinkPath, layers: Layer[]): void {
    const { bytes, start, end } = window
    if (this.#context.of(path).isMppe !== true) {
      layers.push({ layer: 'compressed', length: end - start })
      return
    }
    const view = new MppeView()
    const flaw = view.decode(bytes, start, end)
    if (flaw !== null) {
      layers.push(flawed('mppe', window, flaw))
      return
    }
    layers.push({ layer: 'mppe', ...describeMppe(view) })
  }
}

/** A flaw, unless the capture cut the frame: then it is no fault of the sender. */
function flawed(layer: string, { start, end, wireEnd }: Window, flaw: string): Layer {
  return { layer, capturedLength: end - start, ...(wireEnd > end ? { isSnapped: true } : { flaw }) }
}

/** Protocols whose packets begin with Code, Identifier, Length. */
function hasControlHeader(protocol: number): boolean {
  return (
    negotiates(protocol) ||
    protocol === PPP.PAP ||
    protocol === PPP.CHAP ||
    protocol === PPP.EAP ||
    protocol === PPP.CBCP ||
    protocol === PPP.BAP
  )
}

/** Those among them that have the codes of RFC 1661. */
function negotiates(protocol: number): boolean {
  return (protocol >= 0x8000 && protocol < 0xc000) || protocol === PPP.LCP || protocol === PPP.BACP
}

/** What stands where the header of a frame should be. */
function pppEvidence(
  bytes: Uint8Array,
  start: number,
  end: number,
): { address?: number; control?: number; protocol?: number } {
  const hasAddress = end - start >= 4 && bytes[start] === 0xff
  if (hasAddress) return { address: bytes[start], control: bytes[start + 1], protocol: u16(bytes, start + 2) }
  return end - start >= 2 ? { protocol: u16(bytes, start) } : {}
}

function controlLayerName(protocol: number): string {
  const name = pppProtocolName(protocol)
  return name === 'unknown' ? 'ncp' : name.toLowerCase().replace(/\W+/g, '-')
}

/** RFC 3518 section 4.2: flags and the number of pad octets, then the MAC type. Type 1 is an Ethernet frame. */
function describeBridging({ bytes, start, end, wireEnd }: Window, layers: Layer[]): PppPayload | null {
  if (end - start < 2) {
    layers.push({ layer: 'bridging', flaw: 'ppp.truncated' })
    return null
  }
  const flags = bytes[start]
  const hasFcs = (flags & 0x80) !== 0
  const padding = flags & 0x0f
  const macType = bytes[start + 1]
  layers.push({
    layer: 'bridging',
    hasFcs,
    zeroCompressed: (flags & 0x20) !== 0,
    isControl: (flags & 0x10) !== 0,
    padding,
    macType,
  })
  const frameEnd = end - padding - (hasFcs ? 4 : 0)
  return macType === 1 && frameEnd > start + 2
    ? {
        kind: 'ethernet',
        window: {
          bytes,
          start: start + 2,
          end: frameEnd,
          wireEnd: Math.max(frameEnd, wireEnd - padding - (hasFcs ? 4 : 0)),
        },
      }
    : null
}

/** RFC 1144 section 3.2.3: a whole TCP packet, the number of the connection in place of the IP protocol. */
function describeVjUncompressed({ bytes, start, end, wireEnd }: Window, layers: Layer[]): PppPayload | null {
  if (end - start < 20) {
    layers.push({ layer: 'vj-uncompressed', length: end - start, flaw: 'ppp.truncated' })
    return null
  }
  layers.push({ layer: 'vj-uncompressed', connection: bytes[start + 9] })
  const copy = bytes.slice(start, end)
  copy[9] = 6
  return { kind: 'ip', window: { bytes: copy, start: 0, end: copy.length, wireEnd: wireEnd - start } }
}
