/**
 * A control message off the packet path: a plain record, which may be held until its turn comes, and what is told of one
 * that does not fit.
 */
import type { Frame } from '../dissect/frame.ts'
import type { RaisedEvent } from '../events/catalogue.ts'
import type { ControlDescription, L2tpControl } from '../wire/l2tp-avp.ts'
import type { V3Agreement } from '../wire/l2tpv3-control.ts'
import type { ControlHeader, Dialect, SpokenMessage } from './dialect.ts'
import { type Ends, hostsOf, keepEnds } from './outer.ts'

/** As it was described when it arrived; `timeUs` is when its receiver acted on it. */
export interface ControlMessage {
  timeUs: number
  readonly version: 2 | 3
  readonly name: ControlDescription['messageName']
  readonly control: L2tpControl
  /** Of version 3. */
  readonly agreement: V3Agreement | undefined
  /** Of what it says: the same message again has the same. */
  readonly digest: number
  readonly tunnelId: number
  readonly sessionId: number
  readonly ns: number
  readonly nr: number
  readonly protocol: Dialect['protocol']
  readonly ends: Ends
  /** It fills a gap that its receiver had acknowledged: its turn is over. */
  isLate: boolean
}

/** Copies the control message in the frame. */
export function keepMessage(frame: Frame, dialect: Dialect, spoken: SpokenMessage): ControlMessage {
  const { timeUs } = frame
  const { messageName, control, sessionId, agreement } = spoken
  const { tunnelId, ns, nr } = dialect.header(frame)
  return {
    timeUs,
    version: dialect.version,
    name: messageName,
    control,
    agreement,
    digest: dialect.contentOf(frame),
    tunnelId,
    sessionId,
    ns,
    nr,
    protocol: dialect.protocol,
    ends: keepEnds(frame),
    isLate: false,
  }
}

export type FindingEventName = 'l2tp.control.unexpected' | 'l2tp.control.out_of_order' | 'l2tp.control.unknown'
export type FindingFields = RaisedEvent<FindingEventName>['fields']

/** What is wrong with a control message, in words. */
const FINDINGS = {
  ns_conflict: 'its Ns was used before, with other content',
  ns_beyond_window: 'its Ns lies beyond the window',
  nr_ahead: 'it acknowledges what was never sent',
  state: 'the state does not allow it',
  role: 'the other end should have sent it',
  message: 'no such message is defined',
  tunnel_unknown: 'nobody assigned that tunnel id',
  session_unknown: 'nobody assigned that session id',
} as const

export type Finding = keyof typeof FINDINGS

/** The parts of a message that its finding tells; a message that is held has them, and so has the frame of one that is not. */
export type FoundMessage = Pick<ControlMessage, 'timeUs' | 'version' | 'sessionId' | 'protocol' | 'ends'> & {
  /** Data of version 3 names none. */
  readonly tunnelId: number | undefined
  readonly ns: number | undefined
  readonly nr: number | undefined
}

/** For a finding on the message in the frame, control or data. */
export function foundIn(frame: Frame, dialect: Dialect): FoundMessage {
  const header: ControlHeader = dialect.header(frame)
  const { tunnelId, sessionId, hasSequence, ns, nr } = header
  return {
    timeUs: frame.timeUs,
    version: dialect.version,
    tunnelId: dialect.version === 3 && !header.isControl ? undefined : tunnelId,
    sessionId,
    protocol: dialect.protocol,
    ends: frame,
    ns: hasSequence ? ns : undefined,
    nr: hasSequence ? nr : undefined,
  }
}

/** `message` names its type: `SCCRQ`, `ZLB`, `data`. */
export function findingEvent(
  name: FindingEventName,
  found: FoundMessage,
  finding: Finding,
  message: string,
  more: Partial<FindingFields> = {},
): RaisedEvent {
  const outer = hostsOf(found.ends, found.protocol)
  return {
    name,
    timeUs: found.timeUs,
    message: `${outer['source.ip']} sent ${message} to ${outer['destination.ip']}: ${FINDINGS[finding]}`,
    fields: {
      ...outer,
      'l2tp.version': found.version,
      'l2tp.message.type': message,
      'l2tp.message.finding': finding,
      'l2tp.tunnel.target_id': found.tunnelId,
      'l2tp.session.target_id': found.sessionId,
      'l2tp.message.ns': found.ns,
      'l2tp.message.nr': found.nr,
      ...more,
    },
  }
}

/** The result and error of a StopCCN or CDN as fields. */
export function resultFields(control: L2tpControl | null) {
  if (control === null || control.resultCode === undefined) return {}
  return {
    'l2tp.result.code': control.resultCode,
    'l2tp.result.text': control.resultText,
    'l2tp.error.code': control.errorCode,
    'l2tp.error.text': control.errorText,
    'l2tp.error.message': control.errorMessage,
  }
}

/** Why a StopCCN or CDN was sent, in words. */
export function stopReason(control: L2tpControl): string {
  if (control.resultCode === undefined) return `${control.message} without a result code`
  const words = [control.resultText ?? `result code ${control.resultCode}`]
  if (control.errorCode !== undefined && control.errorCode !== 0)
    words.push(control.errorText ?? `error code ${control.errorCode}`)
  if (control.errorMessage !== undefined && control.errorMessage !== '') words.push(`"${control.errorMessage}"`)
  return words.join(': ')
}
