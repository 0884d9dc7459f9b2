/**
 * What the attributes of L2TPv3 hold beyond plain numbers and text (RFC 3931 section 5.4 and the documents that followed
 * it), and the code points of the pseudowire registries in words.
 *
 * Both versions share one registry of attributes, so the list itself stands in `l2tp-avp.ts`; here are the readers of the
 * values that have a structure of their own. Each is called with at least the octets that it asks for.
 */
import { hex, u16, u32, u64 } from '../base/bytes.ts'

type Words = Readonly<Record<number, string>>

/** Pseudowire types (IANA "L2TPv3 Pseudowire Types"). PPP and IP stand in expired drafts and are used all the same. */
export const PSEUDOWIRE = {
  FRAME_RELAY: 1,
  ATM_AAL5: 2,
  ATM_PORT: 3,
  ETHERNET_VLAN: 4,
  ETHERNET: 5,
  HDLC: 6,
  PPP: 7,
  ATM_VCC: 9,
  ATM_VPC: 10,
  IP: 11,
  MPEG_TS: 12,
  PSP: 13,
} as const

export const PSEUDOWIRE_TYPES = {
  1: 'Frame Relay DLCI',
  2: 'ATM AAL5 SDU VCC transport',
  3: 'ATM cell transparent port mode',
  4: 'Ethernet VLAN',
  5: 'Ethernet',
  6: 'HDLC',
  7: 'PPP',
  9: 'ATM cell transport VCC mode',
  10: 'ATM cell transport VPC mode',
  11: 'IP',
  12: 'MPEG-TS payload (MPT)',
  13: 'Packet Streaming Protocol (PSP)',
  17: 'structure-agnostic E1 circuit',
  18: 'structure-agnostic T1 circuit',
  19: 'structure-agnostic E3 circuit',
  20: 'structure-agnostic T3 circuit',
  21: 'CESoPSN basic mode',
  23: 'CESoPSN TDM with CAS',
} as const satisfies Words

/** L2-Specific Sublayer types (IANA registry; MPT and PSP are CableLabs'). */
export const SUBLAYER = { NONE: 0, DEFAULT: 1, ATM: 2, MPT: 3, PSP: 4 } as const
export const SUBLAYER_TYPES = {
  0: 'none',
  1: 'default',
  2: 'ATM',
  3: 'MPT',
  4: 'PSP',
} as const satisfies Words

/** Data Sequencing levels (RFC 3931 section 5.4.4). */
const SEQUENCING_LEVELS = { 0: 'none', 1: 'non-IP data', 2: 'all data' } as const satisfies Words

/** What the codes of these attributes mean, by the name of the attribute. */
const MEANINGS: Readonly<Record<string, Words>> = {
  pseudowireType: PSEUDOWIRE_TYPES,
  ciscoPseudowireType: PSEUDOWIRE_TYPES,
  pseudowireCapabilities: PSEUDOWIRE_TYPES,
  ciscoPseudowireCapabilities: PSEUDOWIRE_TYPES,
  l2SpecificSublayer: SUBLAYER_TYPES,
  dataSequencing: SEQUENCING_LEVELS,
}

/** A code, or each of a list, in words; undefined where there is nothing to say. */
export function meaningOf(name: string, value: unknown): string | undefined {
  const words = MEANINGS[name]
  if (words === undefined) return undefined
  if (typeof value === 'number') return words[value] ?? 'unassigned'
  if (!Array.isArray(value)) return undefined
  return value.map((code: number) => words[code] ?? 'unassigned').join(', ')
}

/** The name of a pseudowire type, or its number. */
export function pseudowireName(type: number): string {
  const names: Words = PSEUDOWIRE_TYPES
  return names[type] ?? `type ${type}`
}

/** The name of an L2-specific sublayer, or its number. */
export function sublayerName(type: number): string {
  const names: Words = SUBLAYER_TYPES
  return names[type] ?? `type ${type}`
}

/** Circuit Status: A and N of RFC 3931 section 5.4.5, the faults of RFC 5641 section 2. */
const CIRCUIT_STATUS_BITS = [
  [0x0001, 'active'],
  [0x0002, 'new'],
  [0x0004, 'circuit receive fault'],
  [0x0008, 'circuit transmit fault'],
  [0x0010, 'network receive fault'],
  [0x0020, 'network transmit fault'],
  [0x0040, 'standby'],
] as const
/** VCCV control channels and connectivity checks (RFC 5085, RFC 5885). */
const VCCV_CHANNEL_BITS = [[0x01, 'V bit']] as const
const VCCV_CHECK_BITS = [
  [0x01, 'ICMP ping'],
  [0x04, 'BFD over IP, fault detection'],
  [0x08, 'BFD over IP, fault detection and status'],
  [0x10, 'BFD, fault detection'],
  [0x20, 'BFD, fault detection and status'],
] as const
/** Failover Capability (RFC 4951 section 5.1). */
const FAILOVER_BITS = [
  [0x0001, 'data channel'],
  [0x0002, 'control channel'],
] as const

type BitNames = readonly (readonly [bit: number, name: string])[]

