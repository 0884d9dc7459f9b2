/**
 * Whether the two ends of a tunnel prove that they share a secret: by answers to challenges (RFC 2661 section 5.1.1), in version
 * 3 by digests of every message (RFC 3931 section 4.3). What is found stands in the tunnel's verdict.
 */
import type { Frame } from '../dissect/frame.ts'
import { verifyChallengeResponse } from '../wire/l2tp-hidden.ts'
import type { Anomalies } from './anomalies.ts'
import type { ControlMessage } from './control-message.ts'
import { type Dialect, nonceFrom } from './dialect.ts'
import type { Role } from './role.ts'
import type { Tunnel } from './tunnel.ts'
import type { TunnelEvents } from './tunnel-events.ts'

export class TunnelAuthentication {
  readonly #dialect: Dialect
  readonly #secrets: readonly Uint8Array[]
  readonly #events: TunnelEvents
  readonly #anomalies: Anomalies

  constructor(dialect: Dialect, secrets: readonly Uint8Array[], events: TunnelEvents, anomalies: Anomalies) {
    this.#dialect = dialect
    this.#secrets = secrets
    this.#events = events
    this.#anomalies = anomalies
  }

  /** The answer of `role` to the challenge of the other end. */
  verify(tunnel: Tunnel, role: Role, name: 'SCCRP' | 'SCCCN', { control, timeUs }: ControlMessage): void {
    const { challenge } = tunnel.ends[1 - role]
    const response = control.challengeResponse
    if (challenge === undefined || response === undefined) return
    const messageType = name === 'SCCRP' ? 2 : 3
    const isRight = this.#secrets.some((secret) => verifyChallengeResponse(messageType, secret, challenge, response))
    const verdict = this.#secrets.length === 0 ? 'unverified' : isRight ? 'verified' : 'wrong_secret'
    if (tunnel.verdict !== 'wrong_secret') tunnel.verdict = verdict
    this.#events.authenticated(tunnel, role, name, verdict, timeUs)
  }

  /**
   * Of version 3: whether the digest of a message allows to believe it. A receiver drops what another secret signed (RFC 3931
   * section 5.4.1); so does the sensor, once it has seen that it knows the secret.
   */
  isAuthentic(frame: Frame, tunnel: Tunnel, sender: Role, { name, control }: ControlMessage): boolean {
    if (this.#dialect.version === 2) return true
    const isFirst = name === 'SCCRQ'
    const own = control.challenge ?? tunnel.ends[sender].challenge
    const receiver = (1 - sender) as Role
    const digest = this.#dialect.digest(
      frame,
      isFirst,
      nonceFrom(own, isFirst || name === 'SCCRP' || tunnel.ends[sender].isMet),
      nonceFrom(tunnel.ends[receiver].challenge, tunnel.ends[receiver].isMet),
    )
    if (digest === null && tunnel.verdict !== 'verified') return true
    if (digest === null || digest.verdict === 'malformed') {
      this.#reportDigest(frame, tunnel, digest === null ? 'l2tpv3.digest_missing' : 'l2tpv3.digest_malformed', name)
      return tunnel.verdict !== 'verified'
    }
    const { verdict } = digest
    if (verdict === 'no_nonce') return true
    const words = verdict === 'no_secret' ? 'unverified' : verdict
    if (tunnel.verdict === 'verified' && words !== 'verified') {
      this.#reportDigest(frame, tunnel, 'l2tpv3.digest_wrong', name)
      return false
    }
    const isNews = tunnel.verdict !== words
    tunnel.verdict = words
    // Each end once; a right SCCRQ may be an old one again, and shows in what follows.
    const isTold = (tunnel.signed & (1 << sender)) !== 0
    if ((isTold && !isNews) || (isFirst && words !== 'wrong_secret')) return true
    tunnel.signed |= 1 << sender
    this.#events.authenticated(tunnel, sender, name, words, frame.timeUs)
    return true
  }

  #reportDigest(frame: Frame, tunnel: Tunnel, finding: string, name: string): void {
    tunnel.controlAnomalies++
    this.#anomalies.report(frame, finding, 'l2tpv3', name, frame.hasUdp ? 'udp' : 'ip', {
      'l2tp.message.type': name,
      'l2tp.tunnel.uid': tunnel.uid,
      'borescope.lineage': tunnel.lineage,
    })
  }
}
