/**
 * A PPP link as one string, and back: who logged in and what was agreed, a fifth of what the record takes. So are links kept that
 * nobody has spoken of lately, and so are they saved over a restart of the sensor.
 *
 * Challenges, proofs and the keys of MPPE are secrets or lead to them, and are not in it: after a restart, what MPPE hides stays
 * hidden until the peers log in again.
 */
import { PPP } from '../wire/ppp.ts'
import { type Agreed, type Login, PHASES, PppLink } from './ppp-link.ts'

const ROLES = [0, 1] as const

// What most links have comes first: what is missing at the end takes no room.

const LINK_FIELDS = [
  'protocols',
  'phase',
  'isOpenTold',
  'compression',
  'encrypted',
  'mppeBits',
  'isStateless',
  'server',
  'terminatedBy',
  'terminationReason',
] as const satisfies readonly (keyof PppLink)[]

const AGREED_FIELDS = [
  'lcp',
  'ipcp',
  'mru',
  'address',
  'authProtocol',
  'chapAlgorithm',
  'dns',
  'interfaceId',
  'ipv6cp',
  'ccp',
  'nbns',
  'endpoint',
  'isShortSequence',
] as const satisfies readonly (keyof Agreed)[]

const LOGIN_FIELDS = [
  'user',
  'told',
  'method',
  'attempts',
  'outcome',
  'isJudged',
  'identifier',
  'digest',
  'server',
] as const satisfies readonly (keyof Login)[]

/**
 * The values of its parts in JSON, nothing for one that is as in a link of which nothing is known yet, and signs for one that is as
 * the value before it, and for the name of the user, which the carrier keeps as well.
 */
export type PackedLink = string

// The first two are in no JSON text, and none begins with the others.
const BETWEEN_PARTS = '\n'
const BETWEEN_VALUES = '\t'
const AS_BEFORE = '='
const USER_NAME = '@'

const UNKNOWN = new PppLink()

/** `userName` is that of the carrier. */
export function packLink(link: PppLink, userName: string | undefined): PackedLink {
  return [
    pack(link, UNKNOWN, LINK_FIELDS, userName),
    ...ROLES.map((role) => pack(link.agreed[role], UNKNOWN.agreed[role], AGREED_FIELDS, userName)),
    ...ROLES.map((role) => pack(link.loginOf(role), UNKNOWN.loginOf(role), LOGIN_FIELDS, userName)),
  ].join(BETWEEN_PARTS)
}

/** `userName` is the same as when it was packed. */
export function unpackLink(packed: PackedLink, userName: string | undefined): PppLink {
  const link = new PppLink()
  const parts = packed.split(BETWEEN_PARTS)
  unpack(parts[0], link, LINK_FIELDS, userName)
  for (const role of ROLES) {
    unpack(parts[1 + role], link.agreed[role], AGREED_FIELDS, userName)
    if (parts[3 + role] !== '') unpack(parts[3 + role], link.login(role), LOGIN_FIELDS, userName)
  }
  return link
}

/** A link of a carrier, packed if it is not yet. */
export function packedOf(link: PppLink | PackedLink | null, userName: string | undefined): PackedLink | null {
  return link instanceof PppLink ? packLink(link, userName) : link
}

/** Whether a link can be had from a value that was saved. */
export function isPackedLink(value: unknown): boolean {
  try {
    const { protocols, phase, compression, agreed } = unpackLink(value as PackedLink, undefined)
    const lists = [protocols, compression, ...agreed.flatMap(({ dns, nbns }) => [dns, nbns])]
    return lists.every(Array.isArray) && PHASES.includes(phase)
  } catch {
    return false
  }
}

/** Whether LCP was the first that was heard of a packed link, as it is of most. */
export function beganWithLcp(packed: PackedLink): boolean {
  return packed.startsWith(`[${PPP.LCP}`)
}

function pack<T extends object>(
  record: T,
  unknown: T,
  fields: readonly (keyof T)[],
  userName: string | undefined,
): string {
  let before: unknown
  const values = fields.map((field) => {
    const value = record[field]
    const isAsBefore = value === before
    before = value
    if (value === unknown[field]) return ''
    if (isAsBefore) return AS_BEFORE
    return value === userName ? USER_NAME : JSON.stringify(value)
  })
  return values.join(BETWEEN_VALUES).trimEnd()
}

function unpack<T extends object>(
  part: string,
  record: T,
  fields: readonly (keyof T)[],
  userName: string | undefined,
): void {
  for (const [at, value] of part.split(BETWEEN_VALUES).entries()) {
    if (value === '') continue
    const field = fields[at]
    if (value === AS_BEFORE) record[field] = record[fields[at - 1]]
    else record[field] = value === USER_NAME ? (userName as T[keyof T]) : JSON.parse(value)
  }
}
