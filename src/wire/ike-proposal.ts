/**
 * What an SA payload offers or accepts: proposals, transforms and attributes of IKEv1 (RFC 2408, sections 3.4 to 3.6;
 * RFC 2407; RFC 2409, appendix A) and IKEv2 (RFC 7296, section 3.3), as plain records with names.
 */
import { hex, u16, u32 } from '../base/bytes.ts'
import {
  bitNames,
  type IkeAttributeNames,
  IKE_DOIS,
  IKE_PHASE1_ATTRIBUTES,
  IKE_PHASE2_ATTRIBUTES,
  IKE_SITUATIONS,
  IKE_V1_PROTOCOLS,
  IKE_V1_TRANSFORMS,
  IKE_V2_ATTRIBUTES,
  IKE_V2_PROTOCOLS,
  IKE_V2_TRANSFORM_TYPES,
  nameOf,
} from './ike-tables.ts'

/**
 * `ike.sa_length`: the SA payload ends before its fixed part does.
 * `ike.proposal_length`, `ike.transform_length`, `ike.attribute_length`: one ends outside of what holds it.
 * `ike.transform_count`: a proposal holds another number of transforms than it says.
 */
export type IkeSaFlaw =
  | 'ike.sa_length'
  | 'ike.proposal_length'
  | 'ike.transform_length'
  | 'ike.transform_count'
  | 'ike.attribute_length'

/** Where flaws are noted: an array of them, or of more. */
interface FlawList {
  push(flaw: IkeSaFlaw): unknown
}

export interface IkeAttribute {
  readonly type: number
  readonly name: string
  /** The value stands where the length would (the AF bit). */
  readonly isShort: boolean
  /** Octets of the value. */
  readonly length: number
  /** As a number if it fits 48 bits, otherwise in hexadecimal. */
  readonly value: number | string
  /** The value by its name in the registry, or as it is. */
  readonly text: string
}

export interface IkeTransform {
  /** IKEv1: the number of the transform in its proposal; IKEv2: 0. */
  readonly number: number
  /** With its header. */
  readonly length: number
  /** IKEv2: ENCR, PRF, INTEG, KE …; IKEv1: the name of the protocol. */
  readonly type: string
  /** IKEv2: the number of the type; IKEv1: that of the protocol. */
  readonly typeNumber: number
  readonly id: number
  readonly name: string
  readonly attributes: readonly IkeAttribute[]
}

export interface IkeProposal {
  readonly number: number
  /** With its header. */
  readonly length: number
  readonly protocol: string
  readonly protocolNumber: number
  readonly spi: string
  /** As the proposal says. */
  readonly transformCount: number
  readonly transforms: readonly IkeTransform[]
}

export interface IkeSa {
  /** IKEv1 only. */
  readonly doi?: string
  readonly doiNumber?: number
  readonly situation?: number
  readonly situationNames?: readonly string[]
  readonly proposals: readonly IkeProposal[]
}

/** Transforms of one SA payload that are looked at: no peer offers as many. */
const TRANSFORMS_MAX = 1024
const ATTRIBUTES_MAX = 64
const PROPOSAL_HEADER = 8
const TRANSFORM_HEADER = 8
const IPSEC_DOI = 1
const SITUATION_SECRECY = 2
const SITUATION_INTEGRITY = 4
const SITUATION_LABELLED = SITUATION_SECRECY | SITUATION_INTEGRITY

const ENCRYPTION = 1
const HASH = 2
const AUTHENTICATION = 3
const GROUP = 4
const KEY_LENGTH = 14
const LIFE_TYPE = 11
const LIFE_DURATION = 12

/** Reads the body of an SA payload (after its generic header). What stands before a flaw is kept. */
export function describeSa(version: number, bytes: Uint8Array, start: number, end: number, flaws: FlawList): IkeSa {
  if (version === 2) return { proposals: readProposals(2, bytes, start, end, flaws) }
  if (end - start < 8) {
    flaws.push('ike.sa_length')
    return { proposals: [] }
  }
  const doiNumber = u32(bytes, start)
  const doi = nameOf(IKE_DOIS, doiNumber)
  // The situation of another domain has a form of its own.
  if (doiNumber !== IPSEC_DOI) return { doi, doiNumber, proposals: [] }
  const situation = u32(bytes, start + 4)
  const situationNames = bitNames(IKE_SITUATIONS, situation)
  const at = afterLabels(situation, bytes, start + 8, end)
  if (at > end) flaws.push('ike.sa_length')
  const proposals = at > end ? [] : readProposals(1, bytes, at, end, flaws)
  return { doi, doiNumber, situation, situationNames, proposals }
}

