/** Builds BER elements, and the little-endian pieces of Windows' protocols. */
import { concat } from './craft.ts'

type Content = Uint8Array | readonly Uint8Array[]

function flat(content: readonly Content[]): Uint8Array {
  return concat(...content.flatMap((part) => (part instanceof Uint8Array ? [part] : [...part])))
}

/** One element, with the shortest length. */
export function element(tag: number, ...content: readonly Content[]): Uint8Array {
  const value = flat(content)
  return concat(Uint8Array.of(tag, ...lengthOctets(value.length)), value)
}

function lengthOctets(length: number): number[] {
  if (length < 0x80) return [length]
  if (length < 0x100) return [0x81, length]
  if (length < 0x1_0000) return [0x82, length >> 8, length & 255]
  return [0x83, length >> 16, (length >> 8) & 255, length & 255]
}

export function sequence(...content: readonly Content[]): Uint8Array {
  return element(0x30, ...content)
}

export function context(number: number, ...content: readonly Content[]): Uint8Array {
  return element(0xa0 | number, ...content)
}

export function application(number: number, ...content: readonly Content[]): Uint8Array {
  return element(0x60 | number, ...content)
}

export function integer(value: number, tag = 0x02): Uint8Array {
  const octets = [value & 255]
  for (let rest = Math.floor(value / 256); !(rest === 0 && octets[0] < 128) && !(rest === -1 && octets[0] > 127); ) {
    octets.unshift(rest & 255)
    rest = Math.floor(rest / 256)
  }
  return element(tag, Uint8Array.from(octets))
}

export function enumerated(value: number): Uint8Array {
  return integer(value, 0x0a)
}

export function boolean(value: boolean): Uint8Array {
  return element(0x01, Uint8Array.of(value ? 255 : 0))
}

export function octets(value: Uint8Array | string, tag = 0x04): Uint8Array {
  return element(tag, typeof value === 'string' ? Buffer.from(value) : value)
}

export function generalString(value: string): Uint8Array {
  return octets(value, 0x1b)
}

export function bitString(word: number): Uint8Array {
  return element(0x03, Uint8Array.of(0), le32(word).toReversed())
}

export function oid(dotted: string): Uint8Array {
  const [first, second, ...rest] = dotted.split('.').map(Number)
  return element(0x06, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)))
}

function base128(arc: number): number[] {
  const septets = [arc & 127]
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) septets.unshift((rest & 127) | 128)
  return septets
}

export function le16(value: number): Uint8Array {
  return Uint8Array.of(value & 255, (value >>> 8) & 255)
}

export function le32(value: number): Uint8Array {
  return Uint8Array.of(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24)
}

export function le64(value: number): Uint8Array {
  return concat(le32(value >>> 0), le32(Math.floor(value / 0x1_0000_0000)))
}

export function utf16le(value: string): Uint8Array {
  return Uint8Array.from(Buffer.from(value, 'utf16le'))
}

/** With the first three groups in little-endian order, as Windows writes them. */
export function uuid(digits: string): Uint8Array {
  const bytes = Buffer.from(digits.replaceAll('-', ''), 'hex')
  return concat(
    bytes.subarray(0, 4).toReversed(),
    bytes.subarray(4, 6).toReversed(),
    bytes.subarray(6, 8).toReversed(),
    bytes.subarray(8),
  )
}
