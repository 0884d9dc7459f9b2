/** Capture files from packets, byte for byte: what the tests read, and what they damage. */

export interface CapturedPacket {
  /** Microseconds since 1970. */
  readonly timeUs: number
  /** Nanoseconds beyond that; kept by files with nanoseconds. */
  readonly timeNs?: number
  readonly bytes: Uint8Array
  /** The length on the wire; that of `bytes` when absent. */
  readonly originalLength?: number
  /** pcapng: the interface, 0 when absent. */
  readonly interfaceId?: number
  readonly comment?: string
}

export interface PcapOptions {
  /** LINKTYPE_ number; Ethernet when absent. */
  readonly linkType?: number
  readonly nanoseconds?: boolean
  readonly bigEndian?: boolean
  /** The variant with 24-byte record headers. */
  readonly modified?: boolean
  readonly snapLength?: number
  readonly minorVersion?: number
  readonly packets: readonly CapturedPacket[]
}

export interface PcapngInterface {
  readonly linkType?: number
  readonly snapLength?: number
  readonly name?: string
  readonly filter?: string
  /** The octet of if_tsresol; microseconds when absent. */
  readonly resolution?: number
  readonly offsetSeconds?: number
}

export interface PcapngOptions {
  readonly bigEndian?: boolean
  readonly application?: string
  readonly os?: string
  readonly comment?: string
  /** One Ethernet interface with nanoseconds when absent. */
  readonly interfaces?: readonly PcapngInterface[]
  readonly packets: readonly CapturedPacket[]
}

const ETHERNET = 1
const SNAP_LENGTH = 262_144
const NANOSECONDS = 9

export function pcapFile(options: PcapOptions): Uint8Array {
  const isBig = options.bigEndian ?? false
  const nanoseconds = options.nanoseconds ?? false
  const magic = options.modified ? 0xa1b2cd34 : nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4
  const parts = [
    u32(magic, isBig),
    u16(2, isBig),
    u16(options.minorVersion ?? 4, isBig),
    u32(0, isBig),
    u32(0, isBig),
    u32(options.snapLength ?? SNAP_LENGTH, isBig),
    u32(options.linkType ?? ETHERNET, isBig),
  ]
  for (const { timeUs, timeNs, bytes, originalLength } of options.packets) {
    const fraction = timeUs % 1e6
    parts.push(
      u32(Math.floor(timeUs / 1e6), isBig),
      u32(nanoseconds ? fraction * 1000 + (timeNs ?? 0) : fraction, isBig),
      u32(bytes.length, isBig),
      u32(originalLength ?? bytes.length, isBig),
      new Uint8Array(options.modified ? 8 : 0),
      bytes,
    )
  }
  return join(parts)
}

/** One section: its header, its interfaces, and an Enhanced Packet Block a packet. */
export function pcapngFile(options: PcapngOptions): Uint8Array {
  const isBig = options.bigEndian ?? false
  const interfaces = options.interfaces ?? [{ resolution: NANOSECONDS }]
  const blocks = [sectionHeader(options, isBig), ...interfaces.map((declared) => interfaceDescription(declared, isBig))]
  for (const packet of options.packets) {
    const resolution = interfaces[packet.interfaceId ?? 0]?.resolution ?? 6
    const nanoseconds = BigInt(packet.timeUs) * 1000n + BigInt(packet.timeNs ?? 0)
    blocks.push(enhancedPacket(packet, ticksOf(nanoseconds, resolution), isBig))
  }
  return join(blocks)
}

export function sectionHeader(options: Omit<PcapngOptions, 'packets'>, isBig = false): Uint8Array {
  const versionAndLength = [u16(1, isBig), u16(0, isBig), u32(0xffffffff, isBig), u32(0xffffffff, isBig)]
  const texts = [
    ...textOption(1, options.comment, isBig),
    ...textOption(3, options.os, isBig),
    ...textOption(4, options.application, isBig),
  ]
  return pcapngBlock(0x0a0d0d0a, join([u32(0x1a2b3c4d, isBig), ...versionAndLength, ...texts]), isBig)
}

export function interfaceDescription(declared: PcapngInterface, isBig = false): Uint8Array {
  const { resolution, offsetSeconds, filter } = declared
  const parts = [
    u16(declared.linkType ?? ETHERNET, isBig),
    u16(0, isBig),
    u32(declared.snapLength ?? SNAP_LENGTH, isBig),
    ...textOption(2, declared.name, isBig),
    ...textOption(11, filter === undefined ? undefined : `\0${filter}`, isBig),
  ]
  if (resolution !== undefined) parts.push(pcapngOption(9, Uint8Array.of(resolution), isBig))
  if (offsetSeconds !== undefined)
    parts.push(pcapngOption(14, u64(BigInt.asUintN(64, BigInt(offsetSeconds)), isBig), isBig))
  if (parts.length > 3) parts.push(pcapngOption(0, new Uint8Array(0), isBig))
  return pcapngBlock(1, join(parts), isBig)
}

/** `ticks` is the timestamp in the unit of the interface. */
export function enhancedPacket(packet: Omit<CapturedPacket, 'timeUs'>, ticks: bigint, isBig = false): Uint8Array {
  const { bytes, originalLength, interfaceId, comment } = packet
  const head = [u32(interfaceId ?? 0, isBig), u32(Number(ticks >> 32n), isBig), u32(Number(ticks & 0xffffffffn), isBig)]
  const lengths = [u32(bytes.length, isBig), u32(originalLength ?? bytes.length, isBig)]
  return pcapngBlock(6, join([...head, ...lengths, padded(bytes), ...textOption(1, comment, isBig)]), isBig)
}

export function pcapngBlock(type: number, body: Uint8Array, isBig = false): Uint8Array {
  const content = padded(body)
  const length = u32(content.length + 12, isBig)
  return join([u32(type, isBig), length, content, length])
}

export function pcapngOption(code: number, value: Uint8Array, isBig = false): Uint8Array {
  return join([u16(code, isBig), u16(value.length, isBig), padded(value)])
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

export function u16(value: number, isBig = false): Uint8Array {
  const bytes = new Uint8Array(2)
  new DataView(bytes.buffer).setUint16(0, value, !isBig)
  return bytes
}

export function u32(value: number, isBig = false): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, !isBig)
  return bytes
}

export function u64(value: bigint, isBig = false): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value, !isBig)
  return bytes
}

function textOption(code: number, value: string | undefined, isBig: boolean): Uint8Array[] {
  return value === undefined ? [] : [pcapngOption(code, new TextEncoder().encode(value), isBig)]
}

function padded(bytes: Uint8Array): Uint8Array {
  return join([bytes, new Uint8Array(-bytes.length & 3)])
}

function ticksOf(nanoseconds: bigint, resolution: number): bigint {
  const exponent = BigInt(resolution & 0x7f)
  const perSecond = resolution & 0x80 ? 2n ** exponent : 10n ** exponent
  return (nanoseconds * perSecond) / 1_000_000_000n
}
