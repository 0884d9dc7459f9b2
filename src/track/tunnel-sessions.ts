/** What tunnels need of whoever follows their sessions. */
import type { Frame } from '../dissect/frame.ts'
import type { ControlMessage } from './control-message.ts'
import type { Role } from './role.ts'
import type { Pause } from './saved.ts'
import type { SavedSession } from './saved-tunnel.ts'
import type { ClosedBy, Tunnel } from './tunnel.ts'

export interface TunnelSessions {
  /** The key of the session that the message is about; -1 if it is about none. */
  control(tunnel: Tunnel, sender: Role, message: ControlMessage): number
  save(tunnel: Tunnel): SavedSession[]
  /** False if there is no room. */
  restore(tunnel: Tunnel, saved: SavedSession, pause: Pause): boolean
  tunnelClosed(tunnel: Tunnel, timeUs: number, closedBy: ClosedBy, reason: string): void
  /** Of version 3: it is open from now on, for data between its ends. */
  tunnelOpened?(tunnel: Tunnel): void
  /** Of version 3: nothing is remembered of it from now on. */
  tunnelForgotten?(tunnel: Tunnel): void
  /** Of version 3: the end in that role has another port from now on. */
  tunnelMoved?(tunnel: Tunnel, role: Role): void
  /** Of version 3: the tunnel between the hosts of the frame of which only data was seen; null if there is none. */
  unmanaged?(frame: Frame): Tunnel | null
}
