/**
 * The complete dissection of single packets: every layer in the order of the wire, every field by its standard name, down to
 * the packet inside the tunnel.
 *
 * This is the slow side, for people and for comparison with other dissectors: it allocates freely and asks the describe
 * functions of `wire/`. The packet path (`dissector.ts`) does not use it. A bad packet is described as far as it can be read,
 * and the flaw stands in the layer that has it.
 */
import { u16 } from '../base/bytes.ts'
import { hashWindow } from '../base/hash.ts'
import { isoMicroseconds } from '../base/time.ts'
import { describeGre, GRE_PPP, GreView } from '../wire/gre.ts'
import { describeIcmp, IcmpView } from '../wire/icmp.ts'
import { IKE_PORT } from '../wire/ike.ts'
import { describeIp, IP_PROTOCOL, IP_PROTOCOL_NAMES, IpView } from '../wire/ip.ts'
import { describeL2f, L2fView } from '../wire/l2f.ts'
import { AvpCursor, type AvpDescription, describeControl } from '../wire/l2tp-avp.ts'
import { recoverHidden } from '../wire/l2tp-hidden.ts'
import { describeL2tp, L2tpView, l2tpVersion } from '../wire/l2tp.ts'
import { isL2tpV3 } from '../wire/l2tpv3-inference.ts'
import {
  describeEthernet,
  describeEtherType,
  describeLink,
  ETHERTYPE,
  etherTypeName,
  LINKTYPE,
  type LinkDescription,
} from '../wire/link.ts'
import { describeMirror, MirrorView } from '../wire/mirror.ts'
import { ikePortContent, NATT_PORT, NON_ESP_MARKER_LENGTH, NON_IKE_MARKER_LENGTH, nattContent } from '../wire/nat-t.ts'
import { PPP } from '../wire/ppp.ts'
import { describePppOptions, type PppOption, PppOptionCursor } from '../wire/ppp-options.ts'
import { PPTP_PORT } from '../wire/pptp.ts'
import { describeTcp, describeTcpStart, TcpView } from '../wire/tcp.ts'
import { describeUdp, UdpView } from '../wire/udp.ts'
import type { DefragmentLimits } from './defragment.ts'
import type { Layer, Window } from './layer.ts'
import { EspLayers, type EspLayerOptions, NO_ESP_KEYS, type Protected } from './layers-esp.ts'
import { IkeLayers } from './layers-ike.ts'
import { describeDatagram, describeEcho, describeSegment } from './layers-inner.ts'
import { L2tpV3Layers, type L2tpV3Transport } from './layers-l2tpv3.ts'
import { type LinkPath, PppContext, PppLayers } from './layers-ppp.ts'
import { pptpLayers } from './layers-pptp.ts'
import { Reassembly } from './layers-reassembly.ts'
import { windowsLayersOverTcp, windowsLayersOverUdp } from './layers-windows.ts'

/** What a source of packets hands over. */
export interface CapturedPacket {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
  /** Microseconds since 1970. */
  readonly timeUs: number
  readonly originalLength: number
  readonly linkType: number
  readonly interfaceId: number
  /** From 1, in its capture. */
  readonly number: number
}

export interface PacketDescription {
  readonly number: number
  /** ISO 8601, UTC, microseconds. */
  readonly time: string
  readonly timeUs: number
  /** As captured. */
  readonly length: number
  /** On the wire. */
  readonly originalLength: number
  readonly layers: readonly Layer[]
}

export interface DescriberOptions {
  readonly l2tpPorts: readonly number[]
  /** Shared secrets to try on hidden AVPs; never shown. */
  readonly secrets: readonly Uint8Array[]
  readonly fragments: DefragmentLimits
  /** PPP links, in one direction each, whose agreements are remembered. */
  readonly linksMax: number
  /** Keys of ESP SAs; none if absent. */
  readonly esp?: EspLayerOptions
}

