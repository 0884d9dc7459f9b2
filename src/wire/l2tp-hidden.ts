/**
 * What the shared secret of a tunnel protects: hidden AVPs (RFC 2661 section 4.3) and tunnel authentication
 * (RFC 2661 sections 4.2 and 5.1.1). Both rest on MD5, so a sensor that was given the secret can check both.
 *
 * Nothing here keeps or shows a secret: answers name it by its place in the list of candidates.
 */
import { createHash } from 'node:crypto'
import { equal, u16 } from '../base/bytes.ts'
import { isPlausible } from './l2tp-attributes.ts'
import type { AvpCursor, Recovery } from './l2tp-avp.ts'

const BLOCK = 16
const ORIGINAL_LENGTH_OCTETS = 2

/**
 * Undoes the hiding of the AVP under the cursor with each candidate secret in turn.
 *
 * 'no_vector': no Random Vector stands before the AVP. 'no_secret': there is none to try. 'wrong_secret': with none
 * does the original length fit into the AVP and the value fit its attribute. Padding after the value is legal and left
 * off. The value is a fresh copy; whether it may be shown is for the reader of the attribute to say.
 */
export function recoverHidden(avp: AvpCursor, secrets: readonly Uint8Array[]): Recovery {
  if (!avp.hasVector) return { verdict: 'no_vector' }
  if (secrets.length === 0) return { verdict: 'no_secret' }
  for (let secretIndex = 0; secretIndex < secrets.length; secretIndex++) {
    const value = unhide(avp, secrets[secretIndex])
    if (value !== null && isPlausible(avp.vendorId, avp.type, value, 0, value.length)) {
      return { verdict: 'recovered', secretIndex, value }
    }
  }
  return { verdict: 'wrong_secret' }
}

/** The value, or null if under this secret the original length does not fit. */
function unhide(avp: AvpCursor, secret: Uint8Array): Uint8Array | null {
  const { bytes, valueStart, valueEnd } = avp
  const available = valueEnd - valueStart
  if (available < ORIGINAL_LENGTH_OCTETS) return null
  const attributeType = Uint8Array.of(avp.type >> 8, avp.type & 0xff)
  let mask = md5(attributeType, secret, bytes.subarray(avp.vectorStart, avp.vectorEnd))
  const plain = new Uint8Array(available)
  for (let block = 0; block < available; block += BLOCK) {
    // Each further block is masked by the cipher text before it.
    if (block > 0) mask = md5(secret, bytes.subarray(valueStart + block - BLOCK, valueStart + block))
    const blockEnd = Math.min(block + BLOCK, available)
    for (let i = block; i < blockEnd; i++) plain[i] = bytes[valueStart + i] ^ mask[i - block]
    if (block === 0 && u16(plain, 0) > available - ORIGINAL_LENGTH_OCTETS) return null
  }
  return plain.slice(ORIGINAL_LENGTH_OCTETS, ORIGINAL_LENGTH_OCTETS + u16(plain, 0))
}

/**
 * Whether the response proves knowledge of the secret: MD5(message type || secret || challenge).
 *
 * `messageType` is that of the message which carries the response (SCCRP 2, SCCCN 3): its low octet is the CHAP
 * identifier. A response that is not 16 octets long proves nothing.
 */
export function verifyChallengeResponse(
  messageType: number,
  secret: Uint8Array,
  challenge: Uint8Array,
  response: Uint8Array,
): boolean {
  if (response.length !== BLOCK) return false
  const expected = md5(Uint8Array.of(messageType & 0xff), secret, challenge)
  return equal(expected, 0, response, 0, BLOCK)
}

function md5(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('md5')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
