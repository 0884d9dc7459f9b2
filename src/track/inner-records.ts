/** Reads a TCP connection of messages that begin with how long they are. */
import { DONE, type InnerFlow, type Side, type StreamReader } from './inner-protocol.ts'

export interface Framing {
  /** How long the message is that begins at `start`, its mark included: 0 if too little came to say, negative if none does. */
  lengthOf(bytes: Uint8Array, start: number, end: number): number
  /** Octets before the message that say its length only. */
  readonly markLength: number
  /** A longer message is described by its beginning: what is told stands there. */
  readonly headMax: number
  readonly layer: string
  /** What it is called that no message begins where one should. */
  readonly flaw: string
}

/** Takes the messages of both ends, without their marks. `end` lies before `wireEnd` where only the beginning is at hand. */
export interface RecordTalk {
  message(bytes: Uint8Array, start: number, end: number, wireEnd: number): void
  end(): void
}

export class RecordStream implements StreamReader {
  readonly #flow: InnerFlow
  readonly #framing: Framing
  readonly #talk: RecordTalk

  constructor(flow: InnerFlow, framing: Framing, talk: RecordTalk) {
    this.#flow = flow
    this.#framing = framing
    this.#talk = talk
  }

  read(_side: Side, bytes: Uint8Array, start: number, end: number): number {
    const { markLength, headMax, flaw, layer } = this.#framing
    let at = start
    while (at < end) {
      const length = this.#framing.lengthOf(bytes, at, end)
      if (length < 0) {
        this.#flow.report(flaw, layer, '')
        return DONE
      }
      if (length === 0 || end - at < Math.min(length, headMax)) return at - start
      this.#talk.message(bytes, at + markLength, Math.min(at + length, end), at + length)
      at += length
    }
    return at - start
  }

  gap(): boolean {
    return false
  }

  end(): void {
    this.#talk.end()
  }
}
