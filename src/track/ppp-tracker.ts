/**
 * PPP links as a bystander sees them: which phase a link is in (RFC 1661), what its frames carry, and what is told of it. Who
 * logs in is followed in `ppp-authentication.ts`; what the ends agree on stands in `ppp-agreement.ts`.
 *
 * A link has two equal ends. Role 0 is the end at the carrier's initiator, role 1 the one at its responder; the client is the
 * end that was made to log in, and without authentication the carrier's initiator.
 */
import type { Frame } from '../dissect/frame.ts'
import { MultilinkFragments } from '../dissect/multilink-fragments.ts'
import type { Emit } from '../events/catalogue.ts'
import type { L2tpControl } from '../wire/l2tp-avp.ts'
import { MppeView } from '../wire/mppe.ts'
import { MultilinkView, PPP, pppProtocolName } from '../wire/ppp.ts'
import { describePppControl, PPP_CODE, PppControlView } from '../wire/ppp-control.ts'
import { LCP, PppOptionCursor } from '../wire/ppp-options.ts'
import { VjDecompressor } from '../wire/vj.ts'
import type { Anomalies } from './anomalies.ts'
import { Bundles } from './bundles.ts'
import { type Carrier, pppHosts } from './carrier.ts'
import { LinksAtHand } from './links-at-hand.ts'
import { mppeAgreement, MppeLink } from './mppe-link.ts'
import { beganWithLcp, unpackLink } from './packed-ppp.ts'
import { agreeCcp, agreeIpcp, agreeIpv6cp, agreeLcp } from './ppp-agreement.ts'
import { demandedMethod, PppAuthentication } from './ppp-authentication.ts'
import { PppFindings } from './ppp-findings.ts'
import type { Bundle, PppLink } from './ppp-link.ts'
import type { PppSecrets } from './ppp-secrets.ts'
import type { Role } from './role.ts'
import { SameLinks } from './same-links.ts'

/** No PPP frame is longer: its carriers are IP datagrams and Ethernet frames. */
const FRAME_BYTES_MAX = 65_536
const NO_CARRIER = -1

export class PppLinkTracker {
  readonly #emit: Emit
  readonly #findings: PppFindings
  readonly #authentication: PppAuthentication
  readonly #control = new PppControlView()
  readonly #options = new PppOptionCursor()
  readonly sameLinks = new SameLinks()
  readonly #links = new LinksAtHand()
  readonly #bundles = new Bundles()
  readonly #fragments = new MultilinkFragments()
  readonly #multilink = new MultilinkView()
  readonly #mppe = new MppeView()
  /** What MPPE hid, of the current packet. */
  readonly #plain = new Uint8Array(FRAME_BYTES_MAX)

  /** `renamed` is told when another user is known to be behind a carrier. */
  constructor(emit: Emit, anomalies: Anomalies, secrets: PppSecrets, renamed: (carrier: Carrier) => void) {
    this.#emit = emit
    this.#findings = new PppFindings(anomalies)
    this.#authentication = new PppAuthentication(emit, this.#findings, secrets, this.sameLinks, renamed)
  }

