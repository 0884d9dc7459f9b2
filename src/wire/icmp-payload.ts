/**
 * What an echo request carries (RFC 792, RFC 4443 section 4). The ping of every system fills it after a pattern of its own;
 * what follows none, or comes back other than it went, is how data is carried through ICMP.
 */

export type PingPattern =
  /** Nothing, as the sweeps of scanners send it. */
  | 'empty'
  /** Windows: `abcdefghijklmnopqrstuvw`, again and again. */
  | 'windows'
  /** Linux, BSD and macOS: a time stamp, then each octet its own place. */
  | 'counting'
  /** One octet all along, after a time stamp or without one. */
  | 'uniform'
  /** No longer than the time stamp that ping measures with. */
  | 'short'
  /** Cisco IOS: `abcd` as hexadecimal digits, again and again. */
  | 'cisco'
  | 'other'

const ALPHABET_LENGTH = 23
const LETTER_A = 0x61
/** Time stamps are this long: none, 32 bits, a pair of 32 bits, a pair of 64. */
const STAMP_LENGTHS = [0, 4, 8, 16] as const
/** A time stamp alone: the shortest payload with which ping measures. */
const STAMP_MAX = 16

/** Which pattern the octets follow. */
export function pingPattern(bytes: Uint8Array, start: number, end: number): PingPattern {
  if (start === end) return 'empty'
  if (isAlphabet(bytes, start, end)) return 'windows'
  for (const stamp of STAMP_LENGTHS) {
    // A pattern of one or two octets is none yet, unless there is nothing but the time.
    const isLongEnough = end - start - stamp >= (stamp === 0 ? 4 : 3)
    if (isLongEnough && isCounting(bytes, start, start + stamp, end)) return 'counting'
    if (isLongEnough && isUniform(bytes, start + stamp, end)) return 'uniform'
  }
  if (isCisco(bytes, start, end)) return 'cisco'
  return end - start <= STAMP_MAX ? 'short' : 'other'
}

function isAlphabet(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    if (bytes[at] !== LETTER_A + ((at - start) % ALPHABET_LENGTH)) return false
  }
  return true
}

/** Each octet is its place in the payload, or its place after the time stamp. */
function isCounting(bytes: Uint8Array, start: number, from: number, end: number): boolean {
  const first = bytes[from]
  if (first !== ((from - start) & 0xff) && first !== 0 && first !== 1) return false
  for (let at = from; at < end; at++) if (bytes[at] !== ((first + at - from) & 0xff)) return false
  return true
}

function isUniform(bytes: Uint8Array, from: number, end: number): boolean {
  for (let at = from; at < end; at++) if (bytes[at] !== bytes[from]) return false
  return true
}

/** IOS writes eight octets of its own before its pattern. */
function isCisco(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 12) return false
  for (let at = start + 8; at < end; at++) if (bytes[at] !== ((at - start) % 2 === 0 ? 0xab : 0xcd)) return false
  return true
}

export interface PayloadMeasures {
  readonly length: number
  /** How many different octets there are. */
  readonly distinct: number
  /** How many are printable characters. */
  readonly printable: number
}

const seen = new Uint8Array(256)

export function measurePayload(bytes: Uint8Array, start: number, end: number): PayloadMeasures {
  seen.fill(0)
  let distinct = 0
  let printable = 0
  for (let at = start; at < end; at++) {
    const octet = bytes[at]
    if (seen[octet] === 0) {
      seen[octet] = 1
      distinct++
    }
    if (octet >= 0x20 && octet < 0x7f) printable++
  }
  return { length: end - start, distinct, printable }
}
