/**
 * The security blob of a login, as SMB, DCE/RPC and LDAP carry it: a token of SPNEGO, NTLM or Kerberos, read down to the
 * message of the mechanism.
 */
import type { BerFlaw } from './ber.ts'
import { describeKerberos, type KerberosFlaw, type KerberosRecord } from './kerberos.ts'
import type { Mutable } from './mutable.ts'
import { describeNtlm, type NtlmFlaw, type NtlmRecord } from './ntlm.ts'
import { describeGss } from './spnego.ts'

export interface SecurityBlob {
  readonly mechanisms?: readonly string[]
  readonly mechanism?: string
  /** What the negotiation says of itself: accept-completed, accept-incomplete, reject, request-mic. */
  readonly state?: string
  readonly ntlm?: NtlmRecord
  readonly kerberos?: KerberosRecord
  readonly flaw?: BerFlaw | NtlmFlaw | KerberosFlaw
  readonly isSnapped?: true
}

export function describeSecurityBlob(
  bytes: Uint8Array,
  start: number,
  end: number,
  wireEnd: number = end,
): SecurityBlob {
  const { token, ...negotiation } = describeGss(bytes, start, end, wireEnd)
  const blob: Mutable<SecurityBlob> = negotiation
  if (token?.kind === 'ntlm') {
    blob.ntlm = describeNtlm(bytes, token.start, token.end, token.wireEnd)
    if (blob.ntlm.flaw !== undefined) blob.flaw ??= blob.ntlm.flaw
  } else if (token?.kind === 'kerberos') {
    blob.kerberos = describeKerberos(bytes, token.start, token.end, token.wireEnd)
    if (blob.kerberos.flaw !== undefined) blob.flaw ??= blob.kerberos.flaw
  }
  return blob
}
