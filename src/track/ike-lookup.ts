/**
 * What whoever follows ESP and AH may ask of IKE: which IKE SA, and which of its child exchanges, made the SAs between two
 * hosts, and when that IKE SA ended.
 *
 * The SPIs of ESP and AH are negotiated under encryption (IKEv1: in quick mode; IKEv2: in IKE_AUTH and CREATE_CHILD_SA), so
 * that every answer is inferred from addresses, ports and time, and says what it rests on.
 */
import type { Frame } from '../dissect/frame.ts'

/** A quick mode, a CREATE_CHILD_SA, or the IKE_AUTH that makes the first child SA, as it looks from outside. */
export interface IkeChild {
  /** From 1, in the order in which the IKE SA began them; rekeyings count. */
  readonly number: number
  readonly startUs: number
  /** Of the last message seen. */
  readonly lastUs: number
  readonly messages: number
  /** As many messages came as its kind needs: both ends hold the new SAs. */
  readonly isComplete: boolean
}

/** The IKE SA that made an SA of ESP or AH, as far as can be known. */
export interface IkeParent {
  readonly uid: string
  /** 1 or 2. */
  readonly version: number
  readonly initiator: string
  readonly responder: string
  /** The packet that was asked about comes from the initiator of the IKE SA. */
  readonly isFromInitiator: boolean
  /** Undefined while the set-up is not known to have succeeded. */
  readonly establishedUs: number | undefined
  /** The suite of the IKE SA in words: `AES-CBC-256/SHA2-256/modp2048/PSK`. That of its children is encrypted. */
  readonly suite: string | undefined
  /** IKEv1: how long the IKE SA may live. Of a child SA it is encrypted, IKEv2 does not negotiate it. */
  readonly lifetimeSeconds: number | undefined
  /** The newest child exchange that had begun at the time asked about; undefined if none was seen. */
  readonly child: IkeChild | undefined
  /**
   * `only`: one IKE SA between these hosts could have made it. `ports`: of several, the one that uses these UDP ports.
   * `latest`: of several, the one whose newest child exchange came last.
   */
  readonly basis: 'only' | 'ports' | 'latest'
}

/**
 * How an IKE SA ended. `deleted`: its last exchange has the length and the place of a delete (inferred). `replaced`: it was
 * deleted or fell silent, and a newer IKE SA between the same ends had taken over, and with it the children (inferred).
 * `failed`: it never came about.
 */
export type IkeEnding = 'deleted' | 'replaced' | 'failed' | 'silence' | 'capture_end'

export interface IkeLookup {
  /**
   * The IKE SA behind the ESP or AH packet in `frame`, at the frame's time, whatever its direction; null if there is none.
   * Allocates: for the first packet of an SA and for what is told of it, not for every packet.
   */
  parentOf(frame: Frame): IkeParent | null
  /** Calls back whenever an IKE SA that `parentOf` may have named ends; `timeUs` is when it ended, not when that was known. */
  onEnded(listener: (uid: string, timeUs: number, ending: IkeEnding) => void): void
}
