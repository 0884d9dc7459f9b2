/** What is known of the call that a session carries (RFC 2661 sections 6.6 to 6.11). */
import type { L2tpControl } from '../wire/l2tp-avp.ts'

/** What the messages of the set-up say of the call, as far as it is told. */
export interface CallFacts {
  readonly serialNumber: number | undefined
  readonly callingNumber: string | undefined
  readonly calledNumber: string | undefined
  readonly subAddress: string | undefined
  readonly txSpeed: number | undefined
  readonly rxSpeed: number | undefined
  readonly privateGroup: string | undefined
  readonly proxyAuthenType: number | undefined
}

/** What many calls have in common. */
export type CallTerms = Omit<CallFacts, 'serialNumber' | 'callingNumber'>

/** The facts in a message; what it does not say stands as it was `before`. */
export function callFacts(control: L2tpControl, before: CallFacts | null): CallFacts {
  return {
    serialNumber: control.callSerialNumber ?? before?.serialNumber,
    callingNumber: control.callingNumber ?? before?.callingNumber,
    calledNumber: control.calledNumber ?? before?.calledNumber,
    subAddress: control.subAddress ?? before?.subAddress,
    txSpeed: control.txConnectSpeed ?? before?.txSpeed,
    rxSpeed: control.rxConnectSpeed ?? before?.rxSpeed,
    privateGroup: control.privateGroupId ?? before?.privateGroup,
    proxyAuthenType: control.proxyAuthenType ?? before?.proxyAuthenType,
  }
}
