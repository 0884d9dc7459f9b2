/**
 * An IKE SA as plain values, and back. Keys and nonces are not kept by the sensor in the first place; of messages there are digests of
 * 32 bits, by which repetitions are known.
 */
import { type SavedChildren, isChildren } from './ike-children.ts'
import { type Conversation, type End, Exchange } from './ike-exchange.ts'
import { gradeOf, offerOf } from './ike-learn.ts'
import { type SavedLiveness, isLiveness } from './ike-liveness.ts'
import { type SavedMessageIds, isMessageIds } from './ike-message-ids.ts'
import { type SavedSkf, isSkf } from './ike-skf.ts'
import {
  type Check,
  checkFields,
  type Fields,
  isCount,
  isFlag,
  isHex,
  isNumber,
  isText,
  isWord,
  listOf,
  loadFields,
  oneOf,
  orNull,
  pairOf,
  rowOf,
  type SavedFields,
  saveFields,
  shapeOf,
} from './saved-fields.ts'
import { INITIATOR, RESPONDER } from './role.ts'

const BLANK = new Exchange(-1)
const OFFERS_MAX = 256
const DIGESTS_MAX = 8

export const isCertificate = shapeOf(
  {
    subject: isText,
    issuer: isText,
    serialNumber: isText,
    alternativeNames: listOf(isText),
    validFrom: isText,
    validTo: isText,
    sha256: isText,
    keyType: isText,
    keyBits: isCount,
    curve: isText,
    signatureAlgorithm: isText,
    isAuthority: isFlag,
    isSelfIssued: isFlag,
  },
  ['subject', 'issuer', 'serialNumber', 'alternativeNames', 'sha256'],
)

const isSuite = shapeOf(
  {
    text: isText,
    encryption: isText,
    integrity: isText,
    prf: isText,
    group: isText,
    authentication: isText,
    lifetime: isText,
  },
  ['text'],
)

const isNeighbour = shapeOf({ uid: isText, relation: oneOf('rekey', 'reauthentication', 'reconnection', 'move') }, [
  'uid',
  'relation',
])

const isHosts = shapeOf(
  {
    'source.ip': isText,
    'source.port': isCount,
    'destination.ip': isText,
    'destination.port': isCount,
    'network.type': isText,
    'network.transport': isText,
    'network.protocol': isText,
    'network.vlan.id': isText,
  },
  ['source.ip', 'destination.ip', 'network.type', 'network.transport', 'network.protocol'],
)

const EXCHANGE = {
  uid: isText,
  state: oneOf('candidate', 'opening', 'answered', 'established', 'failed', 'closed'),
  isAdopted: isFlag,
  version: oneOf(1, 2),
  minorVersion: isCount,
  mode: isCount,
  initiatorHigh: isWord,
  initiatorLow: isWord,
  responderHigh: isWord,
  responderLow: isWord,
  initiatorSpi: isText,
  responderSpi: isText,
  hosts: isHosts,
  step: isCount,
  phase: isText,
  offeredCount: isCount,
  offeredHash: isText,
  chosen: isSuite,
  chosenGroup: isCount,
  downgrades: listOf(isText),
  cookie: oneOf('challenged', 'returned'),
  requestedGroup: isText,
  redirect: isText,
  notification: isText,
  isFloated: isFlag,
  isHashExposed: isFlag,
  isInferred: isFlag,
  authRounds: isCount,
  authId: isWord,
  authLength: isCount,
  initAnswers: isCount,
  childExchanges: isCount,
  transactions: isCount,
  lastTransactionId: isWord,
  informationals: isCount,
  messages: isCount,
  retransmissions: isCount,
  startUs: isNumber,
  lastUs: isNumber,
  establishedUs: isNumber,
  isTcp: isFlag,
  isTold: isFlag,
  predecessor: isNeighbour,
  successor: isNeighbour,
  generation: isCount,
  ending: oneOf('deleted', 'replaced', 'failed', 'silence', 'capture_end'),
} as const satisfies Fields<Exchange>

const END = {
  vendors: listOf(isText),
  products: listOf(isText),
  identity: isText,
  identityType: isText,
  certificate: isCertificate,
  hasPpk: isFlag,
  hasIntermediate: isFlag,
  packets: isCount,
  bytes: isCount,
  isBehindNat: isFlag,
} as const satisfies Fields<End>

interface SavedConversation {
  readonly ids: SavedMessageIds
  readonly children: SavedChildren
  readonly liveness: SavedLiveness
  readonly skf: SavedSkf
}

