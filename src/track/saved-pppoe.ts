/** PPPoE sessions, and attempts at them, as plain values, and back. */
import { type PackedLink, isPackedLink, packedOf } from './packed-ppp.ts'
import { newDetails, type PppoeAttempt, type PppoeDetails, type PppoeSession } from './pppoe.ts'
import { isMeter, type SavedMeter } from './saved.ts'
import {
  type Check,
  checkFields,
  type Fields,
  isCount,
  isFlag,
  isHex,
  isNumber,
  isText,
  listOf,
  loadFields,
  oneOf,
  orNull,
  pairOf,
  type SavedFields,
  saveFields,
  shapeOf,
} from './saved-fields.ts'

const NAME_DIGITS = 32

const DETAILS = {
  serviceName: isText,
  acName: isText,
  circuitId: isText,
  remoteId: isText,
  maxPayload: isCount,
  offers: isCount,
} as const satisfies Fields<PppoeDetails>

const SESSION = {
  uid: isText,
  isClosed: isFlag,
  isAdopted: isFlag,
  sessionId: isCount,
  vlan: isText,
  startUs: isNumber,
  upstream: shapeOf({ tunnelUid: isText, sessionUid: isText, lineage: listOf(isText) }, ['sessionUid', 'lineage']),
  userName: isText,
} as const satisfies Fields<PppoeSession>

const BLANK: Pick<PppoeSession, keyof typeof SESSION> = {
  uid: '',
  isClosed: false,
  isAdopted: false,
  sessionId: 0,
  vlan: undefined,
  startUs: 0,
  upstream: null,
  userName: undefined,
}

const isName: Check = (value) => isHex(value) && (value as string).length === NAME_DIGITS

export type SavedPppoeSession = SavedFields<PppoeSession, typeof SESSION> & {
  readonly stations: readonly [string, string]
  /** What it is called in frames to each role, as hexadecimal digits. */
  readonly names: readonly string[]
  readonly details: SavedFields<PppoeDetails, typeof DETAILS>
  readonly traffic: SavedMeter
  readonly link: PackedLink | null
}

const SAVED_SESSION = {
  ...SESSION,
  stations: pairOf(isText),
  names: pairOf(isName),
  details: shapeOf(DETAILS),
  traffic: isMeter,
  link: orNull(isPackedLink),
}

export function savePppoeSession(
  session: PppoeSession,
  names: readonly string[],
  traffic: SavedMeter,
): SavedPppoeSession {
  return {
    ...saveFields(session, BLANK, SESSION),
    stations: [...session.stations],
    names,
    details: saveFields(session.details, newDetails(), DETAILS),
    traffic,
    link: packedOf(session.link, session.userName),
  }
}

/** Throws SavedFault. */
export function checkPppoeSession(saved: unknown): SavedPppoeSession {
  checkFields(saved, SAVED_SESSION, ['uid', 'startUs', 'stations', 'names', 'details', 'traffic', 'link'])
  return saved as SavedPppoeSession
}

/** Into a record that was reset; its names are the tracker's to enter. */
export function loadPppoeSession(session: PppoeSession, saved: SavedPppoeSession): void {
  loadFields(session, saved, BLANK, SESSION)
  session.stations[0] = saved.stations[0]
  session.stations[1] = saved.stations[1]
  loadFields(session.details, saved.details, newDetails(), DETAILS)
  session.link = saved.link
}

const ATTEMPT = {
  uid: isText,
  host: isText,
  vlan: isText,
  startUs: isNumber,
  details: shapeOf(DETAILS),
  state: oneOf('discovering', 'offered', 'requested'),
  concentrator: isText,
  lastUs: isNumber,
} as const satisfies Fields<PppoeAttempt>

/** Throws SavedFault. */
export function loadPppoeAttempt(value: unknown): PppoeAttempt {
  checkFields(value, ATTEMPT, ['uid', 'host', 'startUs', 'details', 'state', 'lastUs'])
  const saved = value as PppoeAttempt
  return {
    ...saved,
    vlan: saved.vlan,
    concentrator: saved.concentrator,
    details: { ...newDetails(), ...saved.details },
  }
}
