/** Who sends a control message of PPTP, and what it says of how something ended. */
import type { PptpMessage } from '../wire/pptp.ts'
import type { Role } from './role.ts'

/** The client opened the TCP connection. */
export const CLIENT = 0
export const SERVER = 1

/** The result code of an answer that says yes. */
export const CONNECTED = 1

export type PptpClosedBy = 'client' | 'server' | 'silence' | 'capacity' | 'capture_end'

export function roleName(role: Role): 'client' | 'server' {
  return role === CLIENT ? 'client' : 'server'
}

/** The reason of a Stop-Control-Connection-Request stands where the result of others does. */
export function resultFields(message: PptpMessage | null) {
  if (message === null) return {}
  const { resultCode, resultName, errorCode, errorName, reason, reasonName } = message
  return {
    'pptp.result.code': resultCode ?? reason,
    'pptp.result.text': resultName ?? reasonName,
    'pptp.error.code': errorCode === 0 ? undefined : errorCode,
    'pptp.error.text': errorCode === 0 ? undefined : errorName,
  }
}
