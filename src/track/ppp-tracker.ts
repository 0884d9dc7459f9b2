/**
 * PPP links as a bystander sees them: who logged in, by which method and how it ended, and what was agreed (RFC 1661 link,
 * authentication and network phases).
 *
 * A link has two equal ends. Role 0 is the end at the carrier's initiator, role 1 the one at its responder; the client is the
 * end that was made to log in, and without authentication the carrier's initiator.
 */
import { addressText } from '../base/address.ts'
import { u16, u32 } from '../base/bytes.ts'
import { hashWindow } from '../base/hash.ts'
import type { Frame } from '../dissect/frame.ts'
import type { Emit } from '../events/catalogue.ts'
import { describeEap, EAP_CODE, EAP_TYPE } from '../wire/eap.ts'
import type { L2tpControl } from '../wire/l2tp-avp.ts'
import { MppeView } from '../wire/mppe.ts'
import type { MsChapResponse, MsChapV2Response } from '../wire/ms-chap.ts'
import { PPP, pppProtocolName } from '../wire/ppp.ts'
import { CHAP_CODE, describeChap, describePap, PAP_CODE } from '../wire/ppp-auth.ts'
import { describePppControl, PPP_CODE, PppControlView } from '../wire/ppp-control.ts'
import {
  CCP,
  CHAP_ALGORITHM,
  chapAlgorithmName,
  IPCP,
  IPV6CP,
  LCP,
  MPPE,
  PppOptionCursor,
} from '../wire/ppp-options.ts'
import { VjDecompressor } from '../wire/vj.ts'
import type { Anomalies } from './anomalies.ts'
import type { Carrier } from './carrier.ts'
import { LinksAtHand } from './links-at-hand.ts'
import { mppeAgreement, MppeLink } from './mppe-link.ts'
import { beganWithLcp, unpackLink } from './packed-ppp.ts'
import { type Agreed, type Login, NONE, type PppLink } from './ppp-link.ts'
import { proofOf } from './ppp-proof.ts'
import type { PppSecrets } from './ppp-secrets.ts'
import type { Role } from './role.ts'
import { SameLinks } from './same-links.ts'

const EAP_MSCHAPV2_RESPONSE = 2

/** No PPP frame is longer: its carriers are IP datagrams and Ethernet frames. */
const FRAME_BYTES_MAX = 65_536

export class PppLinkTracker {
  readonly #emit: Emit
  readonly #anomalies: Anomalies
  readonly #secrets: PppSecrets
  readonly #renamed: (carrier: Carrier) => void
  readonly #control = new PppControlView()
  readonly #options = new PppOptionCursor()
  readonly sameLinks = new SameLinks()
  readonly #links = new LinksAtHand()
  readonly #mppe = new MppeView()
  /** What MPPE hid, of the current packet. */
  readonly #plain = new Uint8Array(FRAME_BYTES_MAX)

  /** `renamed` is told when another user is known to be behind a carrier. */
  constructor(emit: Emit, anomalies: Anomalies, secrets: PppSecrets, renamed: (carrier: Carrier) => void) {
    this.#emit = emit
    this.#anomalies = anomalies
    this.#secrets = secrets
    this.#renamed = renamed
  }

