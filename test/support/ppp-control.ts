/** Packets with the header that PPP's control and authentication protocols share (RFC 1661 section 5). */
import { be16, fromHex } from './craft.ts'

/** `data` in hex digits. */
export function controlPacket(code: number, identifier: number, data: string): Uint8Array {
  const octets = fromHex(data)
  return Uint8Array.from([code, identifier, ...be16(4 + octets.length), ...octets])
}

/** Text as hex digits. */
export function ascii(words: string): string {
  return Buffer.from(words).toString('hex')
}

/** Configure-Request of a Windows client that asks for MS-CHAPv2 and offers CBCP and multilink. */
export const LCP_REQUEST = fromHex(`01 07 0033
  01 04 0578  02 06 00000000  03 05 c223 81  05 06 6f023e93  07 02  08 02  0d 03 06
  11 04 064e  12 02  13 0d 01 43afb3ddf1d34ff2a0f0`)

/** MS-CHAPv2 by the example of RFC 2759 section 9.2, in hex digits, and the messages that answer it. */
export const PEER_CHALLENGE = '21402324255e262a28295f2b3a337c7e'
export const NT_RESPONSE = '82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df'
export const V2_RESPONSE = `${PEER_CHALLENGE}${'00'.repeat(8)}${NT_RESPONSE}00`
export const SUCCESS = 'S=407A5589115FD0D6209F510FE9C04566932CDA56 M=Welcome'
export const FAILURE = 'E=691 R=1 C=0102030405060708090A0B0C0D0E0F10 V=3 M=Access denied: C=x R=0'
