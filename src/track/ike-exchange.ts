/**
 * One IKE SA as a bystander sees it: its two ends, how far it came, and what a message in the clear adds to that.
 *
 * What is encrypted is judged by its place and its length only. Role 0 is the initiator, role 1 the responder, everywhere.
 */
import { hash } from 'node:crypto'
import { equal } from '../base/bytes.ts'
import { hashWindow } from '../base/hash.ts'
import type { Frame } from '../dissect/frame.ts'
import { IKE_EXCHANGE, type IkeView } from '../wire/ike.ts'
import type { IkeDescription } from '../wire/ike-describe.ts'
import { IKE_NOTIFICATION, IKE_STATUS_NOTIFICATION_MIN } from '../wire/ike-notify.ts'
import type { IkePayload, IkePayloadOf } from '../wire/ike-payload.ts'
import { type IkeSuite, suitesOf, transformCount } from '../wire/ike-proposal.ts'
import { vendorLabel } from '../wire/ike-vendor.ts'
import { outerFields, type OuterFields } from './outer.ts'

export type Role = 0 | 1
export const INITIATOR = 0
export const RESPONDER = 1

/** `candidate`: its beginning was not seen, and not yet enough of the rest. */
export type ExchangeState = 'candidate' | 'opening' | 'answered' | 'established' | 'failed' | 'closed'
export type ClosedBy = 'initiator' | 'responder' | 'silence' | 'capture_end'

/** What can be told apart of the last IKE_AUTH response, in bytes of the message (see `isAccepted`). */
const REFUSAL_LENGTH_MAX = 100
const LAST_ROUND_LENGTH_MIN = 150

const DIGESTS = 8
const OFFERS_MAX = 64
const VENDORS_MAX = 32
const TEXT_MAX = 256

/** What a phase 1 message of IKEv1 is known by. */
type Phase1Content = 'sa' | 'ke' | 'encrypted' | 'other'

/**
 * The modes of phase 1 (RFC 2408, section 4; RFC 2409, section 5): the number of the initiator's message by its content
 * (the responder's is one more), the number of the last message, and the first after which an encrypted notification can
 * only mean that authentication failed.
 */
export const PHASE1_MODES: Readonly<
  Record<number, Readonly<Record<Phase1Content, number>> & { readonly last: number; readonly authenticates: number }>
> = {
  [IKE_EXCHANGE.BASE]: { sa: 1, ke: 3, encrypted: 3, other: 3, last: 4, authenticates: 3 },
  [IKE_EXCHANGE.MAIN]: { sa: 1, ke: 3, encrypted: 5, other: 3, last: 6, authenticates: 5 },
  [IKE_EXCHANGE.AUTHENTICATION_ONLY]: { sa: 1, ke: 3, encrypted: 3, other: 3, last: 3, authenticates: 2 },
  [IKE_EXCHANGE.AGGRESSIVE]: { sa: 1, ke: 3, encrypted: 3, other: 3, last: 3, authenticates: 2 },
}

const HASH_BY_LENGTH: Readonly<Record<number, string>> = {
  16: 'md5',
  20: 'sha1',
  32: 'sha256',
  48: 'sha384',
  64: 'sha512',
}

/** What one end said of itself in the clear. */
export interface End {
  vendors: string[]
  identity: string | undefined
  identityType: string | undefined
  certificate: string | undefined
  packets: number
  bytes: number
  /** Null until NAT detection payloads were compared with the addresses of the packet that carried them. */
  isBehindNat: boolean | null
}

export class Exchange {
  readonly index: number
  uid = ''
  state: ExchangeState = 'candidate'
  isAdopted = false
  version = 0
  minorVersion = 0
  mode = 0
  initiatorHigh = 0
  initiatorLow = 0
  responderHigh = 0
  responderLow = 0
  initiatorSpi = ''
  responderSpi: string | undefined
  /** 4 or 16 bytes of each address. */
  addressLength = 0
  readonly addresses = [new Uint8Array(16), new Uint8Array(16)] as const
  readonly ports: [number, number] = [0, 0]
  hosts: OuterFields | null = null
  readonly ends: [End, End] = [newEnd(), newEnd()]
  /** Number of the last phase 1 message (IKEv1). */
  step = 0
  phase = ''
  offered: string[] = []
  offeredCount = 0
  offeredHash: string | undefined
  chosen: IkeSuite | null = null
  notification: string | undefined
  isFloated = false
  isHashExposed = false
  isInferred = false
  /** IKE_AUTH: rounds begun, and how long the last response was (0: none since the last request). */
  authRounds = 0
  authId = -1
  authLength = 0
  childExchanges = 0
  lastChildId = -1
  informationals = 0
  messages = 0
  retransmissions = 0
  startUs = 0
  lastUs = 0
  /** The digests of the last messages of each role. */
  readonly #digests = new Int32Array(DIGESTS * 2)
  readonly #digestAt: [number, number] = [0, 0]