/** More layers than this are an attack: a stack of tunnels in tunnels. */
const LAYERS_MAX = 48
/** IP in IP deeper than this is not reassembled; it is described all the same. */
const REASSEMBLY_LEVELS = 3
const DATAGRAM_MAX = 65_535
/** What a port is to the search for L2TP; 0 is nothing. */
const CONFIGURED = 1
const LEARNED = 2
/** Message types by which a tunnel is set up (RFC 2661 section 3.2). */
const SCCRQ = 1
const SCCRP = 2

/** Where in the packet the walk is. */
interface Place {
  readonly path: LinkPath
  /** IP headers above. */
  readonly level: number
  readonly isQuoted: boolean
}

/** Describes the packets of one capture in their order: what earlier ones told (fragments, ports, agreements) helps with later ones. */
export class Describer {
  readonly #secrets: readonly Uint8Array[]
  /** `CONFIGURED` or `LEARNED` for a port on which L2TP is spoken. */
  readonly #ports: Uint8Array
  readonly #reassembly: Reassembly[]
  readonly #ppp: PppLayers
  readonly #esp: EspLayers
  readonly #ikeLayers: IkeLayers
  readonly #v3: L2tpV3Layers
  readonly #avps = new AvpCursor()
  #layers: Layer[] = []
  #packet: { readonly number: number; readonly timeUs: number } = { number: 0, timeUs: 0 }

  constructor(options: DescriberOptions) {
    this.#secrets = options.secrets
    this.#ports = new Uint8Array(65_536)
    for (const port of options.l2tpPorts) this.#ports[port] = CONFIGURED
    this.#reassembly = Array.from({ length: REASSEMBLY_LEVELS }, () => new Reassembly(options.fragments))
    this.#esp = new EspLayers(options.esp ?? NO_ESP_KEYS)
    this.#ppp = new PppLayers(new PppContext(options.linksMax))
    this.#ikeLayers = new IkeLayers(options.fragments.datagramsMax)
    this.#v3 = new L2tpV3Layers(options.secrets, options.linksMax)
  }

  /** Never throws. Nothing in the result refers to the buffer of the packet. */
  describe(packet: CapturedPacket): PacketDescription {
    const { bytes, start, end, timeUs, originalLength, number, linkType, interfaceId } = packet
    const layers: Layer[] = []
    this.#layers = layers
    this.#packet = { number, timeUs }
    const link = describeLink(bytes, start, end, linkType, start + originalLength)
    const key = `if${interfaceId}`
    const place = { path: { key, forward: key, backward: key }, level: 0, isQuoted: false }
    this.#link(link, bytes, Math.max(end, start + originalLength), place)
    return { number, time: isoMicroseconds(timeUs), timeUs, length: end - start, originalLength, layers }
  }

