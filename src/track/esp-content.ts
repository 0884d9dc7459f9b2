/**
 * What is inside ESP and AH, as far as it can be read: AH hides nothing, ESP without encryption is recognised (RFC 5879), and the
 * rest is opened if the keys were supplied.
 */
import type { EspKeyring } from '../dissect/esp-keyring.ts'
import type { Frame } from '../dissect/frame.ts'
import { InsidePacket } from '../dissect/ipsec-inside.ts'
import type { AhView } from '../wire/ah.ts'
import type { EspView } from '../wire/esp.ts'
import { NULL_VERDICT, NullRecogniser } from '../wire/esp-null.ts'
import { EspOpener } from '../wire/esp-open.ts'
import { IP_PROTOCOL } from '../wire/ip.ts'
import { CARRIAGE, type EspAssociation, READING } from './esp-association.ts'

/** Packets that supplied keys must fail to open before that is told. */
const REFUSED_AFTER = 8
const DEPTHS = 5

type IpsecMode = 'tunnel' | 'transport'

/** Is told what becomes of the content of associations. */
export interface ContentListener {
  /** From now on it can be read; `words` say why. */
  read(frame: Frame, association: EspAssociation, words: string): void
  /** The keys fit, and the packet is not as it was sent. */
  corrupt(frame: Frame, association: EspAssociation): void
  /** No key fits any packet; told once. */
  refused(frame: Frame, association: EspAssociation): void
}

export class EspContent {
  /** The header of the packet that is looked at: whoever decodes it says so by decoding it here. */
  readonly #esp: EspView
  readonly #ah: AhView
  readonly #keyring: EspKeyring
  readonly #listener: ContentListener
  readonly #recogniser: NullRecogniser
  readonly #insides: readonly InsidePacket[] = Array.from({ length: DEPTHS }, () => new InsidePacket())
  /** The packet that was found last, and the mode of IPsec that it came in. */
  inside: InsidePacket = this.#insides[0]
  mode: IpsecMode = 'transport'

  /** `packetsMin` packets must agree before an association counts as not encrypted. */
  constructor(esp: EspView, ah: AhView, keyring: EspKeyring, packetsMin: number, listener: ContentListener) {
    this.#esp = esp
    this.#ah = ah
    this.#keyring = keyring
    this.#listener = listener
    this.#recogniser = new NullRecogniser({ packetsMin })
  }

  /** Whether the packet of an association without keys holds a packet that can be read: then it is in `inside`. */
  look(frame: Frame, association: EspAssociation): boolean {
    if (association.reading === READING.CLEAR) {
      const { bytes, nextHeader, payloadStart, payloadEnd } = this.#ah
      return this.#compose(frame, nextHeader, bytes, payloadStart, payloadEnd)
    }
    const { nullState } = association
    const recogniser = this.#recogniser
    const isRead = recogniser.look(nullState, this.#esp, frame.ip)
    if (association.reading === READING.UNDECIDED && nullState.verdict !== NULL_VERDICT.UNDECIDED)
      this.#decide(frame, association)
    if (!isRead) return false
    const { bytes, contentStart, contentEnd, nextHeader } = recogniser
    return this.#compose(frame, nextHeader, bytes, contentStart, contentEnd)
  }

  /** Whether one of the keys opened the packet; it is the only one from then on. */
  open(frame: Frame, association: EspAssociation): boolean {
    const { plain } = this.#insides[Math.min(frame.depth, DEPTHS - 1)]
    for (const opener of association.openers) {
      const verdict = opener.open(this.#esp, plain)
      if (verdict === 'opened') {
        // Also one that was taken up with several keys again.
        if (association.openers.length > 1) association.openers = [opener]
        if (association.opened === 0) {
          association.opened = 1
          association.mode = modeOf(opener.nextHeader)
          this.#listener.read(frame, association, `is opened with keys for ${opener.keys.suite}`)
        } else association.opened++
        return true
      }
      if (verdict === 'snapped') return false
      if (verdict === 'corrupt') {
        association.corrupt++
        this.#listener.corrupt(frame, association)
      }
    }
    if (!association.hasProvenKeys && ++association.refused >= REFUSED_AFTER) this.#listener.refused(frame, association)
    return false
  }

  /** Whether what `open` opened holds a packet: then it is in `inside`. */
  lookInOpened(frame: Frame, association: EspAssociation): boolean {
    const { bytes, contentStart, contentEnd, nextHeader } = association.openers[0]
    return this.#compose(frame, nextHeader, bytes, contentStart, contentEnd)
  }

  /**
   * Finds how an association may be read, by the addresses of its ends, which lie in `bytes`. Keys that open it already stay if they are
   * among those that are supplied.
   */
  supplyKeys(
    association: EspAssociation,
    bytes: Uint8Array,
    sourceAt: number,
    destinationAt: number,
    addressLength: number,
  ): void {
    if (association.carriage === CARRIAGE.AH) {
      association.reading = READING.CLEAR
      return
    }
    const found = this.#keyring.candidates(bytes, sourceAt, destinationAt, addressLength, association.spi)
    const supplied = found.flatMap(({ keys }) => (keys === null ? [] : [keys]))
    const { openers, hasProvenKeys, reading } = association
    // It knows how far the numbers of the association have come.
    if (hasProvenKeys && supplied.some((keys) => keys.isSame(openers[0].keys))) return
    association.openers = supplied.map((keys) => new EspOpener(keys))
    if (supplied.length > 0) association.reading = READING.KEYS
    else if (reading === READING.KEYS) association.reading = READING.OPAQUE
  }

  /** Whether other keys are to be supplied, now that there are some: then nothing was refused so far. */
  isToBeTriedAgain(association: EspAssociation): boolean {
    if (association.carriage === CARRIAGE.AH || association.reading === READING.NOT_ENCRYPTED) return false
    association.refused = 0
    association.isRefusalTold = false
    return true
  }

  #decide(frame: Frame, association: EspAssociation): void {
    if (association.nullState.verdict === NULL_VERDICT.ENCRYPTED) {
      association.reading = READING.OPAQUE
      return
    }
    association.reading = READING.NOT_ENCRYPTED
    association.mode = modeOf(this.#recogniser.nextHeader)
    this.#listener.read(frame, association, 'is not encrypted')
  }

  #compose(frame: Frame, nextHeader: number, bytes: Uint8Array, start: number, end: number): boolean {
    const inside = this.#insides[Math.min(frame.depth, DEPTHS - 1)]
    if (!inside.compose(frame.ip, nextHeader, bytes, start, end)) return false
    this.inside = inside
    this.mode = modeOf(nextHeader)
    return true
  }
}

function modeOf(nextHeader: number): IpsecMode {
  return nextHeader === IP_PROTOCOL.IPIP || nextHeader === IP_PROTOCOL.IPV6 ? 'tunnel' : 'transport'
}
