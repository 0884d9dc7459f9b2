/**
 * What the messages in the clear say of an IKE SA: what was offered and chosen, who the ends are, whether somebody translates
 * their addresses, and how the choice is worse than it could have been.
 */
import { hash } from 'node:crypto'
import { IKE_EXCHANGE, type IkeView } from '../wire/ike.ts'
import { isKeyExchangeLength } from '../wire/ike-check.ts'
import type { IkeDescription } from '../wire/ike-describe.ts'
import { IKE_NOTIFICATION } from '../wire/ike-notify.ts'
import type { IkePayload, IkePayloadOf } from '../wire/ike-payload.ts'
import { suitesOf, transformCount } from '../wire/ike-proposal.ts'
import { gradeOffer, gradeSuite, type IkeGrade, isOffered } from '../wire/ike-strength.ts'
import { vendorLabel } from '../wire/ike-vendor.ts'
import { BoundedMap } from './bounded-map.ts'
import { type Arrival, type End, type Exchange, isSetUp } from './ike-exchange.ts'
import { INITIATOR, RESPONDER, type Role } from './role.ts'

/**
 * `ike.choice_not_offered`: the responder chose what the initiator did not offer. `ike.choice_multiple`: it chose several
 * suites. `ike.ke_length`: of version 1, where the group was agreed on before the public values come.
 */
export type IkeLearnFinding = 'ike.choice_not_offered' | 'ike.choice_multiple' | 'ike.ke_length'

/** Suites that are told, and those that a choice is compared with. */
const OFFERS_TOLD = 64
const OFFERS_MAX = 256
const VENDORS_MAX = 32
const TEXT_MAX = 256
const GROUP = 4

const HASH_BY_LENGTH: Readonly<Record<number, string>> = {
  16: 'md5',
  20: 'sha1',
  32: 'sha256',
  48: 'sha384',
  64: 'sha512',
}

/** Takes what a message of `role` says; gives what is wrong with it for this SA. */
export function learn(
  arrival: Arrival,
  view: IkeView,
  exchange: Exchange,
  role: Role,
  { payloads }: IkeDescription,
): IkeLearnFinding[] {
  const end = exchange.ends[role]
  const findings: IkeLearnFinding[] = []
  for (const payload of payloads) {
    switch (payload.kind) {
      case 'sa':
        if (isSetUp(view)) learnSa(exchange, role, payload, findings)
        break
      case 'ke':
        if (isWrongLength(exchange, role, payload)) findings.push('ike.ke_length')
        break
      case 'vendor':
        learnVendor(end, payload, vendorLabel(view.bytes, payload.start, payload.end).slice(0, TEXT_MAX))
        break
      case 'id':
        end.identity = payload.value === '' ? undefined : payload.value.slice(0, TEXT_MAX)
        end.identityType = payload.idType
        break
      case 'cert':
        end.certificate ??= payload.certificate
        break
      case 'notify':
        if (view.version === 2) learnNotification(exchange, role, payload)
        break
      case 'hash':
        if (role === RESPONDER && payload.name === 'HASH' && view.exchangeType === IKE_EXCHANGE.AGGRESSIVE)
          exchange.isHashExposed = usesPsk(exchange)
        break
    }
  }
  learnNat(arrival, view, exchange, role, payloads)
  return findings
}

function learnSa(exchange: Exchange, role: Role, sa: IkePayloadOf<'sa'>, findings: IkeLearnFinding[]): void {
  const suites = suitesOf(sa)
  if (role === RESPONDER) {
    exchange.chosen = suites[0] ?? null
    exchange.chosenGrade = exchange.chosen === null ? null : gradeOf(exchange.chosen.text)
    exchange.chosenGroup = groupNumber(sa)
    if (suites.length > 1 || exchange.chosen?.text.includes('+') === true) findings.push('ike.choice_multiple')
    else compareChoice(exchange, findings)
    return
  }
  exchange.offeredCount = transformCount(sa)
  const texts = suites.map(({ text }) => text)
  exchange.offeredHash = hash('sha1', texts.join('\n')).slice(0, 16)
  const offer = offerOf(exchange.offeredHash, texts)
  exchange.offered = offer.texts
  exchange.offeredGrade = offer.grade
}

interface Offer {
  readonly texts: readonly string[]
  readonly grade: IkeGrade | null
}

/** Offers seen lately, by their hash: the SAs of one program, and those of a flood, offer the same, and share it. */
const OFFERS = new Map<string, Offer>()
const OFFERS_KEPT = 256

/** `key` is the hash of all the suites, `texts` begin with them. */
export function offerOf(key: string, texts: readonly string[]): Offer {
  const known = OFFERS.get(key)
  if (known !== undefined) return known
  if (OFFERS.size >= OFFERS_KEPT) OFFERS.delete(OFFERS.keys().next().value as string)
  const offer = { texts: texts.slice(0, OFFERS_MAX), grade: gradeOffer(texts.slice(0, OFFERS_MAX)) }
  OFFERS.set(key, offer)
  return offer
}

/** The same of suites that were chosen. */
const GRADES = new BoundedMap<string, IkeGrade>(OFFERS_KEPT)

export function gradeOf(suite: string): IkeGrade {
  const known = GRADES.get(suite)
  if (known !== undefined) return known
  const grade = gradeSuite(suite)
  GRADES.set(suite, grade)
  return grade
}

