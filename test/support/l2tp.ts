/** Builds L2TPv2 control messages octet by octet, apart from the reader that the tests put to the test. */

export function fromHex(digits: string): Uint8Array {
  return new Uint8Array(Buffer.from(digits.replace(/\s+/g, ''), 'hex'))
}

export function octets16(value: number): number[] {
  return [(value >> 8) & 0xff, value & 0xff]
}

interface AvpOptions {
  readonly vendorId?: number
  readonly mandatory?: boolean
  readonly hidden?: boolean
  readonly reserved?: number
  /** What the header says, if not the truth. */
  readonly length?: number
}

export function avp(type: number, value: Iterable<number> | string, options: AvpOptions = {}): number[] {
  const octets = typeof value === 'string' ? [...Buffer.from(value)] : [...value]
  const { vendorId = 0, mandatory = true, hidden = false, reserved = 0, length = octets.length + 6 } = options
  const head = (mandatory ? 0x8000 : 0) | (hidden ? 0x4000 : 0) | (reserved << 10) | length
  return [...octets16(head), ...octets16(vendorId), ...octets16(type), ...octets]
}

/** A control message to tunnel 1, session 2, with Ns 3 and Nr 4. */
export function controlMessage(...avps: readonly number[][]): Uint8Array {
  const body = avps.flat()
  return Uint8Array.from([0xc8, 0x02, ...octets16(12 + body.length), 0, 1, 0, 2, 0, 3, 0, 4, ...body])
}