  #push(layer: Layer, place: Place): void {
    if (place.isQuoted) layer.quoted = true
    this.#layers.push(layer)
  }

  #isTooDeep(place: Place): boolean {
    if (this.#layers.length < LAYERS_MAX) return false
    this.#push({ layer: 'data', flaw: 'layers.too_deep' }, place)
    return true
  }

  #link(link: LinkDescription, bytes: Uint8Array, wireEnd: number, place: Place): void {
    for (const layer of link.layers) this.#push({ ...layer }, place)
    const window = {
      bytes,
      start: link.payloadStart,
      end: link.payloadEnd,
      wireEnd: link.payloadWireEnd ?? Math.max(wireEnd, link.payloadEnd),
    }
    switch (link.payload) {
      case 'ip':
        this.#ip(window, place, place.level === 0 ? vlanOf(link) : hashText(`${place.path.key}/${vlanOf(link)}`))
        break
      case 'ppp':
        this.#pppFrame(window, { ...place, path: pathOverLink(link, place.path) })
        break
      case 'other':
        if (window.end > window.start)
          this.#data(window, place, link.etherType === 0 ? undefined : etherTypeName(link.etherType))
        break
      case 'none':
        if (window.end > window.start) this.#data(window, place)
    }
  }

  #data({ start, end, wireEnd }: Window, place: Place, name?: string): void {
    const layer = name === undefined || name === 'unknown' ? 'data' : name
    this.#push({ layer, length: wireEnd - start, ...(wireEnd > end ? { capturedLength: end - start } : {}) }, place)
  }

  #pppFrame(window: Window, place: Place): void {
    const layers: Layer[] = []
    const payload = this.#ppp.describe(window, place.path, layers, !place.isQuoted, this.#packet.timeUs)
    for (const layer of layers) this.#push(layer, place)
    if (payload === null || this.#isTooDeep(place)) return
    const { bytes, start, end, wireEnd } = payload.window
    switch (payload.kind) {
      case 'ip':
        this.#ip(payload.window, place, hashText(place.path.key))
        break
      case 'ethernet':
        this.#link(describeEthernet(bytes, start, end, wireEnd), bytes, wireEnd, place)
        break
      case 'mpls':
        this.#link(describeEtherType(bytes, start, end, ETHERTYPE.MPLS, wireEnd), bytes, wireEnd, place)
    }
  }

  // --- IP -------------------------------------------------------------------------------------------------------------

  /** `scope` tells apart networks that may use the same addresses: fragments of two scopes never meet. */
  #ip(window: Window, place: Place, scope: number): void {
    if (this.#isTooDeep(place)) return
    const { bytes, start, end } = window
    const reassembly = this.#reassembly[place.level]
    const ip = reassembly === undefined || place.isQuoted ? new IpView() : reassembly.frame.ip
    const flaw = ip.decode(bytes, start, end)
    if (flaw !== null) {
      const layer = ip.version === 4 ? 'ipv4' : ip.version === 6 ? 'ipv6' : 'ip'
      this.#push(
        {
          layer,
          length: window.wireEnd - start,
          ...(window.wireEnd > end && flaw === 'ip.truncated' ? { isSnapped: true } : { flaw }),
        },
        place,
      )
      return
    }
    const description = describeIp(ip) as Layer
    const { source, destination } = description as unknown as { source: string; destination: string }
    if (!ip.isFragment) {
      this.#push({ ...description, ...(ip.isSnapped ? { isSnapped: true } : {}) }, place)
    } else if (!this.#fragment(description, ip, place.isQuoted ? undefined : reassembly, place, scope)) return
    const forward = `${source}>${destination}`
    const backward = `${destination}>${source}`
    const inside = {
      ...place,
      level: place.level + 1,
      path: { key: `${place.path.key}|${forward}`, forward, backward },
    }
    this.#transport(
      ip,
      ip.protocol,
      { bytes: ip.bytes, start: ip.payloadStart, end: ip.payloadEnd, wireEnd: Math.max(ip.wireEnd, ip.payloadEnd) },
      inside,
      scope,
    )
  }

  /** True when what stands behind the header can be read: the datagram is complete, or this is its beginning and no more will come. */
  #fragment(description: Layer, ip: IpView, reassembly: Reassembly | undefined, place: Place, scope: number): boolean {
    const isBeginning = ip.fragmentOffset === 0
    const { isSnapped } = ip
    const length = ip.wireEnd - ip.payloadStart
    if (reassembly === undefined || isSnapped) {
      this.#push({ ...description, ...(isSnapped ? { isSnapped } : {}) }, place)
      if (!isBeginning) this.#push({ layer: 'fragment', length }, place)
      return isBeginning
    }
    const { isComplete, frames, findings } = reassembly.take(this.#packet, scope)
    this.#push({ ...description, ...(findings.length > 0 ? { findings } : {}) }, place)
    if (isComplete) this.#push({ layer: 'reassembled', frames, length: ip.payloadEnd - ip.payloadStart }, place)
    else this.#push({ layer: 'fragment', length }, place)
    return isComplete
  }

  /** `protocol` is what the header before the window names: that of IP, or one of IPsec behind it. */
  #transport(ip: IpView, protocol: number, window: Window, place: Place, scope: number): void {
    switch (protocol) {
      case IP_PROTOCOL.UDP:
        // Of a first fragment alone nobody knows where the datagram ends: its UDP header says it.
        this.#udp(ip, ip.isFragment ? { ...window, wireEnd: window.start + DATAGRAM_MAX } : window, place, scope)
        break
      case IP_PROTOCOL.TCP:
        this.#tcp(ip, window, place, scope)
        break
      case IP_PROTOCOL.ICMP:
      case IP_PROTOCOL.ICMPV6:
        this.#icmp(window, protocol === IP_PROTOCOL.ICMPV6, place)
        break
      case IP_PROTOCOL.IPIP:
      case IP_PROTOCOL.IPV6:
        this.#ip(window, place, hashText(`${scope}/${place.path.key}`))
        break
      case IP_PROTOCOL.GRE:
        this.#gre(window, place)
        break
      case IP_PROTOCOL.L2TP:
        this.#l2tpV3(window, 'ip', place)
        break
      case IP_PROTOCOL.ESP:
        this.#ipsec(ip, place, scope, (layers) => this.#esp.esp(window, ip, place.isQuoted || ip.isFragment, layers))
        break
      case IP_PROTOCOL.AH:
        this.#ipsec(ip, place, scope, (layers) => this.#esp.ah(window, ip, layers))
        break
      default:
        this.#data(window, place, IP_PROTOCOL_NAMES[protocol])
    }
  }

  #ipsec(ip: IpView, place: Place, scope: number, describe: (layers: Layer[]) => Protected | null): void {
    const layers: Layer[] = []
    const inside = describe(layers)
    for (const layer of layers) this.#push(layer, place)
    if (inside === null || this.#isTooDeep(place)) return
    if (inside.window.wireEnd > inside.window.start) this.#transport(ip, inside.protocol, inside.window, place, scope)
  }

  #gre(window: Window, place: Place): void {
    const { bytes, start, end, wireEnd } = window
    const gre = new GreView()
    const flaw = gre.decode(bytes, start, end, wireEnd)
    if (flaw !== null) {
      const { flags, version, protocol } = gre
      this.#push({ ...flawed('gre', window, flaw), ...(end - start < 4 ? {} : { flags, version, protocol }) }, place)
      return
    }
    this.#push(describeGre(gre) as unknown as Layer, place)
    const inside = { bytes, start: gre.payloadStart, end: gre.payloadEnd, wireEnd: gre.wireEnd }
    if (inside.end <= inside.start || this.#isTooDeep(place)) return
    const { key, forward, backward } = place.path
    const call = gre.version === 1 ? gre.callId : gre.key
    const path = { key: `${key}/gre/${call}`, forward: `${forward}/gre`, backward: `${backward}/gre` }
    const mirror = new MirrorView()
    if (gre.protocol === GRE_PPP) this.#pppFrame(inside, { ...place, path })
    else if (mirror.readGre(gre) && mirror.protocol === 'erspan')
      this.#mirrored(mirror, inside.wireEnd, { ...place, path })
    else if (gre.protocol === ETHERTYPE.TRANSPARENT_ETHERNET)
      this.#link(describeEthernet(bytes, inside.start, inside.end, inside.wireEnd), bytes, inside.wireEnd, {
        ...place,
        path,
      })
    else
      this.#link(
        describeEtherType(bytes, inside.start, inside.end, gre.protocol, inside.wireEnd),
        bytes,
        inside.wireEnd,
        { ...place, path },
      )
  }

  #mirrored(mirror: MirrorView, wireEnd: number, place: Place): void {
    this.#push(describeMirror(mirror) as unknown as Layer, place)
    if (this.#isTooDeep(place)) return
    const { bytes, linkType, payloadStart, payloadEnd } = mirror
    this.#link(describeLink(bytes, payloadStart, payloadEnd, linkType, wireEnd), bytes, wireEnd, place)
  }

  #tcp(ip: IpView, window: Window, place: Place, scope: number): void {
    const { bytes, start, end, wireEnd } = window
    const tcp = new TcpView()
    const flaw = tcp.decode(bytes, start, end)
    if (flaw !== null) {
      const header = describeTcpStart(bytes, start, end)
      const headerLength = header['headerLength'] as number | undefined
      const rest =
        wireEnd > end && headerLength !== undefined && start + headerLength <= wireEnd
          ? { payloadLength: wireEnd - start - headerLength }
          : {}
      this.#push({ ...header, ...rest, ...flawed('tcp', window, flaw) }, place)
      return
    }
    this.#push({ ...(describeTcp(tcp) as unknown as Layer), payloadLength: window.wireEnd - tcp.payloadStart }, place)
    if (this.#ikeTcp(ip, tcp, place, scope)) return
    const payload = { ...window, start: tcp.payloadStart }
    if (payload.wireEnd <= payload.start) return
    const isPptp = tcp.sourcePort === PPTP_PORT || tcp.destinationPort === PPTP_PORT
    if (isPptp) this.#found(pptpLayers(payload), payload, place)
    else {
      const others = () => windowsLayersOverTcp(payload, tcp.sourcePort, tcp.destinationPort)
      this.#application(describeSegment(payload, tcp), others, payload, place)
    }
  }

  /** What an application's payload holds, by the first reader that knows it. */
  #application(layers: readonly Layer[], others: () => readonly Layer[], payload: Window, place: Place): void {
    // A quoted packet is cut where its router pleased: then only what says itself how long it is can be read.
    const known = place.isQuoted ? [] : layers
    this.#found(known.length > 0 ? known : others(), payload, place)
  }

  /** What was found in a payload; if nothing was, how long it is. */
  #found(layers: readonly Layer[], payload: Window, place: Place): void {
    for (const layer of layers) this.#push({ ...layer }, place)
    if (layers.length === 0) this.#data(payload, place)
  }

  #icmp(window: Window, isVersion6: boolean, place: Place): void {
    const { bytes, start, end } = window
    const icmp = new IcmpView()
    const flaw = icmp.decode(bytes, start, end, isVersion6)
    if (flaw !== null) {
      const header =
        end - start < 4 ? {} : { type: bytes[start], code: bytes[start + 1], checksum: u16(bytes, start + 2) }
      this.#push({ ...flawed(isVersion6 ? 'icmpv6' : 'icmp', window, flaw), ...header }, place)
      return
    }
    this.#push(describeIcmp(icmp) as unknown as Layer, place)
    const payload = { ...window, start: icmp.payloadStart }
    if (icmp.isError && payload.end > payload.start)
      this.#ip({ ...payload, wireEnd: payload.end }, { ...place, isQuoted: true }, 0)
    else if (payload.wireEnd > payload.start)
      this.#found(icmp.isEcho && !place.isQuoted ? [describeEcho(payload)] : [], payload, place)
  }

  #udp(ip: IpView, window: Window, place: Place, scope: number): void {
    const { bytes, start, end, wireEnd } = window
    const udp = new UdpView()
    const flaw = udp.decode(bytes, start, end, wireEnd)
    if (flaw === 'udp.truncated') {
      this.#push(flawed('udp', window, flaw), place)
      return
    }
    this.#push({ ...(describeUdp(udp) as unknown as Layer), ...(flaw === null ? {} : { flaw }) }, place)
    if (flaw !== null) return
    const { sourcePort, destinationPort } = udp
    const { key, forward, backward } = place.path
    const [from, to] = forward.split('>')
    const path = {
      key: `${key}:${sourcePort}:${destinationPort}`,
      forward: `${from}:${sourcePort}>${to}:${destinationPort}`,
      backward: `${backward.split('>')[0]}:${destinationPort}>${backward.split('>')[1]}:${sourcePort}`,
    }
    const payload = { bytes, start: udp.payloadStart, end: udp.payloadEnd, wireEnd: udp.wireEnd }
    if (payload.wireEnd <= payload.start) return
    const mirror = new MirrorView()
    const isExpected = this.#ports[sourcePort] === CONFIGURED || this.#ports[destinationPort] === CONFIGURED
    const isLearned = this.#ports[sourcePort] === LEARNED || this.#ports[destinationPort] === LEARNED
    if (isExpected) this.#l2tp(payload, sourcePort, true, { ...place, path })
    else if (sourcePort === NATT_PORT || destinationPort === NATT_PORT)
      this.#natTraversal(ip, payload, { ...place, path }, scope)
    else if (sourcePort === IKE_PORT || destinationPort === IKE_PORT)
      this.#ikePort(ip, payload, { ...place, path }, scope)
    else if (isLearned) this.#l2tp(payload, sourcePort, false, { ...place, path })
    else if (!place.isQuoted && isL2tpV3(bytes, payload.start, payload.end, payload.wireEnd)) {
      // Tunnels that are set up by hand announce their ports to nobody.
      this.#ports[sourcePort] ||= LEARNED
      this.#ports[destinationPort] ||= LEARNED
      this.#l2tpV3(payload, 'udp', { ...place, path })
    } else if (!place.isQuoted && mirror.readUdp(udp)) this.#mirrored(mirror, udp.wireEnd, { ...place, path })
    else {
      const others = () => windowsLayersOverUdp(payload, sourcePort, destinationPort)
      this.#application(describeDatagram(payload, udp), others, payload, { ...place, path })
    }
  }

  /** What shares port 4500 (RFC 3948 section 2). */
  #natTraversal(ip: IpView, window: Window, place: Place, scope: number): void {
    const { bytes, start, end, wireEnd } = window
    switch (nattContent(bytes, start, end, wireEnd)) {
      case 'ike':
        this.#ike({ ...window, start: start + NON_ESP_MARKER_LENGTH }, place)
        break
      case 'ike_unmarked':
        this.#ike(window, place)
        break
      case 'keepalive':
        this.#data(window, place, 'natt-keepalive')
        break
      default:
        this.#ipsec(ip, place, scope, (layers) => this.#esp.esp(window, ip, place.isQuoted || ip.isFragment, layers))
    }
  }

  #ikePort(ip: IpView, window: Window, place: Place, scope: number): void {
    const { bytes, start, end, wireEnd } = window
    if (ikePortContent(bytes, start, end, wireEnd) !== 'esp') {
      this.#ike(window, place)
      return
    }
    const packet = { ...window, start: start + NON_IKE_MARKER_LENGTH }
    this.#ipsec(ip, place, scope, (layers) => this.#esp.esp(packet, ip, place.isQuoted || ip.isFragment, layers))
  }

  #ike(window: Window, place: Place): void {
    const sender = place.isQuoted ? null : place.path.forward
    for (const layer of this.#ikeLayers.message(window, sender)) this.#push(layer, place)
  }

  /** True if the segment is of a stream that carries IKE and ESP (RFC 9329). */
  #ikeTcp(ip: IpView, tcp: TcpView, place: Place, scope: number): boolean {
    if (place.isQuoted) return false
    const { forward, backward } = place.path
    const ports = `${tcp.sourcePort}>${tcp.destinationPort}`
    const segment = this.#ikeLayers.segment(
      tcp,
      `${forward} ${ports}`,
      `${backward} ${tcp.destinationPort}>${tcp.sourcePort}`,
    )
    if (segment === null) return false
    this.#push(segment.layer, place)
    for (const { content, window } of segment.frames) {
      if (this.#isTooDeep(place)) break
      if (content === 'ike') this.#ike(window, place)
      else if (content === 'keepalive') this.#data(window, place, 'natt-keepalive')
      else this.#ipsec(ip, place, scope, (layers) => this.#esp.esp(window, ip, false, layers))
    }
    return true
  }

  // --- L2TP -----------------------------------------------------------------------------------------------------------

  /** On a port that was learned other programs may speak too: there only what decodes is L2TP. */
  #l2tp(window: Window, sourcePort: number, isExpected: boolean, place: Place): void {
    const { bytes, start, end, wireEnd } = window
    const version = l2tpVersion(bytes, start, end)
    if (version === 3 && (isExpected || isPlainV3(bytes, start, end))) {
      this.#l2tpV3(window, 'udp', place)
      return
    }
    if (version === 1 && isExpected) {
      this.#l2f(window, place)
      return
    }
    const view = new L2tpView()
    const flaw = view.decode(bytes, start, end, wireEnd)
    if (flaw !== null) {
      if (isExpected)
        this.#push(
          {
            ...(describeL2tp(view) as unknown as Layer),
            ...(wireEnd > end && flaw === 'l2tp.truncated' ? { isSnapped: true } : { flaw }),
          },
          place,
        )
      else this.#data(window, place)
      return
    }
    if (view.isControl) this.#control(view, sourcePort, place)
    else this.#payload(view, place)
  }

  #control(view: L2tpView, sourcePort: number, place: Place): void {
    const header = describeL2tp(view) as unknown as Layer
    if (view.isAcknowledgement) {
      this.#push({ ...header, messageName: 'ZLB' }, place)
      return
    }
    const { messageType, messageName, avps, findings, flaw, isSnapped } = describeControl(view, this.#avps, (avp) =>
      recoverHidden(avp, this.#secrets),
    )
    const all = [...(header.findings ?? []), ...findings]
    // Both ends may answer from ports of their own (RFC 2661 section 8.1).
    if (!place.isQuoted && (messageType === SCCRQ || messageType === SCCRP) && this.#ports[sourcePort] === 0)
      this.#ports[sourcePort] = LEARNED
    const ending = {
      ...(all.length > 0 ? { findings: all } : {}),
      ...(flaw === null ? {} : { flaw }),
      ...(isSnapped ? { isSnapped } : {}),
    }
    this.#push(
      {
        ...header,
        ...(messageType === undefined ? {} : { messageType }),
        messageName,
        avps: avps.map(withLcpOptions),
        ...ending,
      },
      place,
    )
  }

  #payload(view: L2tpView, place: Place): void {
    this.#push(describeL2tp(view) as unknown as Layer, place)
    const window = { bytes: view.bytes, start: view.payloadStart, end: view.payloadEnd, wireEnd: view.messageEnd }
    if (window.wireEnd <= window.start || this.#isTooDeep(place)) return
    const { key, forward, backward } = place.path
    this.#pppFrame(window, { ...place, path: { key: `${key}/${view.tunnelId}/${view.sessionId}`, forward, backward } })
  }

  #l2tpV3(window: Window, transport: L2tpV3Transport, place: Place): void {
    const layers: Layer[] = []
    const payload = this.#v3.describe(window, transport, place.path, layers, !place.isQuoted)
    for (const layer of layers) this.#push(layer, place)
    if (payload === null || this.#isTooDeep(place)) return
    const { bytes, start, end, wireEnd } = payload.window
    const path = { ...place.path, key: `${place.path.key}/l2tpv3/${payload.sessionId}` }
    const inside = { ...place, path }
    switch (payload.kind) {
      case 'ethernet':
        this.#link(describeEthernet(bytes, start, end), bytes, wireEnd, inside)
        break
      case 'typed':
        this.#link(describeEtherType(bytes, start, end, payload.etherType), bytes, wireEnd, inside)
        break
      case 'serial':
        this.#link(describeLink(bytes, start, end, LINKTYPE.PPP_HDLC), bytes, wireEnd, inside)
        break
      case 'ppp':
        this.#pppFrame(payload.window, inside)
        break
      case 'ip':
        this.#ip(payload.window, inside, hashText(path.key))
        break
      case 'data':
        this.#data(payload.window, inside, payload.name)
    }
  }

  #l2f(window: Window, place: Place): void {
    const view = new L2fView()
    const flaw = view.decode(window.bytes, window.start, window.end, window.wireEnd)
    if (flaw !== null) {
      this.#push(flawed('l2f', window, flaw), place)
      return
    }
    this.#push({ layer: 'l2f', ...describeL2f(view) }, place)
    const payload = {
      bytes: window.bytes,
      start: view.payloadStart,
      end: view.payloadEnd,
      wireEnd: Math.max(view.payloadEnd, Math.min(window.start + view.length, window.wireEnd)),
    }
    if (payload.end <= payload.start) return
    const { key, forward, backward } = place.path
    const path = { key: `${key}/l2f/${view.clid}/${view.mid}`, forward: `${forward}/l2f`, backward: `${backward}/l2f` }
    if (view.protocol === 2) this.#pppFrame(payload, { ...place, path })
    else if (view.protocol !== 1) this.#data(payload, place)
  }
}

