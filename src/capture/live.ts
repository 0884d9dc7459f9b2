/** What an interface that is being watched is to the packet path, whichever way its packets come. */
import type { Upcoming } from '../base/upcoming.ts'
import type { Packet } from './packet.ts'

/** Plain numbers, ever rising but for the fill of the ring. */
export interface LiveCounters {
  /** Packets and bytes that `next` gave, as captured. */
  readonly packets: number
  readonly bytes: number
  /** Packets that passed the filter, by the count of whoever captures, those that it then dropped included. */
  readonly received: number
  /** Packets for which the kernel found no room: the sensor was too slow, or the ring too small. */
  readonly kernelDrops: number
  /** Times that the ring was full. */
  readonly freezes: number
  /** Packets that the interface or its driver missed, since it was opened. */
  readonly interfaceDrops: number
  /** Packets that were delivered and are lost in this process. */
  readonly ownDrops: number
  /** Packets longer than the snap length. */
  readonly truncated: number
  /** How much of the ring waits to be read, 0 to 1: now, and the most that was met. */
  readonly ringFill: number
  readonly ringFillHighest: number
  /** Times that the interface was gone and another of its name was taken instead. */
  readonly rebinds: number
}

/** Ports on which L2TP (UDP) and IKE (TCP) were found to be spoken, beside those that are configured. */
export interface LearnedPorts {
  readonly udp: readonly number[]
  readonly tcp: readonly number[]
}

/** An interface that is being watched, or one of the rings over which its packets are spread. */
export interface LiveSource {
  /** The interface, e.g. eth0. */
  readonly name: string
  /** From 0; null if it is the only one of its interface. */
  readonly ring: number | null
  /**
   * The next packet that the kernel has delivered, into `packet`; false when none is ready. Synchronous, allocates nothing.
   * The bytes hold until the following call of `next`, `wait` or `close`.
   */
  next(packet: Packet): boolean
  /** Where the next packets stand that were delivered; those that cannot say it have none. Changes nothing. */
  preview?(upcoming: Upcoming): void
  /** Waits until packets are ready (here or on another interface) or the time is over. Never rejects. */
  wait(timeoutMs: number): Promise<void>
  /**
   * Looks whether the interface is there, and takes the one that has come in place of one that was gone. To be called a few times a
   * second, whether packets come or not. True if it is another one than at the last look: then the bytes that `next` gave are gone.
   */
  look(): boolean
  readonly counters: LiveCounters
  /** As of the last look: 'down' while the interface is gone or without link; it comes back by itself. */
  readonly state: 'up' | 'down'
  /** The longest that a packet which has arrived may be kept from `next`, in milliseconds. */
  readonly latencyMs: number
  /**
   * Widens a filter that knows protocols by their ports. No packet is lost by it.
   *
   * @param ports all that were ever learned, not only the new ones
   */
  learn(ports: LearnedPorts): void
  close(): void
}

export type LiveErrorCode = 'not_permitted' | 'no_interface' | 'no_backend' | 'filter' | 'unsupported' | 'failed'

/** An interface cannot be watched. The message says what to do. */
export class LiveError extends Error {
  override readonly name = 'LiveError'
  readonly code: LiveErrorCode

  constructor(code: LiveErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

/** How an interface is watched. */
export interface LiveOptions {
  readonly backend: LiveBackend
  /** A filter in the language of libpcap; null for all protocols of the family; empty for every packet. */
  readonly filter: string | null
  /** UDP ports on which L2TP is expected: part of the filter for the family. */
  readonly l2tpPorts: readonly number[]
  /** The most bytes kept of a packet. */
  readonly snapLength: number
  /** What the kernel may hold for this interface. */
  readonly bufferBytes: number
  /** A block of the ring is handed over when it is full, or after so many milliseconds. */
  readonly blockBytes: number
  readonly blockTimeoutMs: number
  /** Whether the interface takes frames that are not for its own address. */
  readonly promiscuous: boolean
  /** Whether packets that this host sends are seen. On a loopback they come in anyway. */
  readonly outgoing: boolean
  /** `hardware`: of the interface, where it has been told to stamp packets. */
  readonly timestamps: 'kernel' | 'hardware'
}

export const LIVE_BACKENDS = ['auto', 'ring', 'libpcap', 'cap'] as const
export type LiveBackend = (typeof LIVE_BACKENDS)[number]

/** The bounds of those numbers. Places in a ring are counted in 31 bits. */
export const BUFFER_BYTES = { min: 1_048_576, max: 1_073_741_824 } as const
export const SNAP_LENGTH = { min: 96, max: 262_144 } as const
