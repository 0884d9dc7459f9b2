/**
 * MD4 (RFC 1320): broken as a digest and alive as the password hash of NTLM and MS-CHAP. OpenSSL 3 hides its own in a
 * provider that nobody loads.
 */

const BLOCK = 64
/** Of the last block the length of the message takes eight octets. */
const LENGTH_AT = BLOCK - 8

/** Which word each of the 48 steps adds, round by round. */
const WORDS = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  ...[0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
  ...[0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
]
const ROTATIONS = [
  [3, 7, 11, 19],
  [3, 5, 9, 13],
  [3, 9, 11, 15],
]
/** Square roots of 2 and 3, which the last two rounds add. */
const CONSTANTS = [0, 0x5a827999, 0x6ed9eba1]

/** 16 octets. */
export function md4(message: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil((message.length + 9) / BLOCK) * BLOCK)
  padded.set(message)
  padded[message.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setBigUint64(padded.length - BLOCK + LENGTH_AT, BigInt(message.length) * 8n, true)
  const state = Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476)
  for (let at = 0; at < padded.length; at += BLOCK) mix(state, view, at)
  const digest = new DataView(new ArrayBuffer(16))
  for (let i = 0; i < 4; i++) digest.setUint32(i * 4, state[i], true)
  return new Uint8Array(digest.buffer)
}

function mix(state: Uint32Array, block: DataView, at: number): void {
  let [a, b, c, d] = state
  for (let step = 0; step < WORDS.length; step++) {
    const round = step >> 4
    const sum = a + combine(round, b, c, d) + block.getUint32(at + WORDS[step] * 4, true) + CONSTANTS[round]
    const bits = ROTATIONS[round][step & 3]
    const turned = (sum << bits) | ((sum | 0) >>> (32 - bits))
    ;[a, b, c, d] = [d, turned, b, c]
  }
  state[0] += a
  state[1] += b
  state[2] += c
  state[3] += d
}

function combine(round: number, x: number, y: number, z: number): number {
  if (round === 0) return (x & y) | (~x & z)
  return round === 1 ? (x & y) | (x & z) | (y & z) : x ^ y ^ z
}
