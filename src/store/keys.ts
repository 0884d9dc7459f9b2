/**
 * Keys: tokens of the full-text index that stand for whole values, so that events are found by an address, a user or the id
 * of a tunnel. A key may stand for more than one value; whoever finds an event by it looks at the value itself.
 *
 * The first character tells a key from a word, for it is in no word (see `words.ts`).
 */
import { FIELDS, type FieldName } from '../events/fields.ts'
import type { StoredRange } from './address.ts'

const TEXT = '§'
const IPV4 = '¤'
const IPV6 = '¥'
/** The first characters of keys. */
export const KEY_MARKS = [TEXT, IPV4, IPV6] as const

/** Beside addresses, the fields whose values have keys. */
const KEYED: ReadonlySet<FieldName> = new Set<FieldName>([
  'user.name',
  'ike.uid',
  'esp.tunnel.uid',
  'l2tp.tunnel.uid',
  'l2tp.session.uid',
  'flow.uid',
  'borescope.lineage',
  'related.user',
  'related.hosts',
  'alert.evidence',
])

/** Characters of a text that its key holds; the index cuts tokens at 32 KiB. */
const TEXT_MAX = 64
/** What the tokeniser would take for a gap between words, and what is no character of UTF-8. */
const NO_TOKEN = /[^\w\u0080-\ud7ff\ue000-\uffff]/g
/** Networks with more addresses are not looked up: most events may be of them. */
const IPV4_RANGE_MAX = 2 ** 20
/** The octets that first and last address of an IPv6 network have in common, if it is looked up. */
const IPV6_PREFIX_MIN = 4

export function isKeyed(field: FieldName): boolean {
  return KEYED.has(field) || FIELDS[field].kind.startsWith('ip')
}

/** The key of a text. That of a beginning of the text is a beginning of it. */
export function textKey(text: string): string {
  const token = text.slice(0, TEXT_MAX).replace(NO_TOKEN, '_')
  return TEXT + token.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

/** The key of a stored address; keys have the order of addresses. */
export function storedAddressKey(stored: number | Uint8Array): string {
  if (typeof stored === 'number') return IPV4 + stored.toString(16).padStart(8, '0')
  return IPV6 + Buffer.from(stored).toString('hex')
}

/** First and last key of a range of addresses, for each family that it meets; null if it is too wide to be looked up. */
export function keyRanges({ v4, v6 }: StoredRange): [from: string, to: string][] | null {
  const ranges: [string, string][] = []
  if (v4 !== null) {
    if (v4[1] - v4[0] >= IPV4_RANGE_MAX) return null
    ranges.push([storedAddressKey(v4[0]), storedAddressKey(v4[1])])
  }
  if (v6 !== null) {
    const [from, to] = v6
    for (let i = 0; i < IPV6_PREFIX_MIN; i++) if (from[i] !== to[i]) return null
    ranges.push([storedAddressKey(from), storedAddressKey(to)])
  }
  return ranges
}