function compareChoice(exchange: Exchange, findings: IkeLearnFinding[]): void {
  const { chosen, chosenGrade, offered, offeredGrade } = exchange
  if (chosen === null || chosenGrade === null || offeredGrade === null || offered.length >= OFFERS_MAX) return
  if (chosenGrade.best < offeredGrade.best) note(exchange, 'weaker_than_offered')
  if (isOffered(chosen.text, offered)) return
  note(exchange, 'not_offered')
  findings.push('ike.choice_not_offered')
}

/** `weaker_than_offered`, `not_offered`, `weaker_group_requested`. */
function note(exchange: Exchange, how: string): void {
  exchange.downgrades = withNew(exchange.downgrades, how)
}

function withNew(list: readonly string[], text: string): readonly string[] {
  return list.length >= VENDORS_MAX || list.includes(text) ? list : [...list, text]
}

/** IKEv1 agrees on the group first; IKEv2 names it beside the value, where the message alone shows what is wrong. */
function groupNumber(sa: IkePayloadOf<'sa'>): number | undefined {
  if (sa.doi === undefined) return undefined
  const group = sa.proposals[0]?.transforms[0]?.attributes.find(({ type }) => type === GROUP)?.value
  return typeof group === 'number' ? group : undefined
}

function isWrongLength({ chosenGroup }: Exchange, role: Role, { dataLength }: IkePayloadOf<'ke'>): boolean {
  return chosenGroup !== undefined && !isKeyExchangeLength(chosenGroup, role === INITIATOR, dataLength)
}

function learnVendor(end: End, { vendor, vendorKind }: IkePayloadOf<'vendor'>, label: string): void {
  end.vendors = withNew(end.vendors, label)
  if (vendor !== undefined && vendorKind === 'product') end.products = withNew(end.products, label)
}

function learnNotification(exchange: Exchange, role: Role, payload: IkePayloadOf<'notify'>): void {
  const end = exchange.ends[role]
  switch (payload.notification) {
    case IKE_NOTIFICATION.COOKIE:
      if (role === RESPONDER) exchange.cookie ??= 'challenged'
      else if (exchange.cookie === 'challenged') exchange.cookie = 'returned'
      break
    case IKE_NOTIFICATION.INVALID_KE_PAYLOAD:
      if (role === RESPONDER) learnRequestedGroup(exchange, payload)
      break
    case IKE_NOTIFICATION.REDIRECT:
      if (role === RESPONDER && typeof payload.details?.gateway === 'string')
        exchange.redirect = payload.details.gateway.slice(0, TEXT_MAX)
      break
    case IKE_NOTIFICATION.USE_PPK:
    case IKE_NOTIFICATION.USE_PPK_INT:
      end.hasPpk = true
      break
    case IKE_NOTIFICATION.INTERMEDIATE_EXCHANGE_SUPPORTED:
      end.hasIntermediate = true
      break
  }
}

/** Anybody can ask for a weaker group in the responder's name; the initiator follows if he offered it. */
function learnRequestedGroup(exchange: Exchange, { details }: IkePayloadOf<'notify'>): void {
  const group = details?.group
  if (typeof group !== 'string') return
  exchange.requestedGroup = group
  const grade = gradeSuite(group)
  if (exchange.offeredGrade !== null && grade.best < exchange.offeredGrade.best)
    note(exchange, 'weaker_group_requested')
}

function usesPsk({ chosen }: Exchange): boolean {
  const method = chosen?.authentication
  return method === undefined || method.endsWith('PSK')
}

/**
 * NAT detection (RFC 3947, section 3.2; RFC 7296, section 2.23): the sender hashes both addresses as it knows them. Where
 * the hash is not that of the packet's address, somebody between the sender and here translated it.
 */
function learnNat(
  arrival: Arrival,
  view: IkeView,
  exchange: Exchange,
  role: Role,
  payloads: readonly IkePayload[],
): void {
  const { ip } = arrival.frame
  const destinations: string[] = []
  const sources: string[] = []
  for (const payload of payloads) {
    // IKEv1 has no types for them: the first is the hash of the destination.
    if (payload.kind === 'natd') (destinations.length === 0 ? destinations : sources).push(payload.hash)
    else if (payload.kind !== 'notify' || view.version === 1) continue
    else if (payload.notification === IKE_NOTIFICATION.NAT_DETECTION_DESTINATION_IP) destinations.push(payload.data)
    else if (payload.notification === IKE_NOTIFICATION.NAT_DETECTION_SOURCE_IP) sources.push(payload.data)
  }
  compareNat(exchange.ends[1 - role], destinations, view, ip.destinationAt, arrival.destinationPort, arrival)
  compareNat(exchange.ends[role], sources, view, ip.sourceAt, arrival.sourcePort, arrival)
}

/** One message that tells of a NAT is enough; a sender with several addresses gives a hash of each. */
function compareNat(
  end: End,
  hashes: readonly string[],
  view: IkeView,
  at: number,
  port: number,
  arrival: Arrival,
): void {
  if (hashes.length === 0 || end.isBehindNat === true) return
  end.isBehindNat = !hashes.some((seen) => isHashOf(seen, view, at, port, arrival))
}

function isHashOf(seen: string, view: IkeView, addressAt: number, port: number, { frame: { ip } }: Arrival): boolean {
  const algorithm = HASH_BY_LENGTH[seen.length / 2]
  if (algorithm === undefined) return false
  const cookies = view.bytes.subarray(view.start, view.start + 16)
  const address = ip.bytes.subarray(addressAt, addressAt + ip.addressLength)
  return hash(algorithm, Buffer.concat([cookies, address, Uint8Array.of(port >> 8, port)])) === seen
}

/** The suites as an event tells them. */
export function toldOffers({ offered }: Exchange): readonly string[] {
  return offered.slice(0, OFFERS_TOLD)
}
