/**
 * What the two versions of L2TP have apart, for trackers that follow both: where a message is in the frame, and under which
 * names its attributes say the same.
 *
 * Version 3 numbers a control connection instead of a tunnel, in 32 bits, and names a session in an attribute instead of the
 * header. Here it is translated into the words of version 2; what it says beyond them stays beside.
 */
import { NO_BYTES } from '../base/bytes.ts'
import { hashWindow, mixPair } from '../base/hash.ts'
import type { Frame } from '../dissect/frame.ts'
import {
  AvpCursor,
  type AvpWindow,
  type ControlDescription,
  describeControl,
  type L2tpControl,
  type Recover,
} from '../wire/l2tp-avp.ts'
import { recoverHidden } from '../wire/l2tp-hidden.ts'
import { describeV3Control, type V3Agreement } from '../wire/l2tpv3-control.ts'
import { type DigestCheck, DigestChecker, hidingKey, isDigest, nonceOf } from '../wire/l2tpv3-digest.ts'

export interface ControlHeader extends AvpWindow {
  readonly isControl: boolean
  readonly isAcknowledgement: boolean
  readonly hasSequence: boolean
  /** The number that the receiver assigned to the control connection. */
  readonly tunnelId: number
  /** The number that the receiver assigned to the session. */
  readonly sessionId: number
  readonly ns: number
  readonly nr: number
}

export interface SpokenMessage extends Pick<ControlDescription, 'messageName' | 'control' | 'findings' | 'flaw'> {
  /** At least those with findings and those that are hidden. */
  readonly avps: ControlDescription['avps']
  /** Of the session that the message is about; 0 if it is about none, or its receiver's number is not known to its sender. */
  readonly sessionId: number
  /** Of version 3: what it says of its session beyond the words of version 2. */
  readonly agreement?: V3Agreement
}

export interface Dialect {
  readonly version: 2 | 3
  readonly protocol: 'l2tp' | 'l2tpv3'
  header(frame: Frame): ControlHeader
  describe(frame: Frame): SpokenMessage
  /** A hash of what the message in the frame says: the same message sent again has the same. */
  contentOf(frame: Frame): number
  /**
   * The digest of the message in the frame, with the nonces of both ends (null: not seen); null if it has none, which in
   * version 2 is always.
   */
  digest(frame: Frame, isFirst: boolean, sender: Uint8Array | null, receiver: Uint8Array | null): DigestCheck | null
}

export class Version2 implements Dialect {
  readonly version = 2
  readonly protocol = 'l2tp'
  readonly #avps = new AvpCursor()
  readonly #recover: Recover

  constructor(secrets: readonly Uint8Array[]) {
    this.#recover = (avp) => recoverHidden(avp, secrets)
  }

  header({ l2tp }: Frame): ControlHeader {
    return l2tp
  }

  describe({ l2tp }: Frame): SpokenMessage {
    const { messageName, control, avps, findings, flaw } = describeControl(l2tp, this.#avps, this.#recover, 'notable')
    return { messageName, control, avps, findings, flaw, sessionId: l2tp.sessionId }
  }

  contentOf({ l2tp }: Frame): number {
    return hashWindow(l2tp.bytes, l2tp.payloadStart, l2tp.payloadEnd)
  }

  digest(): null {
    return null
  }
}

export class Version3 implements Dialect {
  readonly version = 3
  readonly protocol = 'l2tpv3'
  readonly #avps = new AvpCursor()
  readonly #recover: Recover
  readonly #digests: DigestChecker

  constructor(secrets: readonly Uint8Array[]) {
    const keys = secrets.map(hidingKey)
    this.#recover = (avp) => recoverHidden(avp, keys)
    this.#digests = new DigestChecker(secrets)
  }

  header({ l2tpv3 }: Frame): ControlHeader {
    return l2tpv3
  }

  describe({ l2tpv3 }: Frame): SpokenMessage {
    const described = describeV3Control(l2tpv3, this.#avps, this.#recover)
    const { agreement } = described
    const nonce = nonceOf(l2tpv3, this.#avps)
    const control: L2tpControl = {
      ...described.control,
      ...(agreement.assignedConnectionId === undefined ? {} : { assignedTunnelId: agreement.assignedConnectionId }),
      ...(agreement.localSessionId === undefined ? {} : { assignedSessionId: agreement.localSessionId }),
      // The nonces of both ends are to version 3 what their challenges are to version 2.
      ...(nonce === null ? {} : { challenge: Uint8Array.from(nonce) }),
    }
    return { ...described, control, sessionId: agreement.remoteSessionId ?? 0 }
  }

  /** Without the Message Digest: it covers the Nr, which is another each time. */
  contentOf({ l2tpv3 }: Frame): number {
    const avps = this.#avps.over(l2tpv3)
    let content = 0
    while (avps.next()) {
      if (!isDigest(avps))
        content = mixPair(content, hashWindow(avps.bytes, avps.valueEnd - avps.length, avps.valueEnd))
    }
    return content
  }

  digest(frame: Frame, isFirst: boolean, sender: Uint8Array | null, receiver: Uint8Array | null): DigestCheck | null {
    return this.#digests.check(frame.l2tpv3, { sender, receiver }, isFirst)
  }
}

/** The nonce that an end brought to the set-up; null if that was not seen. */
export function nonceFrom(challenge: Uint8Array | undefined, wasSeen: boolean): Uint8Array | null {
  return wasSeen ? (challenge ?? NO_BYTES) : null
}
