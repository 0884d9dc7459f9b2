/** A tunnel and a session as plain values, and back. */
import type { CallFacts } from './call-facts.ts'
import type { SavedChannel } from './control-channel.ts'
import type { Role } from './role.ts'
import {
  isEndpoint,
  isMeter,
  isProtection,
  isRoleOrNone,
  type SavedEndpoint,
  type SavedMeter,
  type SavedProtection,
} from './saved.ts'
import {
  type Check,
  checkFields,
  isCount,
  isFlag,
  isHex,
  isNumber,
  isText,
  isWord,
  listOf,
  oneOf,
  orNull,
  pairOf,
  rowOf,
  shapeOf,
} from './saved-fields.ts'
import { isPackedLink, type PackedLink } from './packed-ppp.ts'
import { isV3Session, type SavedV3Session } from './saved-l2tpv3.ts'
import { type CallKind, type Session, SESSION_STATES, type SessionState } from './session.ts'
import type { Tunnel, TunnelEnd, TunnelState, TunnelVerdict } from './tunnel.ts'

/** The fields of a tunnel that are plain values already. */
const TUNNEL_FIELDS = [
  'uid',
  'transport',
  'isUnmanaged',
  'state',
  'isAdopted',
  'wasUnseen',
  'isTold',
  'controlAnomalies',
  'startUs',
  'stateUs',
  'requestDigest',
  'requests',
  'verdict',
  'signed',
  'vlan',
  'protection',
  'stoppedBy',
] as const satisfies readonly (keyof Tunnel)[]

/** Challenges and nonces passed in the clear: what is verified with them needs the secret. */
type SavedEnd = Omit<TunnelEnd, 'challenge'> & { readonly challenge: string | undefined }

export interface SavedTunnel {
  readonly version: 2 | 3
  readonly uid: string
  readonly state: TunnelState
  readonly stateUs: number
  readonly verdict: TunnelVerdict | undefined
  readonly protection: SavedProtection
  readonly endpoints: readonly SavedEndpoint[]
  readonly ids: readonly [number, number]
  readonly lacking: Role | -1
  readonly ends: readonly SavedEnd[]
  readonly channels: readonly SavedChannel[]
  /** All that there were. */
  readonly sessionCount: number
  readonly traffic: SavedMeter
  readonly sessions: readonly SavedSession[]
}

const CALL_SHAPE = {
  serialNumber: isNumber,
  callingNumber: isText,
  calledNumber: isText,
  subAddress: isText,
  txSpeed: isNumber,
  rxSpeed: isNumber,
  privateGroup: isText,
  proxyAuthenType: isCount,
} as const satisfies Record<keyof CallFacts, Check>

/** What is not known is not written. */
const SESSION_MAY = { kind: oneOf('incoming', 'outgoing'), userName: isText, accessUid: isText, more: isV3Session }

const SESSION_MUST: Readonly<Record<string, Check>> = {
  uid: isText,
  state: oneOf(...SESSION_STATES),
  asker: oneOf(0, 1),
  isAdopted: isFlag,
  startUs: isNumber,
  isImplied: isFlag,
  stoppedBy: isRoleOrNone,
  ids: pairOf(isWord),
  lacking: isRoleOrNone,
  call: orNull(shapeOf(CALL_SHAPE)),
  traffic: isMeter,
  sequence: orNull(pairOf(rowOf(isNumber, isNumber, isNumber))),
  link: orNull(isPackedLink),
}

const CHANNEL_MUST: Readonly<Record<string, Check>> = {
  expectedNs: isWord,
  messages: isCount,
  retransmissions: isCount,
  gaps: isCount,
  seen: listOf(rowOf(isWord, isWord)),
}

const END_SHAPE = {
  isMet: isFlag,
  hostName: isText,
  vendorName: isText,
  firmware: isCount,
  routerId: isNumber,
  pseudowires: listOf(isCount),
  window: isCount,
  challenge: isHex,
} as const satisfies Record<keyof SavedEnd, Check>

const TUNNEL_MAY = {
  verdict: oneOf('verified', 'wrong_secret', 'unverified', 'unkeyed'),
  vlan: isText,
  wasUnseen: isFlag,
}

