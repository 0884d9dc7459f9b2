/**
 * What a control message of L2TPv3 says of its control connection and its session, wherever the sender put it: in the
 * attributes of RFC 3931 or in those that Cisco used before there were any.
 */
import {
  type AvpCursor,
  type AvpDescription,
  type AvpWindow,
  type ControlDescription,
  describeControl,
  type Recover,
} from './l2tp-avp.ts'
import { SUBLAYER } from './l2tpv3-avp.ts'

const CISCO = 9

/** Attributes by what they say: the IETF's number and, if there is one, Cisco's. */
const ATTRIBUTES = {
  assignedConnectionId: [61, 1],
  pseudowireCapabilities: [62, 2],
  localSessionId: [63, 3],
  remoteSessionId: [64, 4],
  cookie: [65, 5],
  remoteEndId: [66, 6],
  pseudowireType: [68, 7],
  sublayer: [69, undefined],
  dataSequencing: [70, undefined],
  circuitStatus: [71, 8],
} as const

const LAYOUT = [ATTRIBUTES.cookie, ATTRIBUTES.pseudowireType, ATTRIBUTES.sublayer]

/** Values of one message; absent what it does not have. */
export interface V3Agreement {
  readonly assignedConnectionId?: number
  readonly pseudowireCapabilities?: readonly number[]
  /** The number by which the sender wants to be sent data. */
  readonly localSessionId?: number
  readonly remoteSessionId?: number
  /** The cookie that the sender wants before data; empty for none. */
  readonly cookie?: Uint8Array
  readonly remoteEndId?: string
  readonly pseudowireType?: number
  /** What the sender wants before data: a number of the registry "L2-Specific Sublayer Type". */
  readonly sublayer?: number
  readonly dataSequencing?: number
  readonly circuitStatus?: readonly string[]
  /** False if an attribute of the layout is hidden and was not recovered, or the message was not read to its end. */
  readonly isComplete: boolean
}

export interface V3ControlDescription extends ControlDescription {
  readonly agreement: V3Agreement
}

/** Describes a control message as `describeControl` does, and what it agrees on. */
export function describeV3Control(message: AvpWindow, avps: AvpCursor, recover?: Recover): V3ControlDescription {
  const described = describeControl(message, avps, recover)
  const isWhole = described.flaw === null && !described.isSnapped
  return { ...described, agreement: { ...agreementOf(described.avps), isComplete: isWhole && isOpen(described.avps) } }
}

/** Whether everything that says how data is laid out could be read. */
function isOpen(avps: readonly AvpDescription[]): boolean {
  return !avps.some(({ vendorId, type, hidden, value }) => {
    if (!hidden || value !== undefined) return false
    return LAYOUT.some(([ietf, cisco]) => (vendorId === 0 ? type === ietf : vendorId === CISCO && type === cisco))
  })
}

function agreementOf(avps: readonly AvpDescription[]): Omit<V3Agreement, 'isComplete'> {
  const agreement: Record<string, unknown> = {}
  for (const [name, [ietf, cisco]] of Object.entries(ATTRIBUTES)) {
    const value =
      attributeValue(avps, 0, ietf) ?? (cisco === undefined ? undefined : attributeValue(avps, CISCO, cisco))
    if (value === undefined) continue
    agreement[name] = name === 'cookie' ? Uint8Array.from(Buffer.from(String(value), 'hex')) : value
  }
  return agreement
}

function attributeValue(avps: readonly AvpDescription[], vendorId: number, type: number): AvpDescription['value'] {
  return avps.find((avp) => avp.vendorId === vendorId && avp.type === type)?.value
}

/** Messages by which a session is set up: in them what is absent is not wanted, in others it stays as it was. */
const SESSION_SETUP: ReadonlySet<number> = new Set([7, 8, 10, 11])

/** What an end wants before the data that it receives. */
export interface WantedLayout {
  cookie: Uint8Array
  sublayer: number
  /** 0 until somebody said it. */
  pseudowireType: number
  /** Whether all of it could be read: only then is the layout known. */
  isKnown: boolean
}

/** Enters into what was wanted so far what a message says. */
export function enterAgreement(wanted: WantedLayout, messageType: number | undefined, agreement: V3Agreement): void {
  if (!agreement.isComplete) wanted.isKnown = false
  const isSetup = messageType !== undefined && SESSION_SETUP.has(messageType)
  if (agreement.cookie !== undefined || isSetup) wanted.cookie = agreement.cookie ?? new Uint8Array(0)
  if (agreement.sublayer !== undefined || isSetup) wanted.sublayer = agreement.sublayer ?? SUBLAYER.NONE
  if (agreement.pseudowireType !== undefined) wanted.pseudowireType = agreement.pseudowireType
}
