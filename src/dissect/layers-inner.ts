/**
 * Application protocols in the payload of one packet: by content first, by port second. Nothing is kept between packets, so
 * a message that began in an earlier segment is not found here.
 */
import { u16 } from '../base/bytes.ts'
import { DNS_PORT, DNS_TCP_PREFIX, DnsView, describeDns, LLMNR_PORT, looksLikeDns, MDNS_PORT } from '../wire/dns.ts'
import { describeHttpRequest, describeHttpResponse, HttpHeadView, isWinRm, looksLikeHttp } from '../wire/http.ts'
import { measurePayload, pingPattern } from '../wire/icmp-payload.ts'
import { quicVersion } from '../wire/quic.ts'
import { describeRdp, looksLikeRdp, RDP_PORT, TpktView } from '../wire/rdp.ts'
import {
  disconnectReason,
  hassh,
  hasshServer,
  looksLikeSsh,
  readBanner,
  readKexInit,
  SSH_MESSAGE,
  SSH_PORT,
  SshPacketView,
  sshMessageName,
} from '../wire/ssh.ts'
import { looksLikeTls, TlsRecordView, tlsVersionName } from '../wire/tls.ts'
import { describeTlsRecords, type TlsMessage } from '../wire/tls-describe.ts'
import { ja3, ja3s, ja4 } from '../wire/tls-fingerprint.ts'
import { highestVersion } from '../wire/tls-hello.ts'
import { cipherSuiteName } from '../wire/tls-tables.ts'
import type { Layer, Window } from './layer.ts'

interface Ports {
  readonly sourcePort: number
  readonly destinationPort: number
}

/** The layers of a TCP segment's payload; none if nothing in it is known. */
export function describeSegment(window: Window, ports: Ports): Layer[] {
  const { bytes, start, end } = window
  if (end === start) return []
  if (hasPort(ports, DNS_PORT)) return dnsOverTcp(window)
  if (looksLikeTls(bytes, start, end) === true || isTlsRecord(window)) return tls(window)
  if (looksLikeHttp(bytes, start, end) === true) return http(window, ports)
  if (looksLikeSsh(bytes, start, end) === true || hasPort(ports, SSH_PORT)) return ssh(window, ports)
  if (looksLikeRdp(bytes, start, end, hasPort(ports, RDP_PORT)) === true || hasPort(ports, RDP_PORT)) return rdp(window)
  return []
}

/** The layer of a UDP datagram's payload; none if it is not known. */
export function describeDatagram(window: Window, ports: Ports): Layer[] {
  const { bytes, start, end, wireEnd } = window
  if (hasPort(ports, DNS_PORT)) return [dns(window, 'dns')]
  if (hasPort(ports, MDNS_PORT)) return [dns(window, 'mdns')]
  if (hasPort(ports, LLMNR_PORT)) return [dns(window, 'llmnr')]
  const version = quicVersion(bytes, start, wireEnd, end)
  if (version !== null) return [{ layer: 'quic', version, length: wireEnd - start }]
  return looksLikeDns(bytes, start, end) ? [dns(window, 'dns')] : []
}

/** What an echo carries. */
export function describeEcho({ bytes, start, end, wireEnd }: Window): Layer {
  return {
    layer: 'echo',
    pattern: pingPattern(bytes, start, end),
    ...measurePayload(bytes, start, end),
    length: wireEnd - start,
  }
}

function hasPort({ sourcePort, destinationPort }: Ports, port: number): boolean {
  return sourcePort === port || destinationPort === port
}

// ------------------------------------------------------------------------------------------------------------------- DNS

function dns({ bytes, start, end, wireEnd }: Window, layer: string): Layer {
  const view = new DnsView()
  const flaw = view.decode(bytes, start, end, wireEnd)
  if (flaw !== null) return { layer, length: wireEnd - start, ...(wireEnd > end ? { isSnapped: true } : { flaw }) }
  const { findings, ...description } = describeDns(view)
  return { layer, ...description, ...(findings.length === 0 ? {} : { findings }) }
}

/** Messages that begin in the segment and end in it. */
function dnsOverTcp(window: Window): Layer[] {
  const { bytes, start, end } = window
  const layers: Layer[] = []
  for (let at = start; end - at > DNS_TCP_PREFIX && layers.length < MESSAGES_MAX; ) {
    const messageStart = at + DNS_TCP_PREFIX
    const messageEnd = messageStart + u16(bytes, at)
    if (messageEnd > end || messageEnd === messageStart) break
    layers.push(dns({ bytes, start: messageStart, end: messageEnd, wireEnd: messageEnd }, 'dns'))
    at = messageEnd
  }
  return layers
}

const MESSAGES_MAX = 8

// ------------------------------------------------------------------------------------------------------------------- TLS

const record = new TlsRecordView()

/** A record of any kind that ends where the segment does, or is followed by another: what a connection is made of in its middle. */
function isTlsRecord({ bytes, start, end }: Window): boolean {
  if (record.decode(bytes, start, end) !== null) return false
  if (record.fragmentEnd === end) return true
  return record.decode(bytes, record.fragmentEnd, end) !== 'tls.content_type'
}