const TUNNEL_MUST: Readonly<Record<string, Check>> = {
  version: oneOf(2, 3),
  uid: isText,
  transport: oneOf('udp', '115'),
  isUnmanaged: isFlag,
  state: oneOf('opening', 'answered', 'established', 'closed'),
  isAdopted: isFlag,
  isTold: isFlag,
  controlAnomalies: isCount,
  startUs: isNumber,
  stateUs: isNumber,
  requestDigest: isNumber,
  requests: isCount,
  signed: isCount,
  stoppedBy: isRoleOrNone,
  protection: isProtection,
  endpoints: pairOf(isEndpoint),
  ids: pairOf(isWord),
  lacking: isRoleOrNone,
  ends: pairOf(shapeOf(END_SHAPE, ['isMet'])),
  channels: pairOf(shapeOf({ ...CHANNEL_MUST, isResumed: isFlag }, Object.keys(CHANNEL_MUST))),
  sessionCount: isCount,
  traffic: isMeter,
  sessions: listOf(shapeOf({ ...SESSION_MUST, ...SESSION_MAY }, Object.keys(SESSION_MUST)), 1_000_000),
}

/** Throws SavedFault. */
export function checkTunnel(saved: unknown): SavedTunnel {
  checkFields(saved, { ...TUNNEL_MUST, ...TUNNEL_MAY }, Object.keys(TUNNEL_MUST))
  return saved as SavedTunnel
}

export function saveTunnel(
  tunnel: Tunnel,
  endpoints: readonly SavedEndpoint[],
  traffic: SavedMeter,
  sessions: readonly SavedSession[],
): SavedTunnel {
  const plain = Object.fromEntries(TUNNEL_FIELDS.map((field) => [field, tunnel[field]]))
  return {
    ...(plain as unknown as Pick<SavedTunnel, 'uid' | 'state' | 'stateUs' | 'verdict' | 'protection'>),
    version: tunnel.version,
    endpoints,
    ids: [tunnel.ids[0], tunnel.ids[1]],
    lacking: tunnel.lacking,
    ends: tunnel.ends.map(({ challenge, ...end }) => ({
      ...end,
      challenge: challenge === undefined ? undefined : Buffer.from(challenge).toString('hex'),
    })),
    channels: tunnel.channels.map((channel) => channel.save()),
    sessionCount: tunnel.sessions,
    traffic,
    sessions,
  }
}

/** Into a record that was reset; ends, ids and sessions are the trackers' to enter. `isLater`: messages may have passed since. */
export function loadTunnel(tunnel: Tunnel, saved: SavedTunnel, isLater: boolean): void {
  const plain = saved as unknown as Record<string, unknown>
  for (const field of TUNNEL_FIELDS) if (plain[field] !== undefined) Object.assign(tunnel, { [field]: plain[field] })
  for (const [role, { challenge, ...end }] of saved.ends.entries()) {
    Object.assign(tunnel.ends[role], end)
    if (challenge !== undefined) tunnel.ends[role].challenge = Uint8Array.from(Buffer.from(challenge, 'hex'))
  }
  for (const [role, channel] of saved.channels.entries()) tunnel.channels[role].restore(channel, isLater)
  tunnel.wasUnseen ||= isLater
}

const SESSION_FIELDS = [
  'uid',
  'state',
  'kind',
  'asker',
  'isAdopted',
  'startUs',
  'isImplied',
  'stoppedBy',
  'userName',
  'accessUid',
] as const satisfies readonly (keyof Session)[]

export interface SavedSession {
  readonly uid: string
  readonly state: SessionState
  readonly startUs: number
  readonly kind: CallKind | undefined
  readonly ids: readonly [number, number]
  readonly lacking: Role | -1
  readonly call: CallFacts | null
  readonly traffic: SavedMeter
  /** Data messages with Ns, by sender: lost, late, and the number that is due. Null if they have none. */
  readonly sequence: readonly (readonly [lost: number, reordered: number, expected: number])[] | null
  readonly link: PackedLink | null
  /** What the version adds; undefined if it adds nothing. */
  readonly more: SavedV3Session | undefined
}

export function saveSession(
  session: Session,
  parts: Pick<SavedSession, 'traffic' | 'sequence' | 'link' | 'more'>,
): SavedSession {
  const plain = Object.fromEntries(SESSION_FIELDS.map((field) => [field, session[field]]))
  return {
    ...(plain as unknown as Pick<SavedSession, 'uid' | 'state' | 'kind' | 'startUs'>),
    ids: [session.idOf(0), session.idOf(1)],
    lacking: session.lacking,
    call: session.call,
    ...parts,
  }
}

/** Into a record that was reset; ids and the link are the tracker's to enter. */
export function loadSession(session: Session, saved: SavedSession): void {
  const plain = saved as unknown as Record<string, unknown>
  for (const field of SESSION_FIELDS) if (plain[field] !== undefined) Object.assign(session, { [field]: plain[field] })
  session.call = saved.call
}
