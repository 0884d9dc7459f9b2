/**
 * The layers of Windows' protocols in one packet: SMB in NetBIOS frames, DCE/RPC on TCP and in named pipes, Kerberos, LDAP.
 *
 * A packet is looked at alone. Messages that began in an earlier segment cannot be found, and one that goes on in the next is
 * described as far as it is here, with `continues`; what operation a number means depends on a binding that was made before,
 * so only the number is told.
 */
import { u16 } from '../base/bytes.ts'
import { DCERPC_EPMAPPER_PORT, DcerpcView, describeDcerpc, describeTowers } from '../wire/dcerpc.ts'
import { describeDcerpcDatagram } from '../wire/dcerpc-datagram.ts'
import {
  describeKerberos,
  isKerberos,
  KERBEROS_PORT,
  KERBEROS_RECORD_MARK,
  kerberosRecordLength,
  KPASSWD_PORT,
} from '../wire/kerberos.ts'
import {
  describeLdap,
  isLdap,
  LDAP_GC_PORT,
  LDAP_PORT,
  type LdapWrapping,
  ldapLength,
  ldapWrapping,
} from '../wire/ldap.ts'
import {
  describeNetbios,
  describeNetbiosDatagram,
  NETBIOS_DATAGRAM_PORT,
  NETBIOS_SESSION_PORT,
  NetbiosView,
  SMB_PORT,
} from '../wire/netbios.ts'
import { SmbView } from '../wire/smb.ts'
import { describeSmb } from '../wire/smb-describe.ts'
import { Smb2View, smbKind, type SmbWindow } from '../wire/smb2.ts'
import { describeSmb2 } from '../wire/smb2-describe.ts'
import { describeSmb2Compressed, describeSmb2Encrypted } from '../wire/smb2-transform.ts'
import type { Layer, Window } from './layer.ts'

/** A segment may hold many small messages; what comes after this many layers is counted, not described. */
const LAYERS_MAX = 32

/** The layers of a TCP segment; none if it does not begin with a message of these protocols. */
export function windowsLayersOverTcp(window: Window, sourcePort: number, destinationPort: number): Layer[] {
  const reader = new MessageReader(window)
  const isOn = (port: number): boolean => sourcePort === port || destinationPort === port
  if (isOn(SMB_PORT) || isOn(NETBIOS_SESSION_PORT)) reader.each((at) => reader.netbios(at))
  else if (isOn(KERBEROS_PORT)) reader.each((at) => reader.kerberosRecord(at))
  else if (isOn(KPASSWD_PORT)) reader.each((at) => reader.kpasswdRecord(at))
  else if (isOn(LDAP_PORT) || isOn(LDAP_GC_PORT)) reader.each((at) => reader.ldap(at))
  else reader.each((at) => reader.dcerpc(at, isOn(DCERPC_EPMAPPER_PORT)))
  return reader.layers
}

export function windowsLayersOverUdp(window: Window, sourcePort: number, destinationPort: number): Layer[] {
  const { bytes, start, end, wireEnd } = window
  const reader = new MessageReader(window)
  const isOn = (port: number): boolean => sourcePort === port || destinationPort === port
  if (isOn(KERBEROS_PORT) && isKerberos(bytes, start, end)) reader.kerberos(start, wireEnd)
  else if (isOn(KPASSWD_PORT)) reader.kpasswd(start, wireEnd)
  else if (isOn(LDAP_PORT) && isLdap(bytes, start, end)) reader.each((at) => reader.ldap(at))
  else if (isOn(NETBIOS_DATAGRAM_PORT)) reader.datagram()
  else reader.dcerpcDatagram()
  return reader.layers
}

class MessageReader {
  readonly layers: Layer[] = []
  readonly #window: Window

  constructor(window: Window) {
    this.#window = window
  }

  /** `read` gives where the next message begins; -1 if none is there. */
  each(read: (at: number) => number): void {
    const { start, end, wireEnd } = this.#window
    for (let at = start; at < end; ) {
      if (this.layers.length >= LAYERS_MAX) {
        this.layers.push({ layer: 'data', length: wireEnd - at })
        return
      }
      const next = read(at)
      if (next <= at) {
        if (this.layers.length > 0) this.layers.push({ layer: 'data', length: wireEnd - at })
        return
      }
      at = next
    }
  }

