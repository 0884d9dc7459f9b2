/**
 * X.509 certificates as TLS shows them (RFC 5280), read by the runtime's own library. Whatever a hostile server sends is
 * either described or refused; nothing throws.
 */
import { hash, X509Certificate } from 'node:crypto'
import type { Mutable } from './mutable.ts'

/** More is no certificate that anybody uses, and costs time to read. */
const LENGTH_MAX = 32_768
const TEXT_MAX = 512
const NAMES_MAX = 64
const SEQUENCE = 0x30

export interface CertificateDescription {
  /** Hexadecimal, of the DER octets. */
  readonly sha256: string
  readonly length: number
  /** `C=DE, O=Example, CN=www.example.com` */
  readonly subject?: string
  readonly subjectCommonName?: string
  readonly issuer?: string
  readonly issuerCommonName?: string
  /** Hexadecimal, upper case, as ECS writes it. */
  readonly serialNumber?: string
  /** ISO 8601. */
  readonly notBefore?: string
  readonly notAfter?: string
  /** Names and addresses for which it stands. */
  readonly alternativeNames?: readonly string[]
  readonly signatureAlgorithm?: string
  /** `rsa`, `ec`, `ed25519` … */
  readonly keyType?: string
  readonly keyBits?: number
  readonly curve?: string
  /** Issuer and subject are one, and so are their key identifiers. */
  readonly isSelfIssued?: boolean
  readonly isAuthority?: boolean
  /** `tls.certificate_unreadable`: it is none, or longer than any. */
  readonly flaw?: 'tls.certificate_unreadable'
}

/** Describes one certificate in DER. */
export function describeCertificate(bytes: Uint8Array, start: number, end: number): CertificateDescription {
  // The library keeps a reference: it gets octets of its own.
  const der = Buffer.from(bytes.subarray(start, end))
  const told: Mutable<CertificateDescription> = { sha256: hash('sha256', der), length: der.length }
  // The library would read PEM as well, which is not what stands on the wire.
  const certificate = der.length > LENGTH_MAX || der[0] !== SEQUENCE ? null : attempt(() => new X509Certificate(der))
  if (certificate === null) return { ...told, flaw: 'tls.certificate_unreadable' }
  told.subject = attempt(() => distinguishedName(certificate.subject)) ?? ''
  told.issuer = attempt(() => distinguishedName(certificate.issuer)) ?? ''
  const subjectCommonName = attempt(() => commonName(certificate.subject))
  const issuerCommonName = attempt(() => commonName(certificate.issuer))
  if (subjectCommonName) told.subjectCommonName = subjectCommonName
  if (issuerCommonName) told.issuerCommonName = issuerCommonName
  told.serialNumber = certificate.serialNumber.slice(0, TEXT_MAX)
  const notBefore = attempt(() => certificate.validFromDate.toISOString())
  const notAfter = attempt(() => certificate.validToDate.toISOString())
  if (notBefore !== null) told.notBefore = notBefore
  if (notAfter !== null) told.notAfter = notAfter
  const names = attempt(() => alternativeNames(certificate.subjectAltName ?? ''))
  if (names !== null && names.length > 0) told.alternativeNames = names
  if (certificate.signatureAlgorithm !== undefined) told.signatureAlgorithm = certificate.signatureAlgorithm
  attempt(() => describeKey(certificate, told))
  told.isSelfIssued = attempt(() => certificate.checkIssued(certificate)) ?? false
  told.isAuthority = certificate.ca
  return told
}

function attempt<T>(read: () => T): T | null {
  try {
    return read()
  } catch {
    return null
  }
}

function describeKey(certificate: X509Certificate, told: Mutable<CertificateDescription>): void {
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey
  if (asymmetricKeyType !== undefined) told.keyType = asymmetricKeyType
  if (asymmetricKeyDetails?.modulusLength !== undefined) told.keyBits = asymmetricKeyDetails.modulusLength
  if (asymmetricKeyDetails?.namedCurve !== undefined) told.curve = asymmetricKeyDetails.namedCurve
}

/** The library writes one attribute a line. */
function distinguishedName(lines: string | undefined): string {
  return (lines ?? '').split('\n').join(', ').slice(0, TEXT_MAX)
}

function commonName(lines: string | undefined): string | undefined {
  const line = (lines ?? '').split('\n').findLast((attribute) => attribute.startsWith('CN='))
  return line?.slice(3, 3 + TEXT_MAX).replace(/\\(.)/g, '$1')
}

/** `DNS:a.example, IP Address:192.0.2.1`: a value with a comma or a quote stands in quotes, as JSON writes it. */
function alternativeNames(list: string): string[] {
  const names: string[] = []
  for (const [, quoted, plain] of list.matchAll(
    /(?:^|, )(?:DNS|IP Address|URI|email):(?:("(?:[^"\\]|\\.)*")|([^,]*))/g,
  )) {
    if (names.length === NAMES_MAX) break
    const name = quoted === undefined ? plain : (attempt(() => JSON.parse(quoted) as string) ?? quoted)
    names.push(name.slice(0, TEXT_MAX))
  }
  return names
}