/**
 * Where the proposals begin: behind the labelled domain, and behind a level and a bitmap of categories for each of secrecy and
 * integrity, if the situation has them (RFC 2407, section 4.6.1); past the end if one of these ends there.
 */
function afterLabels(situation: number, bytes: Uint8Array, start: number, end: number): number {
  let at = start
  if ((situation & SITUATION_LABELLED) === 0) return at
  at += 4
  for (const bit of [SITUATION_SECRECY, SITUATION_INTEGRITY]) {
    if ((situation & bit) === 0) continue
    for (const bitsPerUnit of [8, 1]) {
      if (end - at < 4) return end + 1
      const octets = Math.ceil((u16(bytes, at) * bitsPerUnit) / 8)
      at += 4 + Math.ceil(octets / 4) * 4
    }
  }
  return at
}

function readProposals(version: number, bytes: Uint8Array, start: number, end: number, flaws: FlawList): IkeProposal[] {
  const proposals: IkeProposal[] = []
  let transforms = 0
  for (let at = start; at < end && transforms < TRANSFORMS_MAX; ) {
    const length = end - at < PROPOSAL_HEADER ? 0 : u16(bytes, at + 2)
    const spiLength = length === 0 ? 0 : bytes[at + 6]
    if (length < PROPOSAL_HEADER + spiLength || at + length > end) {
      flaws.push('ike.proposal_length')
      break
    }
    const protocol = bytes[at + 5]
    const spiEnd = at + PROPOSAL_HEADER + spiLength
    const read = readTransforms(version, protocol, bytes, spiEnd, at + length, flaws)
    if (read.length !== bytes[at + 7]) flaws.push('ike.transform_count')
    proposals.push({
      number: bytes[at + 4],
      length,
      protocol: nameOf(version === 1 ? IKE_V1_PROTOCOLS : IKE_V2_PROTOCOLS, protocol),
      protocolNumber: protocol,
      spi: hex(bytes, at + PROPOSAL_HEADER, spiEnd),
      transformCount: bytes[at + 7],
      transforms: read,
    })
    transforms += read.length
    const isLast = bytes[at] === 0
    at += length
    if (isLast && at < end) flaws.push('ike.proposal_length')
    if (isLast) break
  }
  return proposals
}

function readTransforms(
  version: number,
  protocol: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  flaws: FlawList,
): IkeTransform[] {
  const transforms: IkeTransform[] = []
  for (let at = start; at < end && transforms.length < TRANSFORMS_MAX; ) {
    const length = end - at < TRANSFORM_HEADER ? 0 : u16(bytes, at + 2)
    if (length < TRANSFORM_HEADER || at + length > end) {
      flaws.push('ike.transform_length')
      break
    }
    const read = version === 1 ? readTransform1 : readTransform2
    transforms.push(read(protocol, bytes, at, at + length, flaws))
    const isLast = bytes[at] === 0
    at += length
    if (isLast && at < end) flaws.push('ike.transform_length')
    if (isLast) break
  }
  return transforms
}

function readTransform1(protocol: number, bytes: Uint8Array, at: number, end: number, flaws: FlawList): IkeTransform {
  const id = bytes[at + 5]
  const names = protocol === 1 ? IKE_PHASE1_ATTRIBUTES : IKE_PHASE2_ATTRIBUTES
  return {
    number: bytes[at + 4],
    length: end - at,
    type: nameOf(IKE_V1_PROTOCOLS, protocol),
    typeNumber: protocol,
    id,
    name: nameOf(IKE_V1_TRANSFORMS[protocol] ?? {}, id),
    attributes: readAttributes(names, bytes, at + TRANSFORM_HEADER, end, flaws),
  }
}

function readTransform2(_protocol: number, bytes: Uint8Array, at: number, end: number, flaws: FlawList): IkeTransform {
  const type = bytes[at + 4]
  const id = u16(bytes, at + 6)
  const [name, ids] = IKE_V2_TRANSFORM_TYPES[type] ?? [String(type), {}]
  const attributes = readAttributes(IKE_V2_ATTRIBUTES, bytes, at + TRANSFORM_HEADER, end, flaws)
  return { number: 0, length: end - at, type: name, typeNumber: type, id, name: nameOf(ids, id), attributes }
}

