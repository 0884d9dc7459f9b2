/**
 * Where plain data messages lead: the tunnel and the session, kept of those that came lately by all that names them at once. One
 * look-up in place of three of which each waits for the one before.
 *
 * A route is not followed once it may be wrong: with it are kept the passes that its tunnel and its session had, and those get others
 * whenever something changes by which messages find them.
 */
import type { PlainDataView } from '../dissect/plain-data.ts'

/** Who knows the way to a tunnel, and from there to a session that is open; -1 if there is none. */
interface Tunnels {
  findPlain(plain: PlainDataView): number
  passOf(index: number): number
}
interface Sessions {
  /** Those that are followed. */
  readonly size: number
  findOpen(tunnel: number, sessionId: number): number
  passOf(index: number): number
}

/** Direct-mapped, for some thousand sessions that speak by turns. One that another displaced is looked up again. */
const ROWS_BITS = 16
/** Among more sessions most routes are displaced before they are needed again: looking for them costs more than it spares. */
const SESSIONS_MAX = 1 << (ROWS_BITS - 1)
const ROW = 8
const NO_PORT = -1
const RECEIVER = 0
const PORT = 1
const IDS = 2
const SOURCE = 3
const TUNNEL = 4
const SESSION = 5
const TUNNEL_PASS = 6
const SESSION_PASS = 7

export class Routes {
  /** What `find` found last: the tunnel's index times two plus the receiver's role, and the index of the session. */
  tunnel = 0
  session = 0
  readonly #tunnels: Tunnels
  readonly #sessions: Sessions
  readonly #rows = new Int32Array(ROW << ROWS_BITS)

  constructor(tunnels: Tunnels, sessions: Sessions) {
    this.#tunnels = tunnels
    this.#sessions = sessions
    // An empty row has names as any other: those that are all zero. Of the one row where they would be found the port is none.
    this.#rows[rowOf(0, 0) + PORT] = NO_PORT
  }

  /** Whether the message belongs to an open session, and comes from its peer. */
  find(plain: PlainDataView): boolean {
    if (this.#sessions.size > SESSIONS_MAX) return this.#lookUp(plain)
    const rows = this.#rows
    const { receiver, receiverPort, ids, source } = plain
    const at = rowOf(receiver, ids)
    const differences =
      (rows[at + RECEIVER] ^ receiver) |
      (rows[at + PORT] ^ receiverPort) |
      (rows[at + IDS] ^ ids) |
      (rows[at + SOURCE] ^ source)
    this.tunnel = rows[at + TUNNEL]
    this.session = rows[at + SESSION]
    return (
      (differences === 0 &&
        this.#tunnels.passOf(this.tunnel >> 1) === rows[at + TUNNEL_PASS] &&
        this.#sessions.passOf(this.session) === rows[at + SESSION_PASS]) ||
      (this.#lookUp(plain) && this.#remember(plain, at))
    )
  }

  #lookUp(plain: PlainDataView): boolean {
    this.tunnel = this.#tunnels.findPlain(plain)
    if (this.tunnel === -1) return false
    this.session = this.#sessions.findOpen(this.tunnel, plain.sessionId)
    return this.session !== -1
  }

  /** What was looked up. */
  #remember({ receiver, receiverPort, ids, source }: PlainDataView, at: number): true {
    const { tunnel, session } = this
    const rows = this.#rows
    rows[at + RECEIVER] = receiver
    rows[at + PORT] = receiverPort
    rows[at + IDS] = ids
    rows[at + SOURCE] = source
    rows[at + TUNNEL] = tunnel
    rows[at + SESSION] = session
    rows[at + TUNNEL_PASS] = this.#tunnels.passOf(tunnel >> 1)
    rows[at + SESSION_PASS] = this.#sessions.passOf(session)
    return true
  }
}

function rowOf(receiver: number, ids: number): number {
  return (Math.imul(receiver ^ Math.imul(ids, 0x9e3779b1), 0x85ebca6b) >>> (32 - ROWS_BITS)) * ROW
}
