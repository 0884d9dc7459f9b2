/**
 * TLS inside flows: one event a handshake, with the fingerprints of both ends, the name that was asked for and, up to
 * TLS 1.2, the certificate.
 */
import { NO_BYTES } from '../base/bytes.ts'
import {
  certificateWindows,
  describeAlert,
  looksLikeTls,
  TLS_RECORD_HEADER,
  TlsHandshakeView,
  TlsRecordView,
  tlsVersionName,
} from '../wire/tls.ts'
import { type CertificateDescription, describeCertificate } from '../wire/tls-certificate.ts'
import { ja3, ja3s, ja4 } from '../wire/tls-fingerprint.ts'
import {
  describeClientHello,
  describeServerHello,
  highestVersion,
  type TlsClientHello,
  type TlsServerHello,
} from '../wire/tls-hello.ts'
import { cipherSuiteName, TLS_CONTENT, TLS_GROUPS, TLS_HANDSHAKE } from '../wire/tls-tables.ts'
import {
  DONE,
  type InnerFlow,
  type OwnFields,
  SERVER,
  type Side,
  type StreamProtocol,
  type StreamReader,
} from './inner-protocol.ts'

const TLS_1_3 = 0x0304
/** Octets of a handshake message that spans records. */
const JOINED_MAX = 65_536
/** Octets of a stream after which a handshake that is not over is no longer waited for. */
const HANDSHAKE_MAX = 262_144

const record = new TlsRecordView()
const message = new TlsHandshakeView()

/** Handshake messages of one side, joined over records where they must be. */
class Joiner {
  #held = NO_BYTES
  #length = 0

  /** Calls `take` for each message that is whole. False if what is held grows too long. */
  add(bytes: Uint8Array, start: number, end: number, take: (bytes: Uint8Array, start: number) => void): boolean {
    if (this.#length === 0) {
      const rest = takeWhole(bytes, start, end, take)
      if (rest < end) this.#hold(bytes, rest, end)
    } else {
      this.#hold(bytes, start, end)
      const rest = takeWhole(this.#held, 0, this.#length, take)
      this.#held.copyWithin(0, rest, this.#length)
      this.#length -= rest
    }
    return this.#length <= JOINED_MAX
  }

  #hold(bytes: Uint8Array, start: number, end: number): void {
    const length = this.#length + end - start
    if (length > this.#held.length) {
      // Twice as much as needed, so that many small records do not copy the whole each time.
      const larger = new Uint8Array(length * 2)
      larger.set(this.#held.subarray(0, this.#length))
      this.#held = larger
    }
    this.#held.set(bytes.subarray(start, end), this.#length)
    this.#length = length
  }
}

/** Where the first message begins that is not whole. */
function takeWhole(
  bytes: Uint8Array,
  start: number,
  end: number,
  take: (bytes: Uint8Array, start: number) => void,
): number {
  let at = start
  while (message.decode(bytes, at, end) === null && message.isWhole) {
    const next = message.bodyEnd
    take(bytes, at)
    at = next
  }
  return at
}

class Tls implements StreamReader {
  readonly #flow: InnerFlow
  readonly #joiners: readonly [Joiner, Joiner] = [new Joiner(), new Joiner()]
  readonly #isChanged: [boolean, boolean] = [false, false]
  #taken = 0
  #client: TlsClientHello | null = null
  #server: TlsServerHello | null = null
  #certificate: CertificateDescription | null = null
  #certificates = 0
  #hasKeyExchange = false
  #alert: string | undefined
  #isTold = false

  constructor(flow: InnerFlow) {
    this.#flow = flow
  }