  /** A message that goes on behind this packet is not cut by the capture. */
  #push(layer: string, record: object, messageEnd: number): void {
    const { isSnapped, ...rest } = record as { readonly isSnapped?: true }
    const { end, wireEnd } = this.#window
    const isCut = end < wireEnd && messageEnd > end
    this.layers.push({
      layer,
      ...rest,
      ...(messageEnd > wireEnd ? { continues: true } : {}),
      ...(isSnapped === true && isCut ? { isSnapped } : {}),
    })
  }

  netbios(at: number): number {
    const { bytes, end } = this.#window
    const frame = new NetbiosView()
    if (frame.decode(bytes, at, end) !== null) return -1
    const { payloadStart, payloadEnd, payloadWireEnd } = frame
    const kind = smbKind(bytes, payloadStart, payloadEnd)
    // A segment in the middle of a message may begin with zeros: a frame is one by what it holds.
    if (frame.isMessage && kind === null && (frame.length < 4 || payloadEnd - payloadStart >= 4)) return -1
    this.#push('nbss', describeNetbios(frame), payloadWireEnd)
    if (kind !== null) this.#smb(payloadStart, payloadEnd, payloadWireEnd)
    return payloadWireEnd
  }

  datagram(): void {
    const { bytes, start, end, wireEnd } = this.#window
    const datagram = describeNetbiosDatagram(bytes, start, end)
    if (datagram === null) return
    const { payload, ...rest } = datagram
    this.#push('nbdgm', rest, wireEnd)
    if (payload !== undefined) this.#smb(payload.start, payload.end, wireEnd)
  }

  #smb(start: number, end: number, wireEnd: number): void {
    const { bytes } = this.#window
    switch (smbKind(bytes, start, end)) {
      case 'smb':
        this.#smb1(start, end, wireEnd)
        break
      case 'smb2':
        this.#smb2(start, end, wireEnd)
        break
      case 'smb2-encrypted':
        this.#push('smb2-encrypted', describeSmb2Encrypted(bytes, start, end) ?? {}, wireEnd)
        break
      case 'smb2-compressed':
        this.#push('smb2-compressed', describeSmb2Compressed(bytes, start, end) ?? {}, wireEnd)
        break
      default:
    }
  }

  #smb1(start: number, end: number, wireEnd: number): void {
    const view = new SmbView()
    const flaw = view.decode(this.#window.bytes, start, end, wireEnd)
    if (flaw !== null) {
      this.#push('smb', flaw === 'smb.truncated' && wireEnd > end ? { isSnapped: true } : { flaw }, wireEnd)
      return
    }
    const { blocks, ...record } = describeSmb(view)
    const pipes: SmbWindow[] = []
    const shown = blocks.map(({ data, ...block }) => {
      if (data !== undefined) pipes.push(data)
      return block
    })
    this.#push('smb', { ...record, blocks: shown }, wireEnd)
    for (const pipe of pipes) this.#pipe(pipe)
  }

  #smb2(start: number, end: number, wireEnd: number): void {
    const view = new Smb2View()
    for (let at = start; at < end && this.layers.length < LAYERS_MAX; at = view.nextStart) {
      const flaw = view.decode(this.#window.bytes, at, end, wireEnd)
      if (flaw !== null) {
        this.#push('smb2', flaw === 'smb2.truncated' && wireEnd > end ? { isSnapped: true } : { flaw }, wireEnd)
        return
      }
      const { data, ...record } = describeSmb2(view)
      this.#push('smb2', record, view.wireEnd)
      if (data !== undefined) this.#pipe(data)
      if (view.nextStart === 0) return
    }
  }

  /** Whether a file is a pipe was said when it was opened; DCE/RPC is known by itself. */
  #pipe({ start, end, wireEnd }: SmbWindow): void {
    for (let at = start; at < end && this.layers.length < LAYERS_MAX; ) {
      const next = this.#dcerpc(at, end, wireEnd, false)
      if (next <= at) return
      at = next
    }
  }

  dcerpc(at: number, isMapper: boolean): number {
    return this.#dcerpc(at, this.#window.end, Number.POSITIVE_INFINITY, isMapper)
  }

  #dcerpc(at: number, end: number, carrierEnd: number, isMapper: boolean): number {
    const { bytes } = this.#window
    const view = new DcerpcView()
    if (view.decode(bytes, at, end, carrierEnd) !== null) return -1
    const { stub, ...record } = describeDcerpc(view)
    const towers = isMapper && stub !== undefined ? describeTowers(bytes, stub.start, stub.end) : []
    this.#push('dcerpc', { ...record, ...(towers.length > 0 ? { towers } : {}) }, view.wireEnd)
    return view.wireEnd
  }

  dcerpcDatagram(): void {
    const { bytes, start, end, wireEnd } = this.#window
    const record = describeDcerpcDatagram(bytes, start, end, wireEnd)
    if (record !== null) this.#push('dcerpc-datagram', record, wireEnd)
  }

  kerberos(at: number, messageEnd: number): void {
    const { bytes, end } = this.#window
    this.#push('kerberos', describeKerberos(bytes, at, Math.min(messageEnd, end), messageEnd), messageEnd)
  }

  kerberosRecord(at: number): number {
    const { bytes, end } = this.#window
    const length = kerberosRecordLength(bytes, at, end)
    if (length <= 0) return -1
    this.kerberos(at + KERBEROS_RECORD_MARK, at + length)
    return at + length
  }

  kpasswdRecord(at: number): number {
    const { bytes, end } = this.#window
    // The length of the record, whose upper half is zero for anything that is sent, and again in the message.
    if (end - at < 10 || u16(bytes, at) !== 0 || u16(bytes, at + 2) !== u16(bytes, at + 4)) return -1
    const messageEnd = at + KERBEROS_RECORD_MARK + u16(bytes, at + 2)
    return this.kpasswd(at + KERBEROS_RECORD_MARK, messageEnd) ? messageEnd : -1
  }

  /** RFC 3244 section 2: version, the length of the ticket that is shown, then what is protected by it. */
  kpasswd(at: number, messageEnd: number): boolean {
    const { bytes, end } = this.#window
    if (end - at < 6 || u16(bytes, at) !== messageEnd - at) return false
    const version = u16(bytes, at + 2)
    const ticketEnd = at + 6 + u16(bytes, at + 4)
    if (ticketEnd > messageEnd || KPASSWD_VERSIONS[version] === undefined) return false
    this.#push('kpasswd', { version, versionName: KPASSWD_VERSIONS[version] }, messageEnd)
    if (ticketEnd > at + 6) this.kerberos(at + 6, ticketEnd)
    if (ticketEnd < messageEnd && ticketEnd < end) this.kerberos(ticketEnd, messageEnd)
    return true
  }

  ldap(at: number): number {
    const { bytes, end } = this.#window
    const wrapping = ldapWrapping(bytes, at, end)
    if (wrapping !== null) {
      this.#wrapped(at, wrapping)
      return at + wrapping.length
    }
    const length = ldapLength(bytes, at, end)
    if (length <= 0 || !isLdap(bytes, at, end)) return -1
    this.#push('ldap', describeLdap(bytes, at, Math.min(at + length, end), at + length), at + length)
    return at + length
  }

  /** One wrapping may hold several messages. */
  #wrapped(at: number, { length: wrappedLength, message }: LdapWrapping): void {
    const { bytes, end } = this.#window
    if (message === undefined) {
      this.#push('ldap', { isSealed: true, wrappedLength }, at + wrappedLength)
      return
    }
    for (let next = message.start; next < Math.min(message.wireEnd, end) && this.layers.length < LAYERS_MAX; ) {
      const length = ldapLength(bytes, next, end)
      const messageEnd = length > 0 ? Math.min(next + length, message.wireEnd) : message.wireEnd
      const record = describeLdap(bytes, next, Math.min(messageEnd, end), messageEnd)
      this.#push('ldap', { isWrapped: true, ...record, wrappedLength }, messageEnd)
      next = messageEnd
    }
  }
}

const KPASSWD_VERSIONS: Readonly<Record<number, string>> = { 1: 'change password', 65408: 'set password' }