  /** Whatever PPP carries that is not plain IP. True if it turned out to be an IP packet after all, now in `frame.inner`. */
  observe(frame: Frame, carrier: Carrier, sender: Role): boolean {
    const { ppp } = frame
    if (this.#isKeepAlive(frame, carrier)) return false
    const link = this.#links.of(carrier)
    link.noteProtocol(ppp.protocol)
    if (ppp.isControl) this.#observeControl(frame, carrier, link, sender)
    else if (ppp.protocol === PPP.COMPRESSED) return this.#decrypt(frame, carrier, link, sender)
    else if (ppp.protocol === PPP.VJ_COMPRESSED || ppp.protocol === PPP.VJ_UNCOMPRESSED)
      return this.#expand(frame, carrier, link, sender)
    return false
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
      if (!ppp.isSnapped) this.#anomaly(frame, carrier, sender, flaw, 'MPPE')
      return false
    }
    const missing = ppp.wireEnd - ppp.payloadEnd
    const verdict = mppe.open(this.#mppe, sender, sender !== link.server, link.keys, ppp.wireEnd, this.#plain)
    if (verdict === 'wrong_key')
      this.#anomaly(frame, carrier, sender, 'mppe.wrong_key', `${mppe.unopened} packets did not open`)
    else if (verdict === 'implausible' && mppe.isProven)
      this.#anomaly(frame, carrier, sender, 'mppe.implausible', `coherency count ${this.#mppe.coherencyCount}`)
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
    if (flaw !== 'vj.slot' && !ppp.isSnapped) this.#anomaly(frame, carrier, sender, flaw, pppProtocolName(ppp.protocol))
    return false
  }

  #observeControl(frame: Frame, carrier: Carrier, link: PppLink, sender: Role): void {
    const { ppp } = frame
    const flaw = this.#control.decode(ppp.bytes, ppp.payloadStart, ppp.payloadEnd)
    if (flaw !== null) {
      if (!frame.ppp.isSnapped) this.#anomaly(frame, carrier, sender, flaw, pppProtocolName(ppp.protocol))
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
        this.#observePap(frame, carrier, link, sender)
        return
      case PPP.CHAP:
        this.#observeChap(frame, carrier, link, sender)
        return
      case PPP.EAP:
        this.#observeEap(frame, carrier, link, sender)
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
        this.#agreeLcp(link, (1 - sender) as Role)
        if (!link.agreed[0].lcp || !link.agreed[1].lcp) return
        if (link.phase === 'terminated') link.renew()
        if (link.phase === 'establish') link.phase = 'authenticate'
        return
      case PPP_CODE.TERMINATE_REQUEST: {
        if (link.phase === 'terminated') return
        const record = describePppControl(PPP.LCP, this.#control, this.#options)
        const client = clientOf(link)
        const said = record.message === undefined || record.message === '' ? '' : `: ${record.message}`
        link.terminatedBy ??= sender
        link.terminationReason ??= `terminated by the ${sender === client ? 'client' : 'server'}${said}`
        // A server that hangs up instead of giving a verdict has given one.
        if (sender !== client && link.loginOf(client).attempts > 0)
          this.#judge(frame, carrier, link, client, false, record.message)
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

  /** The options in a Configure-Ack are those that the other end asked for (RFC 1661 section 5.2). */
  #agreeLcp(link: PppLink, asker: Role): void {
    const options = this.#overOptions()
    const agreed = link.agreed[asker]
    // A new negotiation replaces the old one.
    agreed.lcp = true
    agreed.mru = undefined
    agreed.authProtocol = 0
    agreed.chapAlgorithm = undefined
    while (options.next()) {
      const { bytes, type, valueStart: at, valueEnd } = options
      const length = valueEnd - at
      if (type === LCP.MRU && length === 2) agreed.mru = u16(bytes, at)
      else if (type === LCP.AUTHENTICATION_PROTOCOL && length >= 2) {
        agreed.authProtocol = u16(bytes, at)
        agreed.chapAlgorithm = length >= 3 && agreed.authProtocol === PPP.CHAP ? bytes[at + 2] : undefined
      } else if (type === LCP.PROTOCOL_FIELD_COMPRESSION) link.noteCompression('pfc')
      else if (type === LCP.ADDRESS_AND_CONTROL_FIELD_COMPRESSION) link.noteCompression('acfc')
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
        ...hostsOf(carrier, clientOf(link)),
        ...carrier.owner.identify(carrier),
        'user.name': carrier.userName,
        'ppp.mppe.bits': link.mppeBits,
        'ppp.mppe.stateless': link.isStateless,
        'ppp.mppe.key': keyOf(link),
      },
    })
  }

  // --- authentication

  #observePap(frame: Frame, carrier: Carrier, link: PppLink, sender: Role): void {
    const record = describePap(this.#control)
    if (record.flaw !== undefined) this.#anomaly(frame, carrier, sender, record.flaw, 'PAP')
    if (record.code === PAP_CODE.AUTHENTICATE_REQUEST) {
      const login = link.login(sender)
      login.method = 'PAP'
      login.user = record.peerId ?? login.user
      this.#attempt(login)
    } else if (record.code === PAP_CODE.AUTHENTICATE_ACK || record.code === PAP_CODE.AUTHENTICATE_NAK) {
      const peer = (1 - sender) as Role
      link.login(peer).method = 'PAP'
      this.#judge(frame, carrier, link, peer, record.code === PAP_CODE.AUTHENTICATE_ACK, record.message)
    }
  }

  #observeChap(frame: Frame, carrier: Carrier, link: PppLink, sender: Role): void {
    const isAnswer = this.#control.code === CHAP_CODE.RESPONSE
    const server = (isAnswer ? 1 - sender : sender) as Role
    const client = (1 - server) as Role
    const record = describeChap(this.#control, link.agreed[server].chapAlgorithm)
    if (record.flaw !== undefined && !frame.ppp.isSnapped) this.#anomaly(frame, carrier, sender, record.flaw, 'CHAP')
    const login = link.login(client)
    const method = chapMethod(record.algorithm)
    if (method !== undefined && (record.algorithmGuessed !== true || login.method === undefined)) login.method = method
    switch (record.code) {
      case CHAP_CODE.CHALLENGE:
        login.server = record.name === '' ? login.server : (record.name ?? login.server)
        this.#challenge(login, record.value)
        if (record.value !== undefined) this.#noteChapValue(carrier, frame.timeUs)
        return
      case CHAP_CODE.RESPONSE:
        this.#rename(login, record.name)
        this.#attempt(login)
        if (record.value !== undefined) this.#noteChapValue(carrier, frame.timeUs)
        this.#prove(link, client, record.msChapResponse)
        return
      case CHAP_CODE.SUCCESS:
      case CHAP_CODE.FAILURE: {
        // Who answered does not take a verdict on another answer for his (RFC 1994 section 4.2).
        if (login.attempts > 0 && this.#control.identifier !== login.identifier) return
        const isSuccess = record.code === CHAP_CODE.SUCCESS
        const said = isSuccess ? record.msChapSuccess?.message : record.msChapFailure?.message
        if (this.#secrets.isAny) login.serverAnswer = record.msChapSuccess?.authenticatorResponse
        this.#judge(frame, carrier, link, client, isSuccess, said ?? record.message, record.msChapFailure)
        // The next try answers the challenge that came with the refusal.
        if (record.msChapFailure?.challenge !== undefined) this.#challenge(login, record.msChapFailure.challenge)
      }
    }
  }

  #observeEap(frame: Frame, carrier: Carrier, link: PppLink, sender: Role): void {
    const record = describeEap(this.#control)
    if (record.flaw !== undefined && !frame.ppp.isSnapped) this.#anomaly(frame, carrier, sender, record.flaw, 'EAP')
    const isAnswer = record.code === EAP_CODE.RESPONSE
    const client = (isAnswer ? sender : 1 - sender) as Role
    const login = link.login(client)
    const { method } = record
    const isMethod = record.type !== undefined && record.type > EAP_TYPE.NAK
    if (isMethod && record.typeName !== undefined)
      login.method = `EAP-${record.typeName.replace(/^EAP-|-Challenge$/g, '').replace('MSCHAPv2', 'MS-CHAPv2')}`
    else login.method ??= 'EAP'
    if (method?.kind === 'identity') this.#rename(login, method.identity)
    if (method?.kind === 'md5' || method?.kind === 'mschapv2') {
      if (isAnswer) this.#rename(login, method.name)
      else login.server = method.name === undefined || method.name === '' ? login.server : method.name
    }
    // Methods of many packets are one attempt; of these two the packet that answers the challenge is.
    const isWholeAnswer =
      method?.kind === 'md5' || (method?.kind === 'mschapv2' && method.opCode === EAP_MSCHAPV2_RESPONSE)
    const isFirstAnswer = method?.kind !== 'mschapv2' && (login.attempts === 0 || login.isJudged)
    if (isAnswer && isMethod && (isWholeAnswer || isFirstAnswer)) this.#attempt(login)
    if (method?.kind === 'mschapv2') {
      if (method.challenge !== undefined) this.#challenge(login, method.challenge)
      if (method.success !== undefined && this.#secrets.isAny) login.serverAnswer = method.success.authenticatorResponse
      if (method.failure?.challenge !== undefined) this.#challenge(login, method.failure.challenge)
      this.#prove(link, client, method.response)
    }
    if (record.code === EAP_CODE.SUCCESS || record.code === EAP_CODE.FAILURE) {
      this.#judge(frame, carrier, link, client, record.code === EAP_CODE.SUCCESS)
    }
  }

  /** Kept only where a password may be tried on it. */
  #challenge(login: Login, value: string | undefined): void {
    if (this.#secrets.isAny) login.challenge = value
  }

  #rename(login: Login, name: string | undefined): void {
    if (name !== undefined && name !== '') login.user = name
  }

  /** The challenge or the answer in a CHAP packet, which nobody else chooses. */
  #noteChapValue(carrier: Carrier, timeUs: number): void {
    const { bytes, dataStart, dataEnd } = this.#control
    const valueStart = dataStart + 1
    this.sameLinks.note(bytes, valueStart, Math.min(valueStart + bytes[dataStart], dataEnd), carrier, timeUs)
  }

  /** Whether a password that the operator gave answered: then the keys of the link are known. */
  #prove(link: PppLink, client: Role, response: MsChapResponse | MsChapV2Response | undefined): void {
    const login = link.login(client)
    if (response === undefined) return
    const { challenge, user = '' } = login
    login.proof = challenge === undefined ? null : proofOf(this.#secrets.of(user), challenge, response, user)
    if (login.proof?.verdict !== 'verified') return
    link.keys = login.proof.keys
    link.server = (1 - client) as Role
  }

  /** Counts an answer once: the same again, before its verdict or with the same identifier, is a retransmission. */
  #attempt(login: Login): void {
    const { bytes, dataStart, dataEnd, identifier } = this.#control
    const digest = hashWindow(bytes, dataStart, dataEnd)
    const isRepeated = digest === login.digest && (identifier === login.identifier || !login.isJudged)
    login.identifier = identifier
    if (login.attempts > 0 && isRepeated) return
    login.digest = digest
    login.isJudged = false
    login.attempts++
  }

  #judge(
    frame: Frame,
    carrier: Carrier,
    link: PppLink,
    client: Role,
    isSuccess: boolean,
    said?: string,
    failure?: { readonly errorCode: number; readonly errorName: string; readonly retryAllowed?: boolean },
  ): void {
    const login = link.login(client)
    const { identifier } = this.#control
    // Where answers are not seen, another identifier is another answer.
    if (login.attempts === 0 && identifier !== login.identifier) {
      login.identifier = identifier
      login.isJudged = false
    }
    if (login.isJudged) return
    login.isJudged = true
    const isKnown = isSuccess && login.outcome === 'succeeded' && login.told === login.user
    login.outcome = isSuccess ? 'succeeded' : 'failed'
    // A fresh challenge in mid-carrier that ends as the last one is no news.
    if (isKnown) return
    if (isSuccess) {
      login.told = login.user
      if (client === clientOf(link)) {
        carrier.userName = login.user
        this.#renamed(carrier)
      }
    }
    const fields = {
      ...hostsOf(carrier, client),
      ...carrier.owner.identify(carrier),
      'user.name': login.user,
      'ppp.authentication.method': login.method,
      'ppp.authentication.server_name': login.server,
      'ppp.authentication.attempts': login.attempts,
      'ppp.authentication.message': said === '' ? undefined : said,
      'ppp.authentication.verdict': login.proof?.verdict,
      'ppp.authentication.server_verdict': isSuccess ? serverVerdict(login) : undefined,
    } as const
    const who = `${login.user ?? 'a client'} at ${fields['source.ip'] ?? fields['source.mac']}`
    if (isSuccess) {
      this.#emit({
        name: 'ppp.authentication.succeeded',
        timeUs: frame.timeUs,
        message: `${who} logged in by ${login.method ?? 'PPP'}`,
        fields: { ...fields, 'event.outcome': 'success' },
      })
      return
    }
    this.#emit({
      name: 'ppp.authentication.failed',
      timeUs: frame.timeUs,
      message: `${who} failed to log in by ${login.method ?? 'PPP'}${failure === undefined ? '' : ` (${failure.errorCode} ${failure.errorName})`}`,
      fields: {
        ...fields,
        'event.outcome': 'failure',
        'ppp.error.code': failure?.errorCode,
        'ppp.error.text': failure?.errorName,
        'ppp.error.retry': failure?.retryAllowed,
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
    const client = clientOf(link)
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
    const client = clientOf(link)
    const login = link.loginOf(client)
    const mine = link.agreed[client]
    const theirs = link.agreed[1 - client]
    return {
      ...hostsOf(carrier, client),
      ...carrier.owner.identify(carrier),
      'user.name': carrier.userName ?? login.user,
      'ppp.authentication.method':
        login.method ?? (link.agreed[0].lcp && link.agreed[1].lcp ? demanded(theirs) : undefined),
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
    if (options.flaw !== null) this.#anomaly(frame, carrier, sender, options.flaw, pppProtocolName(frame.ppp.protocol))
  }

  #anomaly(frame: Frame, carrier: Carrier, sender: Role, name: string, detail: string): void {
    const identity = carrier.owner.identify(carrier)
    const hosts = carrier.owner.hosts(carrier, sender)
    // The hosts of a datagram are read from its headers; others the carrier knows.
    const isDatagram = frame.hasUdp && hosts['network.protocol'] === 'l2tp'
    this.#anomalies.report(frame, name, 'ppp', detail, isDatagram ? 'udp' : 'none', {
      ...(isDatagram ? {} : hosts),
      'l2tp.tunnel.uid': identity['l2tp.tunnel.uid'],
      'l2tp.session.uid': identity['l2tp.session.uid'],
      'pptp.connection.uid': identity['pptp.connection.uid'],
      'pptp.call.uid': identity['pptp.call.uid'],
      'pppoe.session.uid': identity['pppoe.session.uid'],
      'borescope.lineage': identity['borescope.lineage'],
    })
  }
}