  read(side: Side, bytes: Uint8Array, start: number, end: number): number {
    let at = start
    while (end - at >= TLS_RECORD_HEADER) {
      const flaw = record.decode(bytes, at, end)
      if (flaw !== null) {
        this.#flow.report(flaw, 'tls', '')
        return this.#stop('broken off')
      }
      // Nothing is read of application data: it need not come whole.
      if (record.contentType === TLS_CONTENT.APPLICATION_DATA) this.#encrypted(side)
      else if (!record.isWhole) break
      else if (!this.#content(side)) return this.#stop('broken off')
      if (this.#isTold) return DONE
      at = record.recordEnd
    }
    this.#taken += at - start
    return this.#taken > HANDSHAKE_MAX ? this.#stop('endless') : at - start
  }

  gap(): boolean {
    this.#stop('octets missing')
    return false
  }

  end(): void {
    if (this.#client !== null || this.#server !== null) this.#stop(this.#server === null ? 'no answer' : 'broken off')
  }

  /** A record that came whole. False if the handshake cannot be followed further. */
  #content(side: Side): boolean {
    const { bytes, contentType, fragmentStart, fragmentEnd } = record
    switch (contentType) {
      case TLS_CONTENT.CHANGE_CIPHER_SPEC:
        this.#changed(side)
        return true
      case TLS_CONTENT.ALERT: {
        const alert = this.#isChanged[side] ? null : describeAlert(bytes, fragmentStart, fragmentEnd)
        if (alert !== null && alert.level === 'fatal') this.#alert = alert.descriptionName
        return this.#alert === undefined
      }
      case TLS_CONTENT.HANDSHAKE:
        if (this.#isChanged[side]) return true
        return this.#joiners[side].add(bytes, fragmentStart, fragmentEnd, (from, at) => this.#message(side, from, at))
      default:
        return true
    }
  }

  #message(side: Side, bytes: Uint8Array, start: number): void {
    message.decode(bytes, start, bytes.length)
    const { type, bodyStart, bodyEnd } = message
    switch (type) {
      case TLS_HANDSHAKE.CLIENT_HELLO:
        // After a request to try again the first hello is the one that the client would send to anybody.
        this.#client ??= this.#flawless(describeClientHello(bytes, bodyStart, bodyEnd))
        if (side === SERVER) this.#flow.client = SERVER
        break
      case TLS_HANDSHAKE.SERVER_HELLO: {
        const hello = this.#flawless(describeServerHello(bytes, bodyStart, bodyEnd))
        if (hello.isHelloRetryRequest !== true) this.#server = hello
        break
      }
      case TLS_HANDSHAKE.CERTIFICATE:
        if (this.#server !== null && this.#certificate === null) this.#chain(bytes, bodyStart, bodyEnd)
        break
      case TLS_HANDSHAKE.SERVER_KEY_EXCHANGE:
        this.#hasKeyExchange = true
        break
      default:
    }
  }

  #flawless<T extends { readonly flaw?: string }>(hello: T): T {
    if (hello.flaw !== undefined) this.#flow.report(hello.flaw, 'tls', '')
    return hello
  }

  #chain(bytes: Uint8Array, start: number, end: number): void {
    const { certificates, flaw } = certificateWindows(bytes, start, end)
    if (flaw !== undefined) this.#flow.report(flaw, 'tls', '')
    this.#certificates = certificates.length
    if (certificates.length === 0) return
    this.#certificate = describeCertificate(bytes, certificates[0].start, certificates[0].end)
    if (this.#certificate.flaw !== undefined) this.#flow.report(this.#certificate.flaw, 'tls', '')
  }

  /** Up to TLS 1.2 a handshake is over when both ends have changed to the new keys. */
  #changed(side: Side): void {
    if (this.#version === TLS_1_3) return
    this.#isChanged[side] = true
    if (this.#isChanged[0] && this.#isChanged[1]) this.#establish()
  }

  /** In TLS 1.3 whatever the client encrypts comes after it has verified the server. */
  #encrypted(side: Side): void {
    if (this.#server === null) return
    if (this.#version !== TLS_1_3 || side === this.#flow.client) this.#establish()
  }

  get #version(): number {
    return this.#server?.selectedVersion ?? this.#server?.version ?? 0
  }

  #establish(): void {
    if (this.#isTold || this.#server === null) return
    this.#isTold = true
    const name = this.#client?.serverName
    const { serverPort } = this.#flow
    this.#flow.tell(
      'tls.established',
      `${tlsVersionName(this.#version)} with ${name ?? `port ${serverPort}`}, ${cipherSuiteName(this.#server.cipherSuite ?? 0)}`,
      { 'tls.established': true, ...this.#fields() },
    )
  }

  #stop(reason: string): number {
    if (this.#isTold || (this.#client === null && this.#server === null)) return DONE
    this.#isTold = true
    const name = this.#client?.serverName
    const why = this.#alert ?? reason
    this.#flow.tell('tls.failed', `TLS with ${name ?? `port ${this.#flow.serverPort}`} failed: ${why}`, {
      'tls.established': false,
      'event.outcome': this.#alert === undefined ? 'unknown' : 'failure',
      'event.reason': why,
      'tls.alert.description': this.#alert,
      ...this.#fields(),
    })
    return DONE
  }

  #fields() {
    return {
      ...this.#clientFields(),
      ...this.#serverFields(),
      ...certificateFields(this.#certificate, this.#certificates),
    }
  }

  #clientFields() {
    const client = this.#client
    if (client === null) return {}
    return {
      'tls.client.ja3': ja3(client),
      'tls.client.ja4': ja4(client),
      'tls.client.server_name': client.serverName,
      'tls.client.alpn': client.alpn?.slice(0, 16),
      'tls.client.version': versionNumber(highestVersion(client)),
      'tls.client.ech': client.hasEch,
    } satisfies Partial<OwnFields<'tls.established'>>
  }

