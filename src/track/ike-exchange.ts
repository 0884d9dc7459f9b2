/**
 * One IKE SA as a bystander sees it: its two ends, and how far it came. What its messages in the clear say is learned in
 * `ike-learn.ts`; what is encrypted is judged by its place and its length only.
 */
import { hash } from 'node:crypto'
import { equal } from '../base/bytes.ts'
import { hashWindow } from '../base/hash.ts'
import type { Frame } from '../dissect/frame.ts'
import { IKE_EXCHANGE, type IkeView } from '../wire/ike.ts'
import type { CertificateDescription } from '../wire/ike-certificate.ts'
import type { IkeDescription } from '../wire/ike-describe.ts'
import { IKE_NOTIFICATION, IKE_STATUS_NOTIFICATION_MIN } from '../wire/ike-notify.ts'
import type { IkeSuite } from '../wire/ike-proposal.ts'
import type { IkeGrade } from '../wire/ike-strength.ts'
import { Children } from './ike-children.ts'
import { Liveness } from './ike-liveness.ts'
import type { IkeEnding } from './ike-lookup.ts'
import { MessageIds } from './ike-message-ids.ts'
import { INITIATOR, RESPONDER, type Role } from './role.ts'
import { SkfMessages } from './ike-skf.ts'
import { outerFields, type OuterFields } from './outer.ts'

/** `candidate`: its beginning was not seen, and not yet enough of the rest. */
export type ExchangeState = 'candidate' | 'opening' | 'answered' | 'established' | 'failed' | 'closed'
export type ClosedBy = 'initiator' | 'responder' | 'silence' | 'capture_end'

/** The message at hand: the frame that has its addresses, and the ports of the datagram or connection that carried it. */
export interface Arrival {
  readonly frame: Frame
  readonly sourcePort: number
  readonly destinationPort: number
  readonly isTcp: boolean
}

/**
 * How an SA came after another one between the same ends: `rekey` inside it, `reauthentication` beside it, `reconnection` soon
 * after it ended, all inferred from addresses, ports and time. `move`: it is the same one, by its SPIs, at another address.
 */
export type Relation = 'rekey' | 'reauthentication' | 'reconnection' | 'move'

/** What can be told apart of the last IKE_AUTH response, in bytes of the message (see `isAccepted`). */
const REFUSAL_LENGTH_MAX = 100
const LAST_ROUND_LENGTH_MIN = 150

const DIGESTS = 8
/** Shared: most SAs of a flood say nothing of themselves. */
const NONE: readonly string[] = []

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

/** What one end said of itself in the clear. */
export interface End {
  vendors: readonly string[]
  /** Those of its vendor ids that name a product, with its version. */
  products: readonly string[]
  identity: string | undefined
  identityType: string | undefined
  certificate: CertificateDescription | undefined
  /** It announces that its keys can be mixed with one that was agreed on beforehand (RFC 8784, RFC 9867). */
  hasPpk: boolean
  /** It announces exchanges between IKE_SA_INIT and IKE_AUTH (RFC 9242), as further key exchanges need them. */
  hasIntermediate: boolean
  packets: number
  bytes: number
  /** Null until NAT detection payloads were compared with the addresses of the packet that carried them. */
  isBehindNat: boolean | null
}

/** What is followed of an SA once both ends have spoken. */
export class Conversation {
  readonly ids = new MessageIds()
  readonly children = new Children()
  readonly liveness = new Liveness()
  readonly skf = new SkfMessages()