/** The hosts of the carrier: what speaks between them is PPP. */
function hostsOf(carrier: Carrier, source: Role) {
  return { ...carrier.owner.hosts(carrier, source), 'network.protocol': 'ppp' }
}

/** The end that logs in: the one that answered, or was told to answer. */
function clientOf(link: PppLink): Role {
  const first = link.loginOf(0)
  const second = link.loginOf(1)
  if (first.attempts !== second.attempts) return first.attempts > second.attempts ? 0 : 1
  if (link.agreed[0].authProtocol !== 0 && link.agreed[1].authProtocol === 0) return 1
  return 0
}

/** What the server wanted, when nobody answered. */
function demanded(server: Agreed): string {
  switch (server.authProtocol) {
    case 0:
      return 'none'
    case PPP.CHAP:
      return chapMethod(server.chapAlgorithm) ?? 'CHAP'
    default:
      return pppProtocolName(server.authProtocol)
  }
}

function chapMethod(algorithm: number | undefined): string | undefined {
  switch (algorithm) {
    case undefined:
      return undefined
    case CHAP_ALGORITHM.MS_CHAP:
      return 'MS-CHAP'
    case CHAP_ALGORITHM.MS_CHAP_V2:
      return 'MS-CHAPv2'
    default:
      return `CHAP-${chapAlgorithmName(algorithm)}`
  }
}