function bitNames(names: BitNames, bits: number): readonly string[] {
  const set: string[] = []
  let unnamed = bits
  for (const [bit, name] of names) {
    if (bits & bit) set.push(name)
    unnamed &= ~bit
  }
  if (unnamed !== 0) set.push(`0x${unnamed.toString(16).padStart(4, '0')}`)
  return set
}

/** A vendor's attribute whose number needs 32 bits (RFC 3931 section 5.1). */
export interface ExtendedVendorAvp {
  readonly extendedVendorId: number
  readonly extendedType: number
  readonly extendedValue: string
}

/** ATM Alarm Status (RFC 4454). */
export interface AtmAlarmStatus {
  readonly circuitStatusReason: number
  readonly alarm: number
}

export interface VccvCapability {
  readonly controlChannels: readonly string[]
  readonly connectivityChecks: readonly string[]
}

/** Connect Speed Update (RFC 5515), with the widths of version 2 or of version 3. In bits a second. */
export interface ConnectSpeedUpdate {
  readonly updatedSessionId: number
  readonly currentTxSpeed: number
  readonly currentRxSpeed: number
}

/** Failover Capability (RFC 4951 section 5.1). */
export interface FailoverCapability {
  readonly failover: readonly string[]
  readonly recoveryTimeMs: number
}

/** Two ids behind two reserved octets: of version 2 with 16 bits each, of version 3 with 32. */
export interface IdPair {
  readonly id: number
  readonly remoteId: number
}

/** Suggested Control Sequence (RFC 4951 section 5.3). */
export interface ControlSequence {
  readonly suggestedNs: number
  readonly suggestedNr: number
}

/** The longest value that fits into the ten bits of an AVP's length. */
const VALUE_MAX = 1017

/** Kinds of values, to be added to those of `l2tp-avp.ts`: how many octets, [least, most], and how they are read. */
export const L2TPV3_KINDS = {
  extendedVendor: { octets: [6, VALUE_MAX], read: readExtendedVendor },
  circuitStatus: { octets: [2, 2], read: (bytes, at) => bitNames(CIRCUIT_STATUS_BITS, u16(bytes, at)) },
  atmAlarmStatus: { octets: [4, 4], read: readAtmAlarmStatus },
  vccv: { octets: [2, 2], read: readVccv },
  connectSpeedUpdate: { octets: [12, 20], read: readConnectSpeedUpdate },
  failoverCapability: { octets: [6, 6], read: readFailoverCapability },
  idPair: { octets: [6, 10], read: readIdPair },
  controlSequence: { octets: [6, 6], read: readControlSequence },
  u32List: { octets: [4, VALUE_MAX], read: readU32List },
} as const satisfies Record<string, Kind>

interface Kind {
  readonly octets: readonly [min: number, max: number]
  readonly read: (bytes: Uint8Array, start: number, end: number) => object
}

function readExtendedVendor(bytes: Uint8Array, start: number, end: number): ExtendedVendorAvp {
  return {
    extendedVendorId: u32(bytes, start),
    extendedType: u16(bytes, start + 4),
    extendedValue: hex(bytes, start + 6, end),
  }
}

function readAtmAlarmStatus(bytes: Uint8Array, start: number): AtmAlarmStatus {
  return { circuitStatusReason: u16(bytes, start), alarm: u16(bytes, start + 2) }
}

function readVccv(bytes: Uint8Array, start: number): VccvCapability {
  return {
    controlChannels: bitNames(VCCV_CHANNEL_BITS, bytes[start]),
    connectivityChecks: bitNames(VCCV_CHECK_BITS, bytes[start + 1]),
  }
}

function readConnectSpeedUpdate(bytes: Uint8Array, start: number, end: number): ConnectSpeedUpdate {
  if (end - start < 20) {
    return {
      updatedSessionId: u16(bytes, start + 2),
      currentTxSpeed: u32(bytes, start + 4),
      currentRxSpeed: u32(bytes, start + 8),
    }
  }
  return {
    updatedSessionId: u32(bytes, start),
    currentTxSpeed: Number(u64(bytes, start + 4)),
    currentRxSpeed: Number(u64(bytes, start + 12)),
  }
}

function readFailoverCapability(bytes: Uint8Array, start: number): FailoverCapability {
  return { failover: bitNames(FAILOVER_BITS, u16(bytes, start)), recoveryTimeMs: u32(bytes, start + 2) }
}

function readIdPair(bytes: Uint8Array, start: number, end: number): IdPair {
  if (end - start < 10) return { id: u16(bytes, start + 2), remoteId: u16(bytes, start + 4) }
  return { id: u32(bytes, start + 2), remoteId: u32(bytes, start + 6) }
}

function readControlSequence(bytes: Uint8Array, start: number): ControlSequence {
  return { suggestedNs: u16(bytes, start + 2), suggestedNr: u16(bytes, start + 4) }
}

function readU32List(bytes: Uint8Array, start: number, end: number): readonly number[] {
  const list: number[] = []
  for (let at = start; at + 4 <= end; at += 4) list.push(u32(bytes, at))
  return list
}
