/** Builds the messages of NTLM ([MS-NLMP] section 2.2.1) and the tokens of SPNEGO around them. */
import { application, context, element, enumerated, le16, le32, octets, oid, sequence, utf16le } from './ber.ts'
import { concat, fromHex, utf8 } from './craft.ts'

const SIGNATURE = utf8('NTLMSSP\0')
export const FLAGS = 0xe2088297
const VERSION = fromHex('0a00 614a 000000 0f')

function field(length: number, offset: number): Uint8Array {
  return concat(le16(length), le16(length), le32(offset))
}

export function ntlmNegotiate(fields: { readonly domain?: string; readonly workstation?: string } = {}): Uint8Array {
  const domain = utf8(fields.domain ?? '')
  const workstation = utf8(fields.workstation ?? '')
  return concat(
    SIGNATURE,
    le32(1),
    le32(FLAGS),
    field(domain.length, 40 + workstation.length),
    field(workstation.length, 40),
    VERSION,
    workstation,
    domain,
  )
}

export function avPair(id: number, value: Uint8Array): Uint8Array {
  return concat(le16(id), le16(value.length), value)
}

interface TargetFields {
  readonly domain?: string
  readonly computer?: string
  readonly dnsDomain?: string
  readonly dnsComputer?: string
  readonly spn?: string
  readonly isProtected?: boolean
}

export function targetInfo(target: TargetFields): Uint8Array {
  const text = (id: number, value: string | undefined): Uint8Array[] =>
    value === undefined ? [] : [avPair(id, utf16le(value))]
  return concat(
    ...text(2, target.domain),
    ...text(1, target.computer),
    ...text(4, target.dnsDomain),
    ...text(3, target.dnsComputer),
    ...text(9, target.spn),
    ...(target.isProtected === true ? [avPair(6, le32(2))] : []),
    avPair(0, new Uint8Array(0)),
  )
}

export function ntlmChallenge(target: TargetFields & { readonly name?: string } = {}): Uint8Array {
  const name = utf16le(target.name ?? 'CORP')
  const info = targetInfo(target)
  return concat(
    SIGNATURE,
    le32(2),
    field(name.length, 56),
    le32(FLAGS),
    fromHex('0123456789abcdef 0000000000000000'),
    field(info.length, 56 + name.length),
    VERSION,
    name,
    info,
  )
}

interface AuthenticateFields extends TargetFields {
  readonly user?: string
  readonly userDomain?: string
  readonly workstation?: string
  readonly response?: 'NTLMv2' | 'NTLMv1' | 'ESS' | 'none'
}

/** Octets by which a test finds a response that escaped. */
export const RESPONSE_OCTET = 0xd7

export function ntlmAuthenticate(fields: AuthenticateFields = {}): Uint8Array {
  const { response = 'NTLMv2' } = fields
  const domain = utf16le(fields.userDomain ?? 'CORP')
  const user = utf16le(fields.user ?? 'alice')
  const workstation = utf16le(fields.workstation ?? 'PC7')
  const secret = (length: number): Uint8Array => new Uint8Array(length).fill(RESPONSE_OCTET)
  const lm = {
    NTLMv2: secret(24),
    NTLMv1: secret(24),
    ESS: concat(secret(8), new Uint8Array(16)),
    none: new Uint8Array(0),
  }[response]
  const nt = {
    NTLMv2: concat(secret(16), fromHex('0101 0000 00000000'), secret(16), le32(0), targetInfo(fields), le32(0)),
    NTLMv1: secret(24),
    ESS: secret(24),
    none: new Uint8Array(0),
  }[response]
  const parts = [lm, nt, domain, user, workstation, secret(16)]
  let at = 88
  const heads = parts.map((part) => {
    const head = field(part.length, at)
    at += part.length
    return head
  })
  return concat(SIGNATURE, le32(3), ...heads, le32(FLAGS), VERSION, secret(16), ...parts)
}

export const OID_SPNEGO = '1.3.6.1.5.5.2'
export const OID_NTLM = '1.3.6.1.4.1.311.2.2.10'
export const OID_KERBEROS = '1.2.840.113554.1.2.2'
export const OID_MS_KERBEROS = '1.2.840.48018.1.2.2'

/** The first token of a negotiation: what is offered, and a token for the first of it. */
export function negTokenInit(mechanisms: readonly string[], token?: Uint8Array): Uint8Array {
  const list = sequence(
    context(0, sequence(...mechanisms.map(oid))),
    ...(token === undefined ? [] : [context(2, octets(token))]),
  )
  return application(0, oid(OID_SPNEGO), context(0, list))
}

export function negTokenResp(
  fields: { readonly state?: number; readonly mechanism?: string; readonly token?: Uint8Array } = {},
): Uint8Array {
  return context(
    1,
    sequence(
      ...(fields.state === undefined ? [] : [context(0, enumerated(fields.state))]),
      ...(fields.mechanism === undefined ? [] : [context(1, oid(fields.mechanism))]),
      ...(fields.token === undefined ? [] : [context(2, octets(fields.token))]),
    ),
  )
}

/** A token of Kerberos in its frame; `id` is the number of the token, with its lower octet first. */
export function kerberosToken(message: Uint8Array, id = 0x0001): Uint8Array {
  return element(0x60, oid(OID_KERBEROS), le16(id), message)
}