function agreeIpcp(link: PppLink, asker: Role, options: PppOptionCursor): void {
  const agreed = link.agreed[asker]
  agreed.ipcp = true
  let dns: readonly string[] = NONE
  let nbns: readonly string[] = NONE
  while (options.next()) {
    const { bytes, type, valueStart: at, valueEnd } = options
    if (type === IPCP.IP_COMPRESSION_PROTOCOL && valueEnd - at >= 2)
      link.noteCompression(u16(bytes, at) === PPP.VJ_COMPRESSED ? 'vj' : 'iphc')
    if (valueEnd - at !== 4) continue
    const address = addressText(bytes, at, 4)
    if (type === IPCP.IP_ADDRESS) agreed.address = address
    else if (type === IPCP.PRIMARY_DNS || type === IPCP.SECONDARY_DNS) dns = dns.concat(address)
    else if (type === IPCP.PRIMARY_NBNS || type === IPCP.SECONDARY_NBNS) nbns = nbns.concat(address)
  }
  agreed.dns = dns
  agreed.nbns = nbns
}

function agreeIpv6cp(link: PppLink, asker: Role, options: PppOptionCursor): void {
  const agreed = link.agreed[asker]
  agreed.ipv6cp = true
  while (options.next()) {
    const { bytes, type, valueStart: at, valueEnd } = options
    if (type !== IPV6CP.INTERFACE_IDENTIFIER || valueEnd - at !== 8) continue
    agreed.interfaceId = [0, 2, 4, 6]
      .map((i) =>
        u16(bytes, at + i)
          .toString(16)
          .padStart(4, '0'),
      )
      .join(':')
  }
}