  constructor(index: number) {
    this.index = index
  }

  reset(timeUs: number): void {
    this.uid = ''
    this.isAdopted = false
    this.responderHigh = 0
    this.responderLow = 0
    this.responderSpi = undefined
    for (const end of this.ends) Object.assign(end, newEnd())
    this.step = 0
    this.phase = ''
    this.offered = []
    this.offeredCount = 0
    this.offeredHash = undefined
    this.chosen = null
    this.notification = undefined
    this.isFloated = false
    this.isHashExposed = false
    this.isInferred = false
    this.authRounds = 0
    this.authId = -1
    this.authLength = 0
    this.childExchanges = 0
    this.lastChildId = -1
    this.informationals = 0
    this.messages = 0
    this.retransmissions = 0
    this.startUs = timeUs
    this.lastUs = timeUs
    this.#digests.fill(0)
    this.#digestAt.fill(0)
  }

  /** Whether the role sent the same bytes lately; notes them if not. */
  isRepeated(role: Role, digest: number): boolean {
    const base = role * DIGESTS
    for (let i = 0; i < DIGESTS; i++) if (this.#digests[base + i] === digest) return true
    this.#digests[base + this.#digestAt[role]] = digest
    this.#digestAt[role] = (this.#digestAt[role] + 1) % DIGESTS
    return false
  }
}

function newEnd(): End {
  return {
    vendors: [],
    identity: undefined,
    identityType: undefined,
    certificate: undefined,
    packets: 0,
    bytes: 0,
    isBehindNat: null,
  }
}

// --- what a message is

/** The first message of an SA: the responder has not spoken yet. */
export function isFirstRequest(view: IkeView): boolean {
  if (!view.isUnanswered || view.isOpaque || view.isResponse) return false
  return view.version === 1 ? PHASE1_MODES[view.exchangeType] !== undefined : isInit(view)
}

function isInit({ exchangeType }: IkeView): boolean {
  return exchangeType === IKE_EXCHANGE.IKE_SA_INIT || exchangeType === IKE_EXCHANGE.IKE_SESSION_RESUME
}

/** Part of what leads to an SA, not of its use. */
export function isSetUp(view: IkeView): boolean {
  if (view.version === 1) return PHASE1_MODES[view.exchangeType] !== undefined
  return (
    isInit(view) || view.exchangeType === IKE_EXCHANGE.IKE_AUTH || view.exchangeType === IKE_EXCHANGE.IKE_INTERMEDIATE
  )
}

/** Who sent a message of an SA whose beginning was not seen. An SA payload beside a responder's cookie is an answer. */
export function guessedSender(view: IkeView): Role {
  if (view.version === 2) return view.isFromInitiator ? INITIATOR : RESPONDER
  const isAnswer = !view.isUnanswered && !view.isEncrypted && view.nextPayload === 1
  return isAnswer ? RESPONDER : INITIATOR
}

export function contentOf(description: IkeDescription | null): Phase1Content {
  if (description === null) return 'encrypted'
  const { payloads } = description
  if (payloads.some(({ kind }) => kind === 'sa')) return 'sa'
  return payloads.some(({ kind }) => kind === 'ke' || kind === 'nonce') ? 'ke' : 'other'
}

export function digestOf({ bytes, start, payloadEnd }: IkeView): number {
  return hashWindow(bytes, start, payloadEnd)
}

/** A notification that ends the set-up, or asks for another beginning. */
export function isRefusal(version: number, notification: number): boolean {
  if (version === 2 && notification === IKE_NOTIFICATION.REDIRECT) return true
  return notification < IKE_STATUS_NOTIFICATION_MIN
}

// --- what it makes of the exchange

/** The responder's half is fixed by its first answer. */
export function isResponderRight(exchange: Exchange, view: IkeView): boolean {
  if (exchange.responderSpi === undefined) adoptResponder(exchange, view)
  return exchange.responderHigh === view.responderHigh && exchange.responderLow === view.responderLow
}

export function adoptResponder(exchange: Exchange, view: IkeView): void {
  exchange.responderHigh = view.responderHigh
  exchange.responderLow = view.responderLow
  exchange.responderSpi = view.responderSpi
}

/** What the payloads of a message in the clear say of the SA and of its ends. */
export function learn(frame: Frame, view: IkeView, exchange: Exchange, role: Role, { payloads }: IkeDescription): void {
  const end = exchange.ends[role]
  for (const payload of payloads) {
    switch (payload.kind) {
      case 'sa':
        if (isSetUp(view)) learnSa(exchange, role, payload)
        break
      case 'vendor':
        learnVendor(end, vendorLabel(view.bytes, payload.start, payload.end).slice(0, TEXT_MAX))
        break
      case 'id':
        end.identity = payload.value === '' ? undefined : payload.value.slice(0, TEXT_MAX)
        end.identityType = payload.idType
        break
      case 'cert':
        end.certificate ??= payload.certificate?.subject.slice(0, TEXT_MAX)
        break
      case 'hash':
        if (role === RESPONDER && payload.name === 'HASH' && view.exchangeType === IKE_EXCHANGE.AGGRESSIVE)
          exchange.isHashExposed = usesPsk(exchange)
        break
    }
  }
  learnNat(frame, view, exchange, role, payloads)
}

function learnSa(exchange: Exchange, role: Role, sa: IkePayloadOf<'sa'>): void {
  const suites = suitesOf(sa)
  if (role === RESPONDER) {
    exchange.chosen = suites[0] ?? null
    return
  }
  const texts = suites.map(({ text }) => text)
  exchange.offered = texts.slice(0, OFFERS_MAX)
  exchange.offeredCount = transformCount(sa)
  exchange.offeredHash = hash('sha1', texts.join('\n')).slice(0, 16)
}

function learnVendor({ vendors }: End, label: string): void {
  if (vendors.length < VENDORS_MAX && !vendors.includes(label)) vendors.push(label)
}

function usesPsk({ chosen }: Exchange): boolean {
  const method = chosen?.authentication
  return method === undefined || method.endsWith('PSK')
}

/**
 * NAT detection (RFC 3947, section 3.2; RFC 7296, section 2.23): the sender hashes both addresses as it knows them. Where
 * the hash is not that of the packet's address, somebody between the sender and here translated it.
 */
function learnNat(frame: Frame, view: IkeView, exchange: Exchange, role: Role, payloads: readonly IkePayload[]): void {
  const { ip, udp } = frame
  const destinations: string[] = []
  const sources: string[] = []
  for (const payload of payloads) {
    // IKEv1 has no types for them: the first is the hash of the destination.
    if (payload.kind === 'natd') (destinations.length === 0 ? destinations : sources).push(payload.hash)
    else if (payload.kind !== 'notify' || view.version === 1) continue
    else if (payload.notification === IKE_NOTIFICATION.NAT_DETECTION_DESTINATION_IP) destinations.push(payload.data)
    else if (payload.notification === IKE_NOTIFICATION.NAT_DETECTION_SOURCE_IP) sources.push(payload.data)
  }
  compareNat(exchange.ends[1 - role], destinations, view, ip.destinationAt, udp.destinationPort, frame)
  compareNat(exchange.ends[role], sources, view, ip.sourceAt, udp.sourcePort, frame)
}

/** One message that tells of a NAT is enough; a sender with several addresses gives a hash of each. */
function compareNat(end: End, hashes: readonly string[], view: IkeView, at: number, port: number, frame: Frame): void {
  if (hashes.length === 0 || end.isBehindNat === true) return
  end.isBehindNat = !hashes.some((seen) => isHashOf(seen, view, at, port, frame))
}

function isHashOf(seen: string, view: IkeView, addressAt: number, port: number, { ip }: Frame): boolean {
  const algorithm = HASH_BY_LENGTH[seen.length / 2]
  if (algorithm === undefined) return false
  const cookies = view.bytes.subarray(view.start, view.start + 16)
  const address = ip.bytes.subarray(addressAt, addressAt + ip.addressLength)
  return hash(algorithm, Buffer.concat([cookies, address, Uint8Array.of(port >> 8, port)])) === seen
}

/**
 * Whether the last IKE_AUTH response can be the one that creates the child SA. A refusal is one notification, 76 to 96
 * bytes as a message with any of the usual ciphers; AUTH, SA and two traffic selectors make 160 or more. After several
 * rounds (EAP) the last but one is small as well, so that the stricter bound holds there.
 */
export function isAccepted({ authRounds, authLength }: Exchange): boolean {
  return authRounds <= 1 ? authLength > REFUSAL_LENGTH_MAX : authLength >= LAST_ROUND_LENGTH_MIN
}

export function isSettingUp({ state }: Exchange): boolean {
  return state === 'opening' || state === 'answered'
}

export function isOver({ state }: Exchange): boolean {
  return state === 'failed' || state === 'closed'
}

export function givenUp(exchange: Exchange): string {
  if (exchange.notification !== undefined) return `given up after ${exchange.notification}`
  if (exchange.state === 'opening') return `no answer to ${exchange.ends[INITIATOR].packets} messages`
  if (exchange.mode === IKE_EXCHANGE.MAIN && exchange.step === 5)
    return 'authentication failed, as far as can be seen: main mode message 5 was not answered'
  return `half-open: nothing followed ${exchange.phase}`
}

// --- identity

/** Makes a record that of the SA whose first message, sent by `sender`, is in the frame. */
export function begin(exchange: Exchange, frame: Frame, view: IkeView, sender: Role, state: ExchangeState): void {
  const { ip, udp } = frame
  exchange.reset(frame.timeUs)
  exchange.state = state
  exchange.version = view.version
  exchange.minorVersion = view.minorVersion
  exchange.mode = view.exchangeType
  exchange.initiatorHigh = view.initiatorHigh
  exchange.initiatorLow = view.initiatorLow
  exchange.initiatorSpi = view.initiatorSpi
  exchange.addressLength = ip.addressLength
  exchange.addresses[sender].set(ip.bytes.subarray(ip.sourceAt, ip.sourceAt + ip.addressLength))
  exchange.addresses[1 - sender].set(ip.bytes.subarray(ip.destinationAt, ip.destinationAt + ip.addressLength))
  exchange.ports[sender] = udp.sourcePort
  exchange.ports[1 - sender] = udp.destinationPort
  const outer = outerFields(frame, 'ike')
  exchange.hosts = sender === INITIATOR ? outer : reversed(outer)
}

/** The same for both directions. */
export function addressPair({ ip }: Frame): number {
  const source = hashWindow(ip.bytes, ip.sourceAt, ip.sourceAt + ip.addressLength)
  return (source + hashWindow(ip.bytes, ip.destinationAt, ip.destinationAt + ip.addressLength)) | 0
}

export function pairOf({ addresses, addressLength }: Exchange): number {
  return (hashWindow(addresses[INITIATOR], 0, addressLength) + hashWindow(addresses[RESPONDER], 0, addressLength)) | 0
}

export function isSame(exchange: Exchange, { ip }: Frame, view: IkeView): boolean {
  const { addresses, addressLength: length } = exchange
  if (
    exchange.initiatorHigh !== view.initiatorHigh ||
    exchange.initiatorLow !== view.initiatorLow ||
    exchange.version !== view.version
  )
    return false
  if (length !== ip.addressLength) return false
  const first = equal(addresses[INITIATOR], 0, ip.bytes, ip.sourceAt, length) ? INITIATOR : RESPONDER
  return (
    equal(addresses[first], 0, ip.bytes, ip.sourceAt, length) &&
    equal(addresses[1 - first], 0, ip.bytes, ip.destinationAt, length)
  )
}

export function uidOf(exchange: Exchange): string {
  const { hosts, initiatorSpi, version, startUs } = exchange
  return `i-${hash('sha1', `${JSON.stringify(hosts)} ${version} ${initiatorSpi} ${startUs}`).slice(0, 12)}`
}

function reversed(outer: OuterFields): OuterFields {
  return {
    ...outer,
    'source.ip': outer['destination.ip'],
    'source.port': outer['destination.port'],
    'destination.ip': outer['source.ip'],
    'destination.port': outer['source.port'],
  }
}

/** Who sent the message in the frame. */
export function roleOf({ ip, udp }: Frame, view: IkeView, exchange: Exchange): Role {
  const { addresses, addressLength, ports } = exchange
  const isInitiators = equal(addresses[INITIATOR], 0, ip.bytes, ip.sourceAt, addressLength)
  if (!equal(addresses[RESPONDER], 0, ip.bytes, ip.sourceAt, addressLength)) return INITIATOR
  if (!isInitiators) return RESPONDER
  // Both ends on one host.
  if (view.version === 2) return view.isFromInitiator ? INITIATOR : RESPONDER
  return udp.sourcePort === ports[INITIATOR] ? INITIATOR : RESPONDER
}