const isConversation = shapeOf({ ids: isMessageIds, children: isChildren, liveness: isLiveness, skf: isSkf }, [
  'ids',
  'children',
  'liveness',
  'skf',
])

/** An address of 4 or 16 octets. */
const isAddress: Check = (value) => isHex(value) && [8, 32].includes((value as string).length)

export type SavedExchange = SavedFields<Exchange, typeof EXCHANGE> & {
  /** Both as hexadecimal digits. */
  readonly addresses: readonly string[]
  readonly ports: readonly [number, number]
  readonly ends: readonly SavedFields<End, typeof END>[]
  /** Of the last messages of each role, the oldest first. */
  readonly digests: readonly (readonly number[])[]
  readonly conversation: SavedConversation | null
  /** It may have children, and be followed by another one. */
  readonly isPeer: boolean
}

const SAVED_EXCHANGE = {
  ...EXCHANGE,
  addresses: pairOf(isAddress),
  ports: pairOf(isCount),
  ends: rowOf(shapeOf(END), shapeOf(END)),
  digests: pairOf(listOf(isWord, DIGESTS_MAX)),
  conversation: orNull(isConversation),
  isPeer: isFlag,
}

const REQUIRED = [
  ...['uid', 'version', 'hosts', 'initiatorSpi', 'startUs', 'lastUs'],
  ...['addresses', 'ports', 'ends', 'digests', 'conversation', 'isPeer'],
]

/** The suites of an offer. Many SAs refer to one, by its hash. */
export interface SavedOffer {
  readonly hash: string
  readonly texts: readonly string[]
}

/** Throws SavedFault. */
export function checkOffer(saved: unknown): SavedOffer {
  checkFields(saved, { hash: isText, texts: listOf(isText, OFFERS_MAX) }, ['hash', 'texts'])
  return saved as SavedOffer
}

export function saveExchange(exchange: Exchange, isPeer: boolean): SavedExchange {
  const { addresses, addressLength, ports, ends, conversation } = exchange
  return {
    ...saveFields(exchange, BLANK, EXCHANGE),
    addresses: addresses.map((address) => Buffer.from(address.subarray(0, addressLength)).toString('hex')),
    ports: [...ports],
    ends: ends.map((end, role) => saveFields(end, BLANK.ends[role], END)),
    digests: exchange.saveDigests(),
    conversation: conversation === null ? null : saveConversation(conversation),
    isPeer,
  }
}

/** Throws SavedFault. */
export function checkExchange(saved: unknown): SavedExchange {
  checkFields(saved, SAVED_EXCHANGE, REQUIRED)
  return saved as SavedExchange
}

/** Messages may have passed in the `missedUs` since it was saved. `offers` are those of the same state, by their hash. */
export function loadExchange(
  exchange: Exchange,
  saved: SavedExchange,
  missedUs: number,
  offers: ReadonlyMap<string, readonly string[]>,
): void {
  exchange.reset(saved.startUs ?? 0)
  loadFields(exchange, saved, BLANK, EXCHANGE)
  exchange.addressLength = saved.addresses[INITIATOR].length / 2
  for (const role of [INITIATOR, RESPONDER] as const) {
    exchange.addresses[role].set(Buffer.from(saved.addresses[role], 'hex'))
    exchange.ports[role] = saved.ports[role]
    loadFields(exchange.ends[role], saved.ends[role], BLANK.ends[role], END)
  }
  exchange.restoreDigests(saved.digests)
  const { offeredHash, chosen } = exchange
  const texts = offeredHash === undefined ? undefined : offers.get(offeredHash)
  if (offeredHash !== undefined && texts !== undefined) {
    const offer = offerOf(offeredHash, texts)
    exchange.offered = offer.texts
    exchange.offeredGrade = offer.grade
  }
  exchange.chosenGrade = chosen === null ? null : gradeOf(chosen.text)
  if (saved.conversation !== null) loadConversation(exchange.converse(), saved.conversation, missedUs)
}

function saveConversation({ ids, children, liveness, skf }: Conversation): SavedConversation {
  return { ids: ids.save(), children: children.save(), liveness: liveness.save(), skf: skf.save() }
}

function loadConversation(conversation: Conversation, saved: SavedConversation, missedUs: number): void {
  conversation.ids.restore(saved.ids, missedUs > 0)
  conversation.children.restore(saved.children)
  conversation.liveness.restore(saved.liveness, missedUs)
  conversation.skf.restore(saved.skf)
}