/** The bits of the MPPE option, 0 without one. */
function agreeCcp(link: PppLink, options: PppOptionCursor): number {
  let bits = 0
  while (options.next()) {
    const { bytes, type, valueStart: at, valueEnd } = options
    if (type === CCP.MPPE && valueEnd - at === 4) {
      bits = u32(bytes, at)
      if ((bits & MPPE.MPPC) !== 0) link.noteCompression('mppc')
    } else if (type === CCP.DEFLATE) link.noteCompression('deflate')
    else if (type === CCP.BSD_COMPRESS) link.noteCompression('bsd')
    else if (type === CCP.STAC_LZS) link.noteCompression('stac')
    else if (type === CCP.PREDICTOR_1) link.noteCompression('predictor')
  }
  return bits
}

/** Whether the sensor can open what the link encrypts. */
function keyOf(link: PppLink): string {
  if (link.keys !== null) return 'known'
  return ([0, 1] as const).some((role) => link.loginOf(role).proof?.verdict === 'wrong_secret')
    ? 'wrong_secret'
    : 'unknown'
}

/** Whether the server proved that it knows the password that answered; undefined where nobody can tell. */
function serverVerdict({ proof, serverAnswer }: Login): string | undefined {
  if (proof === null || proof.serverAnswers === null || serverAnswer === undefined) return undefined
  return proof.serverAnswers.includes(serverAnswer.toUpperCase()) ? 'verified' : 'wrong_secret'
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
