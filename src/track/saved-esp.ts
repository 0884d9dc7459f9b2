/**
 * Pairs of IPsec associations and the associations themselves as plain values, and back. The keys that open them are not kept: they
 * are in the configuration.
 */
import type { Protection } from '../dissect/frame.ts'
import { NULL_LAYOUTS, NULL_VERDICT, type NullState } from '../wire/esp-null.ts'
import {
  type AssociationState,
  CARRIAGE,
  type Carriage,
  type EspAssociation,
  type EspTunnel,
  READING,
  type Reading,
} from './esp-association.ts'
import type { SavedWindow } from './esp-sequence.ts'
import type { IkeChild, IkeParent } from './ike-lookup.ts'
import type { Role } from './role.ts'
import { isEndpoint, isMeter, isProtection, type SavedEndpoint, type SavedMeter } from './saved.ts'
import {
  type Check,
  checkFields,
  isCount,
  isFlag,
  isNumber,
  isText,
  isWord,
  listOf,
  oneOf,
  orNull,
  pairOf,
  shapeOf,
} from './saved-fields.ts'

const PAIR_FIELDS = [
  'uid',
  'startUs',
  'rekeys',
  'switched',
  'isOpen',
  'isOneWayTold',
  'isRead',
  'lost',
  'ending',
  'vlan',
  'protection',
] as const satisfies readonly (keyof EspTunnel)[]

export interface SavedPair {
  readonly uid: string
  readonly carriage: Carriage
  readonly startUs: number
  readonly protection: Protection
  /** By role. */
  readonly endpoints: readonly SavedEndpoint[]
  readonly traffic: SavedMeter
}

const isCarriage = oneOf(...Object.values(CARRIAGE))

const ENDING = { closedBy: oneOf('rekey', 'ike', 'silence', 'capture_end'), reason: isText }

const PAIR_MUST: Readonly<Record<string, Check>> = {
  uid: isText,
  carriage: isCarriage,
  startUs: isNumber,
  rekeys: isCount,
  switched: oneOf(0, 1, 2, 3),
  isOpen: isFlag,
  isOneWayTold: isFlag,
  isRead: isFlag,
  lost: isNumber,
  ending: shapeOf(ENDING, Object.keys(ENDING)),
  protection: isProtection,
  endpoints: pairOf(isEndpoint),
  traffic: isMeter,
}

/** Throws SavedFault. */
export function checkPair(saved: unknown): SavedPair {
  checkFields(saved, { ...PAIR_MUST, vlan: isText }, Object.keys(PAIR_MUST))
  return saved as SavedPair
}

export function savePair(tunnel: EspTunnel, endpoints: readonly SavedEndpoint[], traffic: SavedMeter): SavedPair {
  const plain = Object.fromEntries(PAIR_FIELDS.map((field) => [field, tunnel[field]]))
  return {
    ...(plain as unknown as Pick<SavedPair, 'uid' | 'startUs' | 'protection'>),
    carriage: tunnel.carriage,
    endpoints,
    traffic,
  }
}

export function loadPair(tunnel: EspTunnel, saved: SavedPair): void {
  const plain = saved as unknown as Record<string, unknown>
  for (const field of PAIR_FIELDS) if (plain[field] !== undefined) Object.assign(tunnel, { [field]: plain[field] })
}

const ASSOCIATION_FIELDS = [
  'uid',
  'state',
  'vlan',
  'outside',
  'role',
  'firstSequence',
  'predecessor',
  'parent',
  'reading',
  'mode',
  'opened',
  'corrupt',
  'refused',
  'isRefusalTold',
  'isOrphanTold',
  'isOutlivedTold',
] as const satisfies readonly (keyof EspAssociation)[]

export interface SavedAssociation {
  readonly uid: string
  readonly spi: number
  readonly state: AssociationState
  readonly role: Role
  readonly startUs: number
  readonly reading: Reading
  readonly parent: IkeParent | null
  readonly isOutlivedTold: boolean
  /** Of its pair. */
  readonly pair: string
  /** It is the one that its role sends on now. */
  readonly isCurrent: boolean
  /** Microseconds since the epoch; null for never. */
  readonly replacedUs: number | null
  readonly parentEndedUs: number | null
  readonly nullState: Omit<NullState, 'reset' | 'confidence'>
  readonly traffic: SavedMeter
  readonly window: SavedWindow
}