  #serverFields() {
    const server = this.#server
    if (server === null) return {}
    const { cipherSuite, group, alpn } = server
    const version = this.#version
    // A server that takes up a session sends neither certificate nor key.
    const isResumed = version < TLS_1_3 && !this.#hasKeyExchange && this.#certificates === 0 && this.#isChanged[0]
    return {
      'tls.version': versionNumber(version),
      'tls.version_protocol': version > 0x0300 ? 'tls' : 'ssl',
      'tls.cipher': cipherSuite === undefined ? undefined : cipherSuiteName(cipherSuite),
      'tls.curve': group === undefined ? undefined : (TLS_GROUPS[group] ?? String(group)),
      'tls.next_protocol': alpn?.[0]?.toLowerCase(),
      'tls.resumed': version < TLS_1_3 ? isResumed : undefined,
      'tls.server.ja3s': ja3s(server),
    } satisfies Partial<OwnFields<'tls.established'>>
  }
}

/** `1.2` of `TLS 1.2`: the name of the protocol has a field of its own. */
function versionNumber(version: number): string {
  return tlsVersionName(version).replace(/^(?:TLS|SSL) /, '')
}

function certificateFields(certificate: CertificateDescription | null, certificates: number) {
  if (certificate === null) return {}
  const { subjectCommonName, issuerCommonName } = certificate
  return {
    'tls.server.hash.sha256': certificate.sha256.toUpperCase(),
    'tls.server.subject': certificate.subject,
    'tls.server.issuer': certificate.issuer,
    'tls.server.not_before': certificate.notBefore,
    'tls.server.not_after': certificate.notAfter,
    'tls.server.x509.subject.common_name': subjectCommonName === undefined ? undefined : [subjectCommonName],
    'tls.server.x509.issuer.common_name': issuerCommonName === undefined ? undefined : [issuerCommonName],
    'tls.server.x509.serial_number': certificate.serialNumber,
    'tls.server.x509.alternative_names': certificate.alternativeNames,
    'tls.server.x509.signature_algorithm': certificate.signatureAlgorithm,
    'tls.server.x509.public_key_algorithm': certificate.keyType,
    'tls.server.x509.public_key_size': certificate.keyBits,
    'tls.server.x509.public_key_curve': certificate.curve,
    'tls.server.self_issued': certificate.isSelfIssued,
    'tls.server.certificates': certificates,
  } satisfies Partial<OwnFields<'tls.established'>>
}

export const TLS: StreamProtocol = {
  name: 'tls',
  recognise: (bytes, start, end) => {
    const verdict = looksLikeTls(bytes, start, end)
    return verdict === undefined ? 'more' : verdict ? 'yes' : 'no'
  },
  open: (flow) => new Tls(flow),
}