  /**
   * Whatever PPP carries that is not plain IP. If it turned out to be an IP packet after all, that is now in `frame.inner`, and the
   * answer is the key of the carrier that it belongs to: its own, or another one of its bundle. Else -1.
   */
  observe(frame: Frame, carrier: Carrier, sender: Role): number {
    if (this.#isKeepAlive(frame, carrier)) return NO_CARRIER
    const link = this.#links.of(carrier)
    let key = carrier.key
    if (frame.ppp.protocol === PPP.MULTILINK) {
      link.noteProtocol(PPP.MULTILINK)
      const bundle = this.#bundles.of(carrier, link)
      key = bundle.first
      frame.trail.isSpread = key !== carrier.key
      if (!this.#join(frame, carrier, link, sender, bundle)) return NO_CARRIER
    }
    frame.hasInner = this.#observeFrame(frame, carrier, link, sender)
    return frame.hasInner ? key : NO_CARRIER
  }

  #observeFrame(frame: Frame, carrier: Carrier, link: PppLink, sender: Role): boolean {
    const { ppp } = frame
    link.noteProtocol(ppp.protocol)
    if (ppp.isControl) this.#observeControl(frame, carrier, link, sender)
    else if (ppp.protocol === PPP.COMPRESSED) return this.#decrypt(frame, carrier, link, sender)
    else if (ppp.protocol === PPP.VJ_COMPRESSED || ppp.protocol === PPP.VJ_UNCOMPRESSED)
      return this.#expand(frame, carrier, link, sender)
    else if (ppp.protocol === PPP.IPV4 || ppp.protocol === PPP.IPV6)
      return frame.inner.decode(ppp.bytes, ppp.payloadStart, ppp.payloadEnd) === null
    return false
  }

  /** The frame of which multilink has the last fragment takes the place of the fragment. */
  #join(frame: Frame, carrier: Carrier, link: PppLink, sender: Role, bundle: Bundle): boolean {
    const { ppp } = frame
    const { bytes, payloadStart, payloadEnd, wireEnd } = ppp
    const view = this.#multilink
    // Each end says how it wants to be sent to.
    const isShort = link.agreed[1 - sender].isShortSequence
    const flaw = view.decode(bytes, payloadStart, payloadEnd, isShort)
    if (flaw !== null) {
      if (!ppp.isSnapped) this.#findings.report(frame, carrier, sender, flaw, pppProtocolName(PPP.MULTILINK))
      return false
    }
    if (view.isFirst && view.isLast) return this.#isInside(frame, bytes, view.payloadStart, view.payloadEnd, wireEnd)
    if (ppp.isSnapped) return false
    const fragments = this.#fragments
    const stream = `${bundle.number}/${sender}`
    if (!fragments.join(stream, view, isShort, bytes, frame.timeUs)) return false
    return this.#isInside(frame, fragments.bytes, 0, fragments.length, fragments.length)
  }

