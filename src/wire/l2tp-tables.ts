/** What code points of L2TP control messages stand for: results, errors, causes, methods of authentication. */

export type Words = Readonly<Record<number, string>>

/** Result codes of StopCCN (RFC 2661 section 4.4.2, RFC 3308). */
export const STOPCCN_RESULTS = {
  0: 'reserved',
  1: 'general request to clear control connection',
  2: 'general error',
  3: 'control connection already exists',
  4: 'requester not authorized to establish a control connection',
  5: 'protocol version of requester not supported',
  6: 'requester is being shut down',
  7: 'finite state machine error or timeout',
  8: 'mismatching CCDS value',
} as const satisfies Words

/** Result codes of CDN (RFC 2661 section 4.4.2 and the documents that extended it). */
export const CDN_RESULTS = {
  0: 'reserved',
  1: 'loss of carrier or circuit disconnect',
  2: 'general error',
  3: 'administrative reasons',
  4: 'no appropriate facilities available, temporary condition',
  5: 'no appropriate facilities available, permanent condition',
  6: 'invalid destination',
  7: 'no carrier detected',
  8: 'busy signal detected',
  9: 'no dial tone',
  10: 'call not established within the time allotted by the LAC',
  11: 'no appropriate framing detected',
  12: 'mismatching SDS value',
  13: 'losing tie breaker',
  14: 'unsupported pseudowire type',
  15: 'sequencing required without valid L2-Specific Sublayer',
  16: 'finite state machine error or timeout',
  17: 'Frame Relay PVC deleted permanently',
  18: 'Frame Relay PVC inactive for an extended period',
  19: 'mismatched Frame Relay header length',
  20: 'HDLC link deleted permanently',
  21: 'HDLC link inactive for an extended period',
  22: 'OAM cell emulation not supported by the other end',
  23: 'mismatching interface MTU',
  24: 'attempt to connect to non-existent forwarder',
  25: 'attempt to connect to unauthorized forwarder',
  26: 'loop detected',
  27: 'attachment circuit bound to different PE',
  28: 'attachment circuit bound to different remote attachment circuit',
  30: 'refused because of TDM pseudowire parameters',
  31: 'sequencing not supported',
} as const satisfies Words

/** Result codes of the end of a multicast session, MSEN (RFC 4045). */
const MSEN_RESULTS = {
  0: 'reserved',
  1: 'no multicast traffic for the group',
  2: 'general error',
  3: 'no more receivers',
  4: 'no more receivers, filter mode changed',
} as const satisfies Words

/** General error codes (RFC 2661 section 4.4.2, RFC 3931 section 5.4.2, tunnel switching). */
export const ERROR_CODES = {
  0: 'no general error',
  1: 'no control connection exists yet',
  2: 'length is wrong',
  3: 'field value out of range or reserved field not zero',
  4: 'insufficient resources',
  5: 'invalid session ID',
  6: 'vendor-specific error',
  7: 'try another',
  8: 'unknown AVP with the M bit',
  9: 'try another directed',
  10: 'next hop unreachable',
  11: 'next hop busy',
  12: 'tunnel switching aggregator busy',
} as const satisfies Words

/** PPP disconnect cause codes (RFC 3145 section 3). */
export const DISCONNECT_CAUSES = {
  0: 'no information available',
  1: 'administrative disconnect',
  2: 'LCP renegotiation at LNS disabled and no proxy LCP information',
  3: 'normal disconnection, LCP Terminate-Request sent',
  4: 'compulsory encryption refused',
  5: 'LCP timeout',
  6: 'no recognizable LCP packets received',
  7: 'LCP magic number error, link possibly looped back',
  8: 'LCP echo request timeout',
  9: 'unexpected endpoint discriminator for existing multilink bundle',
  10: 'unexpected MRRU for existing multilink bundle',
  11: 'unexpected short sequence number option for existing multilink bundle',
  12: 'compulsory call-back refused',
  13: 'authentication timeout',
  14: 'unexpected authenticated name for existing multilink bundle',
  15: 'authentication protocol unacceptable',
  16: 'authentication failed: bad name, password or secret',
  17: 'NCP timeout',
  18: 'no NCPs available',
  19: 'NCP failed to converge on acceptable addresses',
  20: 'user not permitted to use any addresses',
} as const satisfies Words

/** Proxy Authen Type (RFC 2661 section 4.4.5 and the registry). */
export const PROXY_AUTHEN_TYPES = {
  0: 'reserved',
  1: 'textual exchange',
  2: 'PPP CHAP',
  3: 'PPP PAP',
  4: 'none',
  5: 'MS-CHAPv1',
  7: 'EAP',
} as const satisfies Words

export function inWords(table: Words, code: number): string | undefined {
  return table[code]
}

/** The words for a result code depend on the message that carries it. */
export function resultInWords(messageType: number | undefined, code: number): string | undefined {
  if (messageType === 4) return inWords(STOPCCN_RESULTS, code)
  if (messageType === 14) return inWords(CDN_RESULTS, code)
  if (messageType === 27) return inWords(MSEN_RESULTS, code)
  return undefined
}