function tls({ bytes, start, end }: Window): Layer[] {
  const { records, next } = describeTlsRecords(bytes, start, end)
  const layers: Layer[] = records.map(({ messages, ...rest }) => ({
    layer: 'tls',
    ...rest,
    ...(messages === undefined ? {} : { messages: messages.map(withFingerprints) }),
  }))
  if (next < end) layers.push({ layer: 'data', length: end - next })
  return layers
}

function withFingerprints(message: TlsMessage): object {
  const { clientHello, serverHello, ...rest } = message
  if (clientHello !== undefined) {
    const offered = tlsVersionName(highestVersion(clientHello))
    return { ...rest, clientHello: { ...clientHello, offered, ja3: ja3(clientHello), ja4: ja4(clientHello) } }
  }
  if (serverHello === undefined) return message
  const { cipherSuite, version, selectedVersion = version } = serverHello
  return {
    ...rest,
    serverHello: {
      ...serverHello,
      selected: tlsVersionName(selectedVersion),
      ...(cipherSuite === undefined ? {} : { cipherSuiteName: cipherSuiteName(cipherSuite) }),
      ja3s: ja3s(serverHello),
    },
  }
}

// ------------------------------------------------------------------------------------------------------------------ HTTP

/** The head at the beginning of the segment, and the heads of pipelined requests behind it. */
function http({ bytes, start, end, wireEnd }: Window, { destinationPort }: Ports): Layer[] {
  const layers: Layer[] = []
  const view = new HttpHeadView()
  let at = start
  while (at < end && layers.length < MESSAGES_MAX && looksLikeHttp(bytes, at, end) === true) {
    const flaw = view.decode(bytes, at, end)
    if (flaw !== null || !view.hasStartLine) {
      layers.push({ layer: 'http', length: wireEnd - at, ...(flaw === null ? { isPartial: true } : { flaw }) })
      return layers
    }
    layers.push({ ...head(view, destinationPort), ...(view.isWhole ? {} : { isPartial: true }) })
    at = view.headEnd
  }
  if (wireEnd > at) layers.push({ layer: 'data', length: wireEnd - at })
  return layers
}

function head(view: HttpHeadView, destinationPort: number): Layer {
  if (!view.isRequest) {
    const response = describeHttpResponse(view)
    return { layer: 'http', type: 'response', ...response }
  }
  const request = describeHttpRequest(view)
  const winrm = isWinRm(request, destinationPort) ? { application: 'winrm' } : {}
  return { layer: 'http', type: 'request', ...request, ...winrm }
}

// ------------------------------------------------------------------------------------------------------------------- SSH

function ssh({ bytes, start, end, wireEnd }: Window, { destinationPort }: Ports): Layer[] {
  const layers: Layer[] = []
  let at = start
  if (looksLikeSsh(bytes, start, end) === true) {
    const read = readBanner(bytes, start, end)
    if (typeof read === 'string') {
      return [{ layer: 'ssh', length: wireEnd - start, ...(read === 'more' ? { isPartial: true } : { flaw: read }) }]
    }
    layers.push({ layer: 'ssh', ...read.banner })
    at = read.next
  }
  const view = new SshPacketView()
  while (at < end && layers.length < MESSAGES_MAX && view.decode(bytes, at, end) === null) {
    layers.push(sshPacket(view, destinationPort === SSH_PORT))
    if (!view.isWhole || view.messageType === SSH_MESSAGE.NEWKEYS) {
      at = Math.min(view.packetEnd, end)
      break
    }
    at = view.packetEnd
  }
  // What is encrypted, or began in an earlier segment.
  if (wireEnd > at && layers.length === 0) return []
  if (wireEnd > at) layers.push({ layer: 'data', length: wireEnd - at })
  return layers
}

function sshPacket(view: SshPacketView, isFromClient: boolean): Layer {
  const { messageType, length } = view
  const told = { layer: 'ssh', messageType, messageName: sshMessageName(messageType), length }
  if (!view.isWhole) return { ...told, isPartial: true }
  if (messageType === SSH_MESSAGE.DISCONNECT) return { ...told, reason: disconnectReason(view) }
  if (messageType !== SSH_MESSAGE.KEXINIT) return told
  const kex = readKexInit(view)
  if (kex.flaw !== undefined) return { ...told, ...kex }
  return { ...told, ...kex, ...(isFromClient ? { hassh: hassh(kex) } : { hasshServer: hasshServer(kex) }) }
}

// ------------------------------------------------------------------------------------------------------------------- RDP

function rdp({ bytes, start, end, wireEnd }: Window): Layer[] {
  const view = new TpktView()
  if (view.decode(bytes, start, end) !== null) return []
  if (!view.isWhole) return [{ layer: 'rdp', length: view.length, isPartial: true }]
  const layers: Layer[] = [{ layer: 'rdp', ...describeRdp(view) }]
  if (wireEnd > view.packetEnd) layers.push({ layer: 'data', length: wireEnd - view.packetEnd })
  return layers
}
