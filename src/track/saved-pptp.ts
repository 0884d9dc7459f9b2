/** PPTP control connections and their calls as plain values, and back. */
import type { PptpMessage } from '../wire/pptp.ts'
import { type PackedLink, isPackedLink, packedOf } from './packed-ppp.ts'
import type { PptpCall } from './pptp-call.ts'
import { PptpConnection, type Party } from './pptp-connection.ts'
import type { SavedStream } from './pptp-stream.ts'
import type { Role } from './role.ts'
import { isEndpoint, isMeter, isProtection, isRoleOrNone, type SavedEndpoint, type SavedMeter } from './saved.ts'
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
import { isSequence, type SavedSequence } from './sequence-meter.ts'

/** What a message said, by the names of its fields. */
const isMessage: Check = (value) => {
  const is = shapeOf({ messageName: isText, controlType: isCount }, ['messageName', 'controlType'])
  return (
    is(value) && Object.values(value as PptpMessage).every((each) => isText(each) || isNumber(each) || isTexts(each))
  )
}
const isTexts = listOf(isText)

const CALL = {
  uid: isText,
  state: oneOf('requested', 'answered', 'established', 'closed'),
  kind: oneOf('outgoing', 'incoming'),
  isAdopted: isFlag,
  asker: oneOf(0, 1),
  startUs: isNumber,
  vlan: isText,
  protection: isProtection,
  request: isMessage,
  answer: isMessage,
  clearedBy: isRoleOrNone,
  wanErrors: isCount,
  userName: isText,
} as const satisfies Fields<PptpCall>

const BLANK_CALL: Pick<PptpCall, keyof typeof CALL> = {
  uid: '',
  state: 'requested',
  kind: undefined,
  isAdopted: false,
  asker: 0,
  startUs: 0,
  vlan: undefined,
  protection: null,
  request: null,
  answer: null,
  clearedBy: -1,
  wanErrors: 0,
  userName: undefined,
}

export type SavedCall = SavedFields<PptpCall, typeof CALL> & {
  readonly ids: readonly [number, number]
  readonly lacking: Role | -1
  /** Addresses by role, as hexadecimal digits. */
  readonly hosts: readonly string[]
  readonly traffic: SavedMeter
  /** By sender. */
  readonly sequences: readonly SavedSequence[]
  readonly link: PackedLink | null
}

const SAVED_CALL = {
  ...CALL,
  ids: pairOf(isWord),
  lacking: isRoleOrNone,
  hosts: pairOf(isHex),
  traffic: isMeter,
  sequences: pairOf(isSequence),
  link: orNull(isPackedLink),
}

const CALL_REQUIRED = ['uid', 'startUs', 'ids', 'lacking', 'hosts', 'traffic', 'sequences', 'link']

export function saveCall(call: PptpCall, parts: Pick<SavedCall, 'hosts' | 'traffic' | 'sequences'>): SavedCall {
  return {
    ...saveFields(call, BLANK_CALL, CALL),
    ids: [call.ids[0], call.ids[1]],
    lacking: call.lacking,
    link: packedOf(call.link, call.userName),
    ...parts,
  }
}

/** Throws SavedFault. */
export function checkCall(saved: unknown): SavedCall {
  checkFields(saved, SAVED_CALL, CALL_REQUIRED)
  return saved as SavedCall
}

/** Into a record that was reset; hosts, ids and its place among the calls are the tracker's to enter. */
export function loadCall(call: PptpCall, saved: SavedCall): void {
  loadFields(call, saved, BLANK_CALL, CALL)
  call.link = saved.link
}

const CONNECTION = {
  uid: isText,
  state: oneOf('opening', 'established', 'closed'),
  isAdopted: isFlag,
  startUs: isNumber,
  lastUs: isNumber,
  vlan: isText,
  protection: isProtection,
  stoppedBy: isRoleOrNone,
  stop: isMessage,
  finishedBy: isRoleOrNone,
  finishedUs: isNumber,
} as const satisfies Fields<PptpConnection>

const PARTY = { hostName: isText, vendorName: isText, firmware: isCount } as const satisfies Fields<Party>
const BLANK = new PptpConnection(-1)

export type SavedConnection = SavedFields<PptpConnection, typeof CONNECTION> & {
  readonly endpoints: readonly SavedEndpoint[]
  readonly parties: readonly SavedFields<Party, typeof PARTY>[]
  /** By sender. */
  readonly streams: readonly (SavedStream | null)[]
  /** All that there were. */
  readonly callCount: number
  /** Those that live, the newest first. */
  readonly calls: readonly SavedCall[]
}

const SAVED_CONNECTION = {
  ...CONNECTION,
  endpoints: pairOf(isEndpoint),
  parties: rowOf(shapeOf(PARTY), shapeOf(PARTY)),
  streams: pairOf(orNull(shapeOf({ next: isWord, held: isHex }, ['next', 'held']))),
  callCount: isCount,
  calls: listOf(shapeOf(SAVED_CALL, CALL_REQUIRED)),
}

export function saveConnection(
  connection: PptpConnection,
  endpoints: readonly SavedEndpoint[],
  calls: readonly SavedCall[],
): SavedConnection {
  return {
    ...saveFields(connection, BLANK, CONNECTION),
    endpoints,
    parties: connection.parties.map((party, role) => saveFields(party, BLANK.parties[role], PARTY)),
    streams: connection.streams.map((stream) => stream.save()),
    callCount: connection.calls,
    calls,
  }
}

/** Throws SavedFault. */
export function checkConnection(saved: unknown): SavedConnection {
  checkFields(saved, SAVED_CONNECTION, [
    ...['uid', 'startUs', 'lastUs', 'endpoints', 'parties', 'streams', 'callCount', 'calls'],
  ])
  return saved as SavedConnection
}

/** Into a record that was reset; ends and calls are the trackers' to enter. `isLater`: segments may have passed since. */
export function loadConnection(connection: PptpConnection, saved: SavedConnection, isLater: boolean): void {
  loadFields(connection, saved, BLANK, CONNECTION)
  for (const [role, party] of connection.parties.entries())
    loadFields(party, saved.parties[role], BLANK.parties[role], PARTY)
  for (const [role, stream] of connection.streams.entries()) {
    const position = saved.streams[role]
    if (position !== null && !isLater) stream.restore(position)
  }
}
