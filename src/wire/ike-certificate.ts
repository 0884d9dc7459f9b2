/**
 * Certificates that IKE shows in the clear (RFC 2408, section 3.9; RFC 7296, section 3.6): aggressive mode and the modes with
 * signatures carry them, encoded as X.509 (RFC 5280) or wrapped in PKCS #7 (RFC 2315). The platform's library reads them.
 */
import { X509Certificate } from 'node:crypto'
import { hex, text } from '../base/bytes.ts'
import { DER, derElement, objectIdentifier } from './ike-der.ts'
import { isPrintable } from './ike-identity.ts'

export interface CertificateDescription {
  /** `C=DE, O=Example, CN=vpn.example`. */
  readonly subject: string
  readonly issuer: string
  /** Hexadecimal. */
  readonly serialNumber: string
  /** As the certificate gives them: `DNS:vpn.example`, `IP Address:192.0.2.1`. */
  readonly alternativeNames: readonly string[]
  /** ISO 8601; undefined if the certificate has a date that no calendar knows. */
  readonly validFrom: string | undefined
  readonly validTo: string | undefined
  /** Of the whole certificate, lower-case hexadecimal digits. */
  readonly sha256: string
  /** `rsa`, `ec`, `ed25519` …; undefined if the library does not know the key. */
  readonly keyType: string | undefined
  readonly keyBits: number | undefined
  readonly curve: string | undefined
  readonly signatureAlgorithm: string | undefined
  readonly isAuthority: boolean
  readonly isSelfIssued: boolean
}

/** Larger ones exist, and are not worth what they cost: a flood of them would be parsed too. */
const CERTIFICATE_BYTES_MAX = 16_384
const TEXT_MAX = 512
const NAMES_MAX = 32
const SHA1_LENGTH = 20
const SIGNED_DATA = '1.2.840.113549.1.7.2'
const CONTEXT_0 = 0xa0

/** Certificate encodings of a CERT payload. */
const ENCODING = { PKCS7: 1, X509_SIGNATURE: 4, X509_KEY_EXCHANGE: 5, HASH_URL: 12, HASH_URL_BUNDLE: 13 } as const

export interface CertificateData {
  readonly certificate?: CertificateDescription
  /** Instead of the certificate, its SHA-1 hash and where to fetch it. */
  readonly certificateHash?: string
  readonly url?: string
}

/** What stands behind the encoding octet of a CERT payload, as far as it can be read. */
export function readCertificate(encoding: number, bytes: Uint8Array, start: number, end: number): CertificateData {
  switch (encoding) {
    case ENCODING.X509_SIGNATURE:
    case ENCODING.X509_KEY_EXCHANGE:
      return wrapped(describeCertificate(bytes, start, end))
    case ENCODING.PKCS7: {
      const at = firstOfPkcs7(bytes, start, end)
      return at === null ? {} : wrapped(describeCertificate(bytes, at.start, at.end))
    }
    case ENCODING.HASH_URL:
    case ENCODING.HASH_URL_BUNDLE:
      return hashAndUrl(bytes, start, end)
    default:
      return {}
  }
}

function wrapped(certificate: CertificateDescription | undefined): CertificateData {
  return certificate === undefined ? {} : { certificate }
}

/** A DER-encoded X.509 certificate as plain values; undefined if it is none. */
export function describeCertificate(bytes: Uint8Array, start: number, end: number): CertificateDescription | undefined {
  // Without this look most of what is no certificate costs an exception.
  if (end - start > CERTIFICATE_BYTES_MAX || derElement(bytes, start, end)?.tag !== DER.SEQUENCE) return undefined
  try {
    const certificate = new X509Certificate(bytes.subarray(start, end))
    return {
      subject: nameOnOneLine(certificate.subject),
      issuer: nameOnOneLine(certificate.issuer),
      serialNumber: certificate.serialNumber.toLowerCase().slice(0, TEXT_MAX),
      alternativeNames: separated(certificate.subjectAltName),
      validFrom: isoDate(certificate.validFromDate),
      validTo: isoDate(certificate.validToDate),
      sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
      ...keyOf(certificate),
      signatureAlgorithm: certificate.signatureAlgorithm,
      isAuthority: certificate.ca,
      isSelfIssued: certificate.subject === certificate.issuer,
    }
  } catch {
    return undefined
  }
}

type Key = Pick<CertificateDescription, 'keyType' | 'keyBits' | 'curve'>

/** Kept apart: a certificate whose key the library does not know is a certificate all the same. */
function keyOf(certificate: X509Certificate): Key {
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey
    return {
      keyType: asymmetricKeyType,
      keyBits: asymmetricKeyDetails?.modulusLength,
      curve: asymmetricKeyDetails?.namedCurve,
    }
  } catch {
    return { keyType: undefined, keyBits: undefined, curve: undefined }
  }
}

/** The library gives one attribute a line. */
function nameOnOneLine(name: string | undefined): string {
  return (name ?? '').replaceAll('\n', ', ').slice(0, TEXT_MAX)
}

/** Splits `DNS:a, DNS:"b, c"` at the commas outside quotation marks. */
function separated(names: string | undefined): readonly string[] {
  if (names === undefined) return []
  const parts = names.slice(0, CERTIFICATE_BYTES_MAX).match(/(?:[^",]|"(?:[^"\\]|\\.)*")+/g) ?? []
  return parts.slice(0, NAMES_MAX).map((part) => part.trim().slice(0, TEXT_MAX))
}

function isoDate(date: Date): string | undefined {
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}

/** The first certificate of a SignedData. */
function firstOfPkcs7(bytes: Uint8Array, start: number, end: number): { start: number; end: number } | null {
  const content = derElement(bytes, start, end)
  const type = content === null ? null : derElement(bytes, content.start, content.end)
  if (content === null || type === null || objectIdentifier(bytes, type.start, type.end) !== SIGNED_DATA) return null
  const explicit = derElement(bytes, type.end, content.end)
  const signed = explicit === null ? null : derElement(bytes, explicit.start, explicit.end)
  if (signed === null) return null
  // version, digest algorithms, content, then the certificates under context tag 0
  let at = signed.start
  for (let skipped = 0; skipped < 3; skipped++) {
    const element = derElement(bytes, at, signed.end)
    if (element === null) return null
    at = element.end
  }
  const certificates = derElement(bytes, at, signed.end)
  if (certificates === null || certificates.tag !== CONTEXT_0) return null
  const first = derElement(bytes, certificates.start, certificates.end)
  return first === null ? null : { start: certificates.start, end: first.end }
}

function hashAndUrl(bytes: Uint8Array, start: number, end: number): CertificateData {
  if (end - start < SHA1_LENGTH) return {}
  const at = start + SHA1_LENGTH
  const last = Math.min(end, at + TEXT_MAX)
  return {
    certificateHash: hex(bytes, start, at),
    ...(isPrintable(bytes, at, last) ? { url: text(bytes, at, last) } : {}),
  }
}