  /** Multilink within multilink does not exist. */
  #isInside({ ppp }: Frame, bytes: Uint8Array, start: number, end: number, wireEnd: number): boolean {
    return ppp.decode(bytes, start, end, wireEnd) === null && ppp.protocol !== PPP.MULTILINK
  }

  /** Every link sends echoes all the time, which say nothing new of it: a packed one stays packed. */
  #isKeepAlive({ ppp }: Frame, { link }: Carrier): boolean {
    if (typeof link !== 'string' || ppp.protocol !== PPP.LCP || !beganWithLcp(link)) return false
    const isSound = this.#control.decode(ppp.bytes, ppp.payloadStart, ppp.payloadEnd) === null
    return isSound && (this.#control.code === PPP_CODE.ECHO_REQUEST || this.#control.code === PPP_CODE.ECHO_REPLY)
  }

  /** The frame that MPPE or MPPC hid takes the place of the one that hid it. */
  #decrypt(frame: Frame, carrier: Carrier, link: PppLink, sender: Role): boolean {
    const { ppp, inner } = frame
    link.encrypted++
    const { mppe } = link
    if (mppe === null || mppe.agreement(sender) === null) return false
    const flaw = this.#mppe.decode(ppp.bytes, ppp.payloadStart, ppp.payloadEnd)
    if (flaw !== null) {
      if (!ppp.isSnapped) this.#findings.report(frame, carrier, sender, flaw, 'MPPE')
      return false
    }
    const missing = ppp.wireEnd - ppp.payloadEnd
    const verdict = mppe.open(this.#mppe, sender, sender !== link.server, link.keys, ppp.wireEnd, this.#plain)
    if (verdict === 'wrong_key')
      this.#findings.report(frame, carrier, sender, 'mppe.wrong_key', `${mppe.unopened} packets did not open`)
    else if (verdict === 'implausible' && mppe.isProven)
      this.#findings.report(frame, carrier, sender, 'mppe.implausible', `coherency count ${this.#mppe.coherencyCount}`)
    if (verdict !== 'opened' || ppp.decode(this.#plain, 0, mppe.length, mppe.length + missing) !== null) return false
    link.noteProtocol(ppp.protocol)
    switch (ppp.protocol) {
      case PPP.IPV4:
      case PPP.IPV6:
        return inner.decode(ppp.bytes, ppp.payloadStart, ppp.payloadEnd) === null
      case PPP.VJ_COMPRESSED:
      case PPP.VJ_UNCOMPRESSED:
        return this.#expand(frame, carrier, link, sender)
      default:
        return false
    }
  }

  #expand(frame: Frame, carrier: Carrier, link: PppLink, sender: Role): boolean {
    const { ppp, inner } = frame
    link.vj ??= [undefined, undefined]
    link.vj[sender] ??= new VjDecompressor()
    const vj = link.vj[sender]
    const isWhole = ppp.protocol === PPP.VJ_UNCOMPRESSED
    const flaw = isWhole
      ? vj.restore(ppp.bytes, ppp.payloadStart, ppp.payloadEnd, ppp.wireEnd)
      : vj.expand(ppp.bytes, ppp.payloadStart, ppp.payloadEnd, ppp.wireEnd)
    if (flaw === null) return inner.decode(vj.bytes, 0, vj.length) === null
    // A slot that the capture did not see filled is no fault of the sender's.
    if (flaw !== 'vj.slot' && !ppp.isSnapped)
      this.#findings.report(frame, carrier, sender, flaw, pppProtocolName(ppp.protocol))
    return false
  }

  #observeControl(frame: Frame, carrier: Carrier, link: PppLink, sender: Role): void {
    const { ppp } = frame
    const flaw = this.#control.decode(ppp.bytes, ppp.payloadStart, ppp.payloadEnd)
    if (flaw !== null) {
      if (!frame.ppp.isSnapped) this.#findings.report(frame, carrier, sender, flaw, pppProtocolName(ppp.protocol))
      return
    }
    switch (ppp.protocol) {
      case PPP.LCP:
        this.#observeLcp(frame, carrier, link, sender)
        return
      case PPP.IPCP:
      case PPP.IPV6CP:
      case PPP.CCP:
        this.#observeNcp(frame, carrier, link, sender, ppp.protocol)
        return
      case PPP.PAP:
      case PPP.CHAP:
      case PPP.EAP:
        this.#authentication.observe(frame, carrier, link, sender, this.#control)
        return
    }
  }

  /** What an L2TP access concentrator tells of the negotiation that it did itself (RFC 2661 section 4.4.5). */
  noteProxied(carrier: Carrier, call: L2tpControl | null, timeUs: number): void {
    for (const octets of [call?.initialReceivedLcpConfReq, call?.lastReceivedLcpConfReq, call?.proxyAuthenChallenge])
      if (octets !== undefined) this.sameLinks.note(octets, 0, octets.length, carrier, timeUs)
  }

  carrierClosed(carrier: Carrier, timeUs: number, reason: string): void {
    if (carrier.link === null) return
    const link = typeof carrier.link === 'string' ? unpackLink(carrier.link, carrier.userName) : carrier.link
    this.#tellOpen(carrier, link, timeUs, true)
    this.#tellClosed(carrier, link, timeUs, link.terminationReason ?? reason)
    this.#bundles.leave(carrier, link)
    carrier.link = null
  }

  // --- LCP (RFC 1661)

  #observeLcp(frame: Frame, carrier: Carrier, link: PppLink, sender: Role): void {
    const { code } = this.#control
    switch (code) {
      case PPP_CODE.CONFIGURE_REQUEST:
        // Options that cannot be read are a finding; what they ask for counts only once it is acknowledged.
        this.#check(frame, carrier, sender)
        this.#noteRequest(carrier, frame.timeUs)
        return
      case PPP_CODE.CONFIGURE_ACK:
        agreeLcp(link, (1 - sender) as Role, this.#overOptions())
        this.#bundles.leave(carrier, link)
        if (!link.agreed[0].lcp || !link.agreed[1].lcp) return
        if (link.phase === 'terminated') link.renew()
        if (link.phase === 'establish') link.phase = 'authenticate'
        return
      case PPP_CODE.TERMINATE_REQUEST: {
        if (link.phase === 'terminated') return
        const record = describePppControl(PPP.LCP, this.#control, this.#options)
        const client = link.client
        const said = record.message === undefined || record.message === '' ? '' : `: ${record.message}`
        link.terminatedBy ??= sender
        link.terminationReason ??= `terminated by the ${sender === client ? 'client' : 'server'}${said}`
        if (sender !== client) this.#authentication.serverHungUp(frame, carrier, link, record.message)
        return
      }
      case PPP_CODE.TERMINATE_ACK:
        if (link.phase === 'terminated' || link.terminatedBy === undefined) return
        this.#tellOpen(carrier, link, frame.timeUs, true)
        this.#tellClosed(carrier, link, frame.timeUs, link.terminationReason ?? 'terminated')
        return
    }
  }

  /** Options with a magic number are not asked for by two links. */
  #noteRequest(carrier: Carrier, timeUs: number): void {
    const { bytes, dataStart, dataEnd } = this.#control
    const options = this.#overOptions()
    while (options.next()) {
      if (options.type !== LCP.MAGIC_NUMBER) continue
      this.sameLinks.note(bytes, dataStart, dataEnd, carrier, timeUs)
      return
    }
  }

  // --- network control protocols (RFC 1332, 1877, 5072, 1962, 3078)

  #observeNcp(frame: Frame, carrier: Carrier, link: PppLink, sender: Role, protocol: number): void {
    const { code } = this.#control
    if (code === PPP_CODE.CONFIGURE_REQUEST) {
      this.#check(frame, carrier, sender)
      // Nobody negotiates addresses with a peer that has yet to log in: the server was content.
      if (link.phase !== 'terminated') link.phase = 'network'
    }
    if (protocol === PPP.CCP) {
      this.#observeCcp(frame, carrier, link, sender)
      return
    }
    if (code !== PPP_CODE.CONFIGURE_ACK) return
    const asker = (1 - sender) as Role
    const options = this.#overOptions()
    if (protocol === PPP.IPCP) agreeIpcp(link, asker, options)
    else agreeIpv6cp(link, asker, options)
    this.#tellOpen(carrier, link, frame.timeUs, false)
  }

  /** What a request asks for, its sender will receive: the acknowledgement binds its own sender (RFC 1962 section 4). */
  #observeCcp(frame: Frame, carrier: Carrier, link: PppLink, sender: Role): void {
    switch (this.#control.code) {
      case PPP_CODE.CONFIGURE_REQUEST:
        link.mppe?.ask(sender)
        return
      case PPP_CODE.CONFIGURE_ACK:
        this.#agreeCcp(frame, carrier, link, sender)
        return
      case PPP_CODE.TERMINATE_REQUEST:
      case PPP_CODE.TERMINATE_ACK:
        link.mppe?.end()
        return
      case PPP_CODE.RESET_REQUEST:
        if (link.mppe !== null) link.mppe.resets++
    }
  }

  #agreeCcp(frame: Frame, carrier: Carrier, link: PppLink, sender: Role): void {
    const agreement = mppeAgreement(agreeCcp(link, this.#overOptions()))
    if (agreement === null && link.mppe === null) return
    link.mppe ??= new MppeLink()
    const { mppe } = link
    if (!mppe.agree(sender, agreement)) return
    if (agreement === null || agreement.strength === null) return
    const other = mppe.agreement((1 - sender) as Role)
    // The weaker of both directions counts.
    link.mppeBits = Math.min(agreement.strength, other?.strength ?? agreement.strength)
    link.isStateless = agreement.isStateless && (other?.isStateless ?? true)
    if (other === null || other.strength === null) return
    this.#emit({
      name: 'ppp.encryption.agreed',
      timeUs: frame.timeUs,
      message: `PPP packets will be encrypted with MPPE, ${link.mppeBits} bits, ${link.isStateless ? 'stateless' : 'stateful'}`,
      fields: {
        ...pppHosts(carrier, link.client),
        ...carrier.owner.identify(carrier),
        'user.name': carrier.userName,
        'ppp.mppe.bits': link.mppeBits,
        'ppp.mppe.stateless': link.isStateless,
        'ppp.mppe.key': keyOf(link),
      },
    })
  }

  // --- telling

  /** `isLast`: whatever is agreed by now is all there will be. Until then IPV6CP alone waits for IPCP. */
  #tellOpen(carrier: Carrier, link: PppLink, timeUs: number, isLast: boolean): void {
    if (link.isOpenTold) return
    const [first, second] = link.agreed
    const isIpv4 = first.ipcp && second.ipcp
    const isIpv6 = first.ipv6cp && second.ipv6cp
    if (!isIpv4 && !(isIpv6 && isLast)) return
    link.isOpenTold = true
    const fields = this.#describe(carrier, link)
    const given = fields['ppp.client.ip'] === undefined ? '' : ` as ${fields['ppp.client.ip']}`
    this.#emit({
      name: 'ppp.link.opened',
      timeUs,
      message: `${fields['user.name'] ?? 'A client'} at ${fields['source.ip'] ?? fields['source.mac']} is on the network${given}`,
      fields,
    })
  }

  #tellClosed(carrier: Carrier, link: PppLink, timeUs: number, reason: string): void {
    if (link.phase === 'terminated') return
    const { phase } = link
    link.phase = 'terminated'
    for (const agreed of link.agreed) agreed.lcp = false
    const client = link.client
    this.#emit({
      name: 'ppp.link.closed',
      timeUs,
      message: `PPP link closed: ${reason}`,
      fields: {
        ...this.#describe(carrier, link),
        ...carrier.owner.traffic(carrier, client),
        'event.reason': reason,
        'ppp.phase': phase,
        'ppp.protocols': [...link.protocols].map(pppProtocolName),
        'ppp.packets.encrypted': link.encrypted === 0 ? undefined : link.encrypted,
        ...mppeCounts(link),
        'ppp.terminated_by':
          link.terminatedBy === undefined ? undefined : link.terminatedBy === client ? 'client' : 'server',
      },
    })
  }

  #describe(carrier: Carrier, link: PppLink) {
    const client = link.client
    const login = link.loginOf(client)
    const mine = link.agreed[client]
    const theirs = link.agreed[1 - client]
    return {
      ...pppHosts(carrier, client),
      ...carrier.owner.identify(carrier),
      'user.name': carrier.userName ?? login.user,
      'ppp.authentication.method':
        login.method ?? (link.agreed[0].lcp && link.agreed[1].lcp ? demandedMethod(theirs) : undefined),
      'ppp.authentication.server_name': login.server,
      'ppp.client.ip': mine.address,
      'ppp.server.ip': theirs.address,
      'ppp.client.interface_id': mine.interfaceId,
      'ppp.server.interface_id': theirs.interfaceId,
      'ppp.dns': mine.dns.length === 0 ? undefined : mine.dns,
      'ppp.nbns': mine.nbns.length === 0 ? undefined : mine.nbns,
      'ppp.client.mru': mine.mru,
      'ppp.server.mru': theirs.mru,
      'ppp.compression': link.compression.length === 0 ? undefined : link.compression,
      'ppp.mppe.bits': link.mppeBits,
      'ppp.mppe.stateless': link.isStateless,
    }
  }

  #overOptions(): PppOptionCursor {
    const { bytes, dataStart, dataEnd } = this.#control
    return this.#options.over(bytes, dataStart, dataEnd)
  }

  #check(frame: Frame, carrier: Carrier, sender: Role): void {
    const options = this.#overOptions()
    while (options.next());
    if (options.flaw !== null)
      this.#findings.report(frame, carrier, sender, options.flaw, pppProtocolName(frame.ppp.protocol))
  }
}

/** Whether the sensor can open what the link encrypts. */
function keyOf(link: PppLink): string {
  if (link.keys !== null) return 'known'
  return ([0, 1] as const).some((role) => link.loginOf(role).proof?.verdict === 'wrong_secret')
    ? 'wrong_secret'
    : 'unknown'
}

function mppeCounts(link: PppLink) {
  const { mppe } = link
  if (mppe === null || link.mppeBits === undefined) return {}
  return {
    'ppp.mppe.key': keyOf(link),
    'ppp.mppe.packets.opened': mppe.opened,
    'ppp.mppe.packets.unopened': mppe.unopened,
    'ppp.mppe.packets.lost': mppe.lost,
    'ppp.mppe.packets.reordered': mppe.reordered,
    'ppp.mppe.resets': mppe.resets,
  }
}