const CHILD = {
  number: isCount,
  startUs: isNumber,
  lastUs: isNumber,
  messages: isCount,
  isComplete: isFlag,
} as const satisfies Record<keyof IkeChild, Check>

const PARENT_MUST = {
  uid: isText,
  version: oneOf(1, 2),
  initiator: isText,
  responder: isText,
  isFromInitiator: isFlag,
  basis: oneOf('only', 'ports', 'latest'),
} as const satisfies Partial<Record<keyof IkeParent, Check>>

const PARENT_MAY = {
  establishedUs: isNumber,
  suite: isText,
  lifetimeSeconds: isNumber,
  child: shapeOf(CHILD, Object.keys(CHILD)),
} as const satisfies Partial<Record<keyof IkeParent, Check>>

const NULL_STATE = {
  verdict: oneOf(...Object.values(NULL_VERDICT)),
  layout: oneOf(-1, ...NULL_LAYOUTS.keys()),
  bits: isNumber,
  agreed: isCount,
  missed: isCount,
} as const satisfies Record<keyof SavedAssociation['nullState'], Check>

const PREDECESSOR = { uid: isText, spi: isWord }

const ASSOCIATION_MAY = { vlan: isText, mode: oneOf('transport', 'tunnel') }

const ASSOCIATION_MUST: Readonly<Record<string, Check>> = {
  uid: isText,
  spi: isWord,
  state: oneOf('live', 'replaced'),
  outside: isProtection,
  role: oneOf(0, 1),
  startUs: isNumber,
  firstSequence: isWord,
  predecessor: orNull(shapeOf(PREDECESSOR, Object.keys(PREDECESSOR))),
  parent: orNull(shapeOf({ ...PARENT_MUST, ...PARENT_MAY }, Object.keys(PARENT_MUST))),
  reading: oneOf(...Object.values(READING)),
  opened: isCount,
  corrupt: isCount,
  refused: isCount,
  isRefusalTold: isFlag,
  isOrphanTold: isFlag,
  isOutlivedTold: isFlag,
  pair: isText,
  isCurrent: isFlag,
  replacedUs: orNull(isNumber),
  parentEndedUs: orNull(isNumber),
  nullState: shapeOf(NULL_STATE, Object.keys(NULL_STATE)),
  traffic: isMeter,
  window: shapeOf({ highest: isWord, wraps: isCount, counts: listOf(isNumber), isResumed: isFlag }, [
    ...['highest', 'wraps', 'counts'],
  ]),
}

/** Throws SavedFault. */
export function checkAssociation(saved: unknown): SavedAssociation {
  checkFields(saved, { ...ASSOCIATION_MUST, ...ASSOCIATION_MAY }, Object.keys(ASSOCIATION_MUST))
  return saved as SavedAssociation
}

export function saveAssociation(
  association: EspAssociation,
  pair: EspTunnel,
  traffic: SavedMeter,
  window: SavedWindow,
): SavedAssociation {
  const plain = Object.fromEntries(ASSOCIATION_FIELDS.map((field) => [field, association[field]]))
  return {
    ...(plain as unknown as Pick<SavedAssociation, 'uid' | 'state' | 'role' | 'reading' | 'parent' | 'isOutlivedTold'>),
    spi: association.spi,
    startUs: association.startUs,
    pair: pair.uid,
    isCurrent: pair.associations[association.role] === association.index,
    replacedUs: finite(association.replacedUs),
    parentEndedUs: finite(association.parentEndedUs),
    nullState: { ...association.nullState },
    traffic,
    window,
  }
}

/** Into a record that was reset; its ends, pair and keys are the tracker's to enter. */
export function loadAssociation(association: EspAssociation, saved: SavedAssociation): void {
  const plain = saved as unknown as Record<string, unknown>
  for (const field of ASSOCIATION_FIELDS)
    if (plain[field] !== undefined) Object.assign(association, { [field]: plain[field] })
  association.descend(saved.parent, saved.isOutlivedTold)
  association.replacedUs = saved.replacedUs ?? Number.POSITIVE_INFINITY
  association.parentEndedUs = saved.parentEndedUs ?? Number.POSITIVE_INFINITY
  Object.assign(association.nullState, saved.nullState)
}

function finite(timeUs: number): number | null {
  return Number.isFinite(timeUs) ? timeUs : null
}