/** Version 3 without any reserved bit, as a learned port must show it: control, or data of a session. */
function isPlainV3(bytes: Uint8Array, start: number, end: number): boolean {
  const head = end - start < 8 ? 0 : u16(bytes, start)
  return head === 0xc803 || (head === 0x0003 && u16(bytes, start + 2) === 0)
}

/** AVPs that hold the options of an LCP Configure-Request (RFC 2661 section 4.4.5, RFC 3437). */
const LCP_OPTION_AVPS: ReadonlySet<number> = new Set([26, 27, 28, 49, 50, 51, 52])

function withLcpOptions(avp: AvpDescription): AvpDescription & { readonly options?: readonly PppOption[] } {
  if (avp.vendorId !== 0 || !LCP_OPTION_AVPS.has(avp.type) || typeof avp.value !== 'string') return avp
  const octets = Buffer.from(avp.value, 'hex')
  return { ...avp, options: describePppOptions(PPP.LCP, octets, 0, octets.length, new PppOptionCursor()).options }
}

/** A flaw, unless the capture cut the packet: then it is no fault of the sender. */
function flawed(layer: string, { start, end, wireEnd }: Window, flaw: string): Layer {
  return {
    layer,
    length: wireEnd - start,
    ...(wireEnd > end && flaw.endsWith('.truncated') ? { isSnapped: true } : { flaw }),
  }
}

function vlanOf({ layers }: LinkDescription): number {
  const tag = layers.find(({ layer }) => layer === 'vlan')
  return typeof tag?.['id'] === 'number' ? tag['id'] : -1
}

/** A PPPoE session is named by both stations and its number; a bare serial line by nothing. */
function pathOverLink({ layers }: LinkDescription, path: LinkPath): LinkPath {
  const ethernet = layers.find(({ layer }) => layer === 'ethernet')
  const pppoe = layers.find(({ layer }) => layer === 'pppoe')
  if (pppoe === undefined) return path
  const { source, destination } = {
    source: String(ethernet?.['source']),
    destination: String(ethernet?.['destination']),
  }
  const session = `/pppoe/${pppoe['sessionId']}`
  return {
    key: `${path.key}|${source}>${destination}${session}`,
    forward: `${source}>${destination}${session}`,
    backward: `${destination}>${source}${session}`,
  }
}

const ENCODER = new TextEncoder()

function hashText(words: string): number {
  const bytes = ENCODER.encode(words)
  return hashWindow(bytes, 0, bytes.length)
}