  reset(): void {
    this.ids.reset()
    this.children.reset()
    this.liveness.reset()
    this.skf.reset()
  }
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
  /** Of the last message: NAT traversal moves them. */
  readonly ports: [number, number] = [0, 0]
  hosts: OuterFields | null = null
  readonly ends: [End, End] = [newEnd(), newEnd()]
  /** Number of the last phase 1 message (IKEv1). */
  step = 0
  phase = ''
  offered: readonly string[] = NONE
  offeredCount = 0
  offeredHash: string | undefined
  offeredGrade: IkeGrade | null = null
  chosen: IkeSuite | null = null
  chosenGrade: IkeGrade | null = null
  /** IKEv1: the number of the group that was chosen, before the public values come. */
  chosenGroup: number | undefined
  /** How the choice is worse than it could have been: see `ike-learn.ts`. */
  downgrades: readonly string[] = NONE
  /** The responder asked for a cookie, the initiator brought it (RFC 7296, section 2.6). */
  cookie: 'challenged' | 'returned' | undefined
  /** The responder asked for this group instead of the one that the initiator guessed. */
  requestedGroup: string | undefined
  /** The responder sent the initiator to this gateway (RFC 5685). */
  redirect: string | undefined
  notification: string | undefined
  isFloated = false
  isHashExposed = false
  isInferred = false
  /** IKE_AUTH: rounds begun, and how long the last response was (0: none since the last request). */
  authRounds = 0
  authId = -1
  authLength = 0
  /** Answers to the last IKE_SA_INIT request. */
  initAnswers = 0
  childExchanges = 0
  /** IKEv1: exchanges of XAUTH and mode config. */
  transactions = 0
  lastTransactionId = -1
  informationals = 0
  messages = 0
  retransmissions = 0
  startUs = 0
  lastUs = 0
  /** NaN until then. */
  establishedUs = Number.NaN
  isTcp = false
  /** An event named it: the others follow whatever the flood. */
  isTold = false
  /** The ids of SAs before and after this one. */
  predecessor: { readonly uid: string; readonly relation: Relation } | undefined
  successor: { readonly uid: string; readonly relation: Relation } | undefined
  /** How many SAs of a line this one is the last of. */
  generation = 1
  ending: IkeEnding | undefined
  #conversation: Conversation | null = null
  #isConversing = false
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
    this.offered = NONE
    this.offeredCount = 0
    this.offeredHash = undefined
    this.offeredGrade = null
    this.chosen = null
    this.chosenGrade = null
    this.chosenGroup = undefined
    this.downgrades = NONE
    this.cookie = undefined
    this.requestedGroup = undefined
    this.redirect = undefined
    this.notification = undefined
    this.isFloated = false
    this.isHashExposed = false
    this.isInferred = false
    this.authRounds = 0
    this.authId = -1
    this.authLength = 0
    this.initAnswers = 0
    this.childExchanges = 0
    this.transactions = 0
    this.lastTransactionId = -1
    this.informationals = 0
    this.messages = 0
    this.retransmissions = 0
    this.startUs = timeUs
    this.lastUs = timeUs
    this.establishedUs = Number.NaN
    this.isTcp = false
    this.isTold = false
    this.predecessor = undefined
    this.successor = undefined
    this.generation = 1
    this.ending = undefined
    this.#isConversing = false
    this.#digests.fill(0)
    this.#digestAt.fill(0)
  }

  /** Null as long as only one end has spoken: most SAs of a scan and of a flood never get further. */
  get conversation(): Conversation | null {
    return this.#isConversing ? this.#conversation : null
  }

  converse(): Conversation {
    this.#conversation ??= new Conversation()
    if (!this.#isConversing) this.#conversation.reset()
    this.#isConversing = true
    return this.#conversation
  }

  /** The digests of what each role sent lately, the oldest first. */
  saveDigests(): [number[], number[]] {
    const of = (role: Role) => {
      const all = this.#digests.subarray(role * DIGESTS, (role + 1) * DIGESTS)
      const at = this.#digestAt[role]
      return [...all.subarray(at), ...all.subarray(0, at)].filter((digest) => digest !== 0)
    }
    return [of(INITIATOR), of(RESPONDER)]
  }

  /** Into a record that was reset. */
  restoreDigests(digests: readonly (readonly number[])[]): void {
    for (const role of [INITIATOR, RESPONDER] as const)
      for (const digest of digests[role]) this.isRepeated(role, digest)
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
    vendors: NONE,
    products: NONE,
    identity: undefined,
    identityType: undefined,
    certificate: undefined,
    hasPpk: false,
    hasIntermediate: false,
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

export function isInit({ exchangeType }: IkeView): boolean {
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

/** The responder asks for a cookie, or the initiator brings it (RFC 7296, section 2.6). */
export function hasCookie(description: IkeDescription | null): boolean {
  const payloads = description?.payloads ?? []
  return payloads.some((payload) => payload.kind === 'notify' && payload.notification === IKE_NOTIFICATION.COOKIE)
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

/** Another request of IKE_SA_INIT: who asked for the cookie in it keeps nothing of what was before, nor the SPI that it had given. */
export function beginInit(exchange: Exchange, description: IkeDescription | null): void {
  exchange.initAnswers = 0
  if (exchange.cookie !== undefined && isSettingUp(exchange) && hasCookie(description))
    exchange.responderSpi = undefined
}

export function adoptResponder(exchange: Exchange, view: IkeView): void {
  exchange.responderHigh = view.responderHigh
  exchange.responderLow = view.responderLow
  exchange.responderSpi = view.responderSpi
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

/** It goes on, whatever seemed to have ended it. */
export function revive(exchange: Exchange): void {
  exchange.state = 'answered'
  exchange.ending = undefined
}

export function givenUp(exchange: Exchange): string {
  if (exchange.notification !== undefined) return `given up after ${exchange.notification}`
  if (exchange.state === 'opening') return `no answer to ${exchange.ends[INITIATOR].packets} messages`
  if (exchange.mode === IKE_EXCHANGE.MAIN && exchange.step === 5)
    return 'authentication failed, as far as can be seen: main mode message 5 was not answered'
  return `half-open: nothing followed ${exchange.phase}`
}

// --- identity

/** Makes a record that of the SA whose first message, sent by `sender`, arrived. */
export function begin(exchange: Exchange, arrival: Arrival, view: IkeView, sender: Role, state: ExchangeState): void {
  const { frame, isTcp } = arrival
  const { ip } = frame
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
  notePorts(exchange, arrival, sender)
  exchange.isTcp = isTcp
  const outer = outerFields(frame, 'ike')
  exchange.hosts = sender === INITIATOR ? outer : reversed(outer)
}

export function notePorts(exchange: Exchange, { sourcePort, destinationPort }: Arrival, sender: Role): void {
  exchange.ports[sender] = sourcePort
  exchange.ports[1 - sender] = destinationPort
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

/** Who sent the message that arrived. */
export function roleOf({ frame, sourcePort }: Arrival, view: IkeView, exchange: Exchange): Role {
  const { ip } = frame
  const { addresses, addressLength, ports } = exchange
  const isInitiators = equal(addresses[INITIATOR], 0, ip.bytes, ip.sourceAt, addressLength)
  if (!equal(addresses[RESPONDER], 0, ip.bytes, ip.sourceAt, addressLength)) return INITIATOR
  if (!isInitiators) return RESPONDER
  // Both ends on one host.
  if (view.version === 2) return view.isFromInitiator ? INITIATOR : RESPONDER
  return sourcePort === ports[INITIATOR] ? INITIATOR : RESPONDER
}

export function roleName(role: Role): 'initiator' | 'responder' {
  return role === INITIATOR ? 'initiator' : 'responder'
}