/** Reads data attributes (RFC 2408, section 3.3) to the end of what holds them. */
export function readAttributes(
  names: IkeAttributeNames,
  bytes: Uint8Array,
  start: number,
  end: number,
  flaws: FlawList,
): IkeAttribute[] {
  const attributes: IkeAttribute[] = []
  for (let at = start; at < end && attributes.length < ATTRIBUTES_MAX; ) {
    const isShort = (bytes[at] & 0x80) !== 0
    const length = isShort || end - at < 4 ? 0 : u16(bytes, at + 2)
    if (end - at < 4 + length) {
      flaws.push('ike.attribute_length')
      break
    }
    const type = u16(bytes, at) & 0x7fff
    const [name, values] = names[type] ?? [String(type)]
    const value = isShort ? u16(bytes, at + 2) : numberOrHex(bytes, at + 4, at + 4 + length)
    const text = typeof value === 'number' && values !== undefined ? nameOf(values, value) : String(value)
    attributes.push({ type, name, isShort, length: isShort ? 2 : length, value, text })
    at += 4 + length
  }
  return attributes
}

function numberOrHex(bytes: Uint8Array, start: number, end: number): number | string {
  if (end - start > 6 || end === start) return hex(bytes, start, end)
  let value = 0
  for (let at = start; at < end; at++) value = value * 256 + bytes[at]
  return value
}

/** The algorithms of one offer, in words and one by one. */
export interface IkeSuite {
  /** `AES-CBC-256/SHA2-256/modp2048/PSK`; IKEv2: `ENCR_AES_CBC_256/PRF_…/AUTH_…/curve25519`, alternatives joined by `+`. */
  readonly text: string
  readonly encryption: string | undefined
  /** IKEv1: the hash; IKEv2: the integrity algorithm. */
  readonly integrity: string | undefined
  readonly prf: string | undefined
  readonly group: string | undefined
  /** IKEv1 only: in IKEv2 it is not negotiated. */
  readonly authentication: string | undefined
  readonly lifetime: string | undefined
}

/** The suites of an SA payload: one a transform in IKEv1 phase 1, one a proposal in IKEv2 and in phase 2. */
export function suitesOf(sa: IkeSa): IkeSuite[] {
  const suites: IkeSuite[] = []
  for (const proposal of sa.proposals) {
    if (proposal.protocol === 'ISAKMP') for (const transform of proposal.transforms) suites.push(phase1Suite(transform))
    else suites.push(sa.doi === undefined ? version2Suite(proposal) : phase2Suite(proposal))
  }
  return suites
}

/** How many transforms an SA payload holds. */
export function transformCount(sa: IkeSa): number {
  let count = 0
  for (const proposal of sa.proposals) count += proposal.transforms.length
  return count
}

function phase1Suite({ attributes }: IkeTransform): IkeSuite {
  const of = (type: number) => attributes.find((attribute) => attribute.type === type)
  const keyLength = of(KEY_LENGTH)
  const cipher = of(ENCRYPTION)?.text
  const encryption = cipher === undefined || keyLength === undefined ? cipher : `${cipher}-${keyLength.text}`
  const integrity = of(HASH)?.text
  const group = of(GROUP)?.text
  const authentication = of(AUTHENTICATION)?.text
  const duration = of(LIFE_DURATION)
  const lifetime = duration === undefined ? undefined : `${duration.text} ${of(LIFE_TYPE)?.text ?? 'seconds'}`
  const text = joined([encryption, integrity, group, authentication])
  return { text, encryption, integrity, prf: undefined, group, authentication, lifetime }
}

function phase2Suite({ transforms }: IkeProposal): IkeSuite {
  const words = transforms.map(({ name, attributes }) => joined([name, ...attributes.map(({ text }) => text)]))
  return {
    text: words.join('+'),
    encryption: transforms[0]?.name,
    integrity: undefined,
    prf: undefined,
    group: undefined,
    authentication: undefined,
    lifetime: undefined,
  }
}

function version2Suite({ transforms }: IkeProposal): IkeSuite {
  const of = (type: string) => {
    const names = transforms.filter((transform) => transform.type === type).map(withKeyLength)
    return names.length === 0 ? undefined : names.join('+')
  }
  const encryption = of('ENCR')
  const prf = of('PRF')
  const integrity = of('INTEG')
  const group = of('KE')
  const additional = [1, 2, 3, 4, 5, 6, 7].map((n) => of(`ADDKE${n}`))
  return {
    text: joined([encryption, prf, integrity, group, ...additional, of('SN')]),
    encryption,
    integrity,
    prf,
    group,
    authentication: undefined,
    lifetime: undefined,
  }
}

function withKeyLength({ name, attributes }: IkeTransform): string {
  const keyLength = attributes.find((attribute) => attribute.type === KEY_LENGTH)
  return keyLength === undefined ? name : `${name}_${keyLength.text}`
}

function joined(words: readonly (string | undefined)[]): string {
  return words.filter((word) => word !== undefined).join('/')
}
