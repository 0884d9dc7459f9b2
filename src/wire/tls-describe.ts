/** The TLS records of one packet, described. */
import {
  certificateWindows,
  describeAlert,
  type TlsAlert,
  type TlsCertificatesFlaw,
  TlsHandshakeView,
  type TlsRecordFlaw,
  TlsRecordView,
  tlsVersionName,
} from './tls.ts'
import { describeClientHello, describeServerHello, type TlsClientHello, type TlsServerHello } from './tls-hello.ts'
import { TLS_CONTENT, TLS_CONTENT_TYPES, TLS_HANDSHAKE, TLS_HANDSHAKE_TYPES } from './tls-tables.ts'

export interface TlsMessage {
  readonly type?: number
  readonly typeName?: string
  readonly length?: number
  /** After the change of the cipher, or by its looks. */
  readonly isEncrypted?: true
  /** It goes on in another record or segment. */
  readonly isPartial?: true
  readonly clientHello?: TlsClientHello
  readonly serverHello?: TlsServerHello
  readonly certificateLengths?: readonly number[]
  readonly flaw?: TlsCertificatesFlaw
}

export interface TlsRecord {
  readonly contentType: number
  readonly contentTypeName: string
  readonly version: number
  readonly versionName: string
  readonly length: number
  readonly isPartial?: true
  readonly messages?: readonly TlsMessage[]
  readonly alert?: TlsAlert
}

const RECORDS_MAX = 64
const MESSAGES_MAX = 32
const record = new TlsRecordView()
const handshake = new TlsHandshakeView()

/** The records that begin in a window. `next` is where the first octet lies that belongs to none, or the window ends. */
export function describeTlsRecords(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly records: readonly TlsRecord[]; readonly next: number; readonly flaw: TlsRecordFlaw | null } {
  const records: TlsRecord[] = []
  let isChanged = false
  let at = start
  while (at < end && records.length < RECORDS_MAX) {
    const flaw = record.decode(bytes, at, end)
    if (flaw !== null) return { records, next: at, flaw }
    records.push(describeRecord(isChanged))
    if (record.contentType === TLS_CONTENT.CHANGE_CIPHER_SPEC) isChanged = true
    at = record.fragmentEnd
  }
  return { records, next: at, flaw: null }
}

function describeRecord(isChanged: boolean): TlsRecord {
  const { bytes, contentType, version, length, fragmentStart, fragmentEnd } = record
  const alert =
    contentType === TLS_CONTENT.ALERT && !isChanged ? describeAlert(bytes, fragmentStart, fragmentEnd) : null
  return {
    contentType,
    contentTypeName: TLS_CONTENT_TYPES[contentType],
    version,
    versionName: tlsVersionName(version),
    length,
    ...(record.isWhole ? {} : { isPartial: true }),
    ...(contentType === TLS_CONTENT.HANDSHAKE ? { messages: describeMessages(isChanged) } : {}),
    ...(alert === null ? {} : { alert }),
  }
}

function describeMessages(isChanged: boolean): TlsMessage[] {
  const { bytes, fragmentStart, fragmentEnd } = record
  const messages: TlsMessage[] = []
  for (let at = fragmentStart; at < fragmentEnd && messages.length < MESSAGES_MAX; at = handshake.bodyEnd) {
    const flaw = handshake.decode(bytes, at, fragmentEnd)
    const isKnown = TLS_HANDSHAKE_TYPES[bytes[at]] !== undefined
    if (isChanged || !isKnown || flaw === 'tls.handshake_length') {
      messages.push({ isEncrypted: true })
      break
    }
    if (flaw !== null) {
      messages.push({ isPartial: true })
      break
    }
    messages.push(describeMessage(bytes))
  }
  return messages
}

function describeMessage(bytes: Uint8Array): TlsMessage {
  const { type, length, bodyStart, bodyEnd, isWhole } = handshake
  const head = { type, typeName: TLS_HANDSHAKE_TYPES[type], length }
  if (!isWhole) return { ...head, isPartial: true }
  switch (type) {
    case TLS_HANDSHAKE.CLIENT_HELLO:
      return { ...head, clientHello: describeClientHello(bytes, bodyStart, bodyEnd) }
    case TLS_HANDSHAKE.SERVER_HELLO:
      return { ...head, serverHello: describeServerHello(bytes, bodyStart, bodyEnd) }
    case TLS_HANDSHAKE.CERTIFICATE: {
      const { certificates, flaw } = certificateWindows(bytes, bodyStart, bodyEnd)
      const certificateLengths = certificates.map((window) => window.end - window.start)
      return { ...head, certificateLengths, ...(flaw === undefined ? {} : { flaw }) }
    }
    default:
      return head
  }
}
