/**
 * Opens ESP packets with the keys of their SA: checks the integrity check value, then undoes the encryption (RFC 4303 section 3.4.4).
 *
 * The keys may be wrong and the packet may be damaged, and one packet alone does not tell which. So an opener belongs to one SA
 * and remembers how it fared: failures before anything was opened are the fault of the keys, later ones of the packet.
 *
 * Each packet costs a few allocations: the library has no call that deciphers into a given buffer. The plain octets are copied into
 * one all the same, so that whoever reads on sees the kind of array that captures come in.
 */
import { createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { NO_BYTES } from '../base/bytes.ts'
import { ESP_TRAILER_LENGTH, EspTrailerView, type EspTrailerFlaw, type EspView, isCarriedByEsp } from './esp.ts'
import { ENCRYPTIONS, type EspKeys } from './esp-algorithms.ts'
import { CONTRADICTION, evidenceOf } from './esp-content.ts'
import { EspIntegrity } from './esp-integrity.ts'

/**
 * `opened`: the content can be read. `wrong_key`: the keys do not fit, and nothing was opened with them yet. `corrupt`: they fitted
 * earlier packets. `snapped`: the capture cut off what is needed. `truncated`: too short for the algorithms.
 */
export type EspVerdict = 'opened' | 'wrong_key' | 'corrupt' | 'snapped' | 'truncated'

/** No IP packet is longer. */
export const ESP_PLAIN_MAX = 65_536
/** Extended sequence numbers: how far beyond the expected high half a packet is tried. */
const HIGH_TRIES = 4
/** After so many failures without a success the keys are tried on ever fewer packets. */
const PATIENCE = 32
/** Sequence numbers of 32 bits: nothing of a high half is authenticated. */
const NOT_EXTENDED = -1

export class EspOpener {
  /** Where the content is: the buffer that `open` was given, or the packet itself where nothing was encrypted. */
  bytes: Uint8Array = NO_BYTES
  contentStart = 0
  contentEnd = 0
  nextHeader = 0
  padLength = 0
  /** What is wrong with the trailer of an opened packet. */
  flaw: EspTrailerFlaw | null = null
  /** Packets opened, and packets that could not be. */
  opened = 0
  failed = 0
  /** Of the packet opened last; -1 while sequence numbers are known, or taken, to have 32 bits. */
  sequenceHigh = NOT_EXTENDED
  readonly keys: EspKeys
  readonly #cipherKey: KeyObject
  readonly #cipher: string
  readonly #integrity: EspIntegrity | null
  readonly #trailer = new EspTrailerView()
  readonly #nonce: Uint8Array
  readonly #associated = new Uint8Array(12)
  /** The sequence number of the packet opened last. */
  #sequence = 0

  constructor(keys: EspKeys) {
    const { cipher, mode, saltLength, ivLength } = ENCRYPTIONS[keys.encryption]
    this.keys = keys
    this.#cipher = cipher.replace('%', String((keys.encryptionKey.symmetricKeySize ?? 0) * 8))
    this.#cipherKey = keys.encryption === 'DES-CBC' ? tripled(keys.encryptionKey) : keys.encryptionKey
    this.#integrity = mode === 'aead' || mode === 'gmac' || !keys.isAuthenticated ? null : new EspIntegrity(keys)
    // A counter that begins with 1 stands behind the nonce of counter mode (RFC 3686 section 4).
    this.#nonce = new Uint8Array(mode === 'ctr' ? 16 : mode === 'cbc' ? ivLength : saltLength + 8)
    if (mode === 'ctr') this.#nonce[15] = 1
    if (saltLength > 0) this.#nonce.set(keys.salt.export())
  }

  /** Opens a packet that `decode` accepted into `into`, which must not hold the packet and has `ESP_PLAIN_MAX` octets. */
  open(esp: EspView, into: Uint8Array): EspVerdict {
    if (esp.isSnapped) return 'snapped'
    const { ivLength, blockLength } = ENCRYPTIONS[this.keys.encryption]
    const icvAt = esp.payloadEnd - this.keys.icvLength
    const length = icvAt - esp.payloadStart - ivLength
    if (length < ESP_TRAILER_LENGTH || length % blockLength !== 0 || length > into.length) return 'truncated'
    if (this.#isPointless()) return this.#fail()
    const high = this.#findHigh(esp, icvAt, into)
    if (high === null) return this.#fail()
    this.opened++
    this.sequenceHigh = high
    this.#sequence = esp.sequence
    return 'opened'
  }

  /** A flood under keys that do not fit would cost as much as one under keys that do. */
  #isPointless(): boolean {
    return this.opened === 0 && this.failed >= PATIENCE && (this.failed & (this.failed - 1)) !== 0
  }

  #fail(): EspVerdict {
    this.failed++
    this.flaw = null
    return this.opened === 0 ? 'wrong_key' : 'corrupt'
  }

  /** The high half of the sequence number with which the packet opens, `NOT_EXTENDED`, or null if it does not. */
  #findHigh(esp: EspView, icvAt: number, into: Uint8Array): number | null {
    const { isExtended, isAuthenticated } = this.keys
    const isKnown = isExtended !== undefined || this.opened > 0 || !isAuthenticated
    const mayBeShort = isKnown ? !(isExtended ?? this.sequenceHigh !== NOT_EXTENDED) : true
    if (mayBeShort && this.#tryHigh(esp, icvAt, NOT_EXTENDED, into)) return NOT_EXTENDED
    if (isKnown && mayBeShort) return null
    const expected = this.#expectedHigh(esp.sequence)
    for (let i = 0; i < HIGH_TRIES; i++) {
      if (this.#tryHigh(esp, icvAt, (expected + i) >>> 0, into)) return (expected + i) >>> 0
    }
    // A packet that was overtaken by the one with which the high half changed.
    const before = expected - 1
    return this.opened > 0 && before >= 0 && this.#tryHigh(esp, icvAt, before, into) ? before : null
  }

  /** Nearest to the last packet, as RFC 4303 appendix A2.2 has it for a window in the middle of the range. */
  #expectedHigh(sequence: number): number {
    if (this.opened === 0) return this.keys.sequenceHigh
    const high = Math.max(this.sequenceHigh, 0)
    const ahead = sequence - this.#sequence
    if (ahead < -0x8000_0000) return (high + 1) >>> 0
    return ahead > 0x8000_0000 && high > 0 ? high - 1 : high
  }

  #tryHigh(esp: EspView, icvAt: number, high: number, into: Uint8Array): boolean {
    const { bytes, start, payloadStart } = esp
    const { mode, ivLength } = ENCRYPTIONS[this.keys.encryption]
    if (this.#integrity !== null && !this.#integrity.isRight(bytes, start, icvAt, high)) return false
    const textAt = payloadStart + ivLength
    switch (mode) {
      case 'none':
        return this.#read(bytes, textAt, icvAt)
      case 'gmac':
        return this.#isAuthentic(esp, icvAt, high) && this.#read(bytes, textAt, icvAt)
      case 'aead': {
        const plain = this.#decipherCombined(esp, textAt, icvAt, high)
        return plain !== null && this.#keep(plain, into)
      }
      default:
        return this.#keep(this.#decipher(bytes, payloadStart, textAt, icvAt), into)
    }
  }

  #keep(plain: Uint8Array, into: Uint8Array): boolean {
    into.set(plain)
    return this.#read(into, 0, plain.length)
  }

  /** Without an integrity check value the trailer alone says whether the keys fit. */
  #read(bytes: Uint8Array, start: number, end: number): boolean {
    const trailer = this.#trailer
    this.bytes = bytes
    this.flaw = trailer.decode(bytes, start, end)
    this.contentStart = trailer.contentStart
    this.contentEnd = trailer.contentEnd
    this.nextHeader = trailer.nextHeader
    this.padLength = trailer.padLength
    if (this.keys.isAuthenticated) return true
    return this.flaw === null && isCarriedByEsp(trailer.nextHeader) && this.#isPlausible()
  }

  #isPlausible(): boolean {
    return evidenceOf(this.nextHeader, this.bytes, this.contentStart, this.contentEnd, null) !== CONTRADICTION
  }

  #decipher(bytes: Uint8Array, ivAt: number, textAt: number, end: number): Uint8Array {
    const isCounter = ENCRYPTIONS[this.keys.encryption].mode === 'ctr'
    this.#nonce.set(bytes.subarray(ivAt, textAt), isCounter ? 4 : 0)
    const decipher = createDecipheriv(this.#cipher, this.#cipherKey, this.#nonce).setAutoPadding(false)
    return decipher.update(bytes.subarray(textAt, end))
  }

  #decipherCombined(esp: EspView, textAt: number, icvAt: number, high: number): Uint8Array | null {
    return this.#combined(esp, high, this.#associate(esp, high), esp.bytes.subarray(textAt, icvAt), icvAt)
  }

  /** RFC 4543: everything is associated data, the initialisation vector too, and there is no text. */
  #isAuthentic(esp: EspView, icvAt: number, high: number): boolean {
    const head = this.#associate(esp, high)
    const data = new Uint8Array(head.length + icvAt - esp.payloadStart)
    data.set(head)
    data.set(esp.bytes.subarray(esp.payloadStart, icvAt), head.length)
    return this.#combined(esp, high, data, NO_BYTES, icvAt) !== null
  }

  #combined(esp: EspView, high: number, data: Uint8Array, text: Uint8Array, icvAt: number): Uint8Array | null {
    const { bytes, payloadEnd } = esp
    this.#setNonce(esp, high)
    const options = { authTagLength: payloadEnd - icvAt }
    // The combined modes share one interface; the type definitions tell them apart by the literal name of the cipher.
    const decipher = createDecipheriv(this.#cipher as 'aes-128-ccm', this.#cipherKey, this.#nonce, options)
    decipher.setAuthTag(bytes.subarray(icvAt, payloadEnd))
    decipher.setAAD(data, { plaintextLength: text.length })
    try {
      const plain = decipher.update(text)
      decipher.final()
      return plain
    } catch {
      return null
    }
  }

  /** SPI and sequence number, the latter in 64 bits where it is extended (RFC 4106 section 5). */
  #associate(esp: EspView, high: number): Uint8Array {
    const data = this.#associated
    const { bytes, start } = esp
    for (let i = 0; i < 4; i++) data[i] = bytes[start + i]
    if (high === NOT_EXTENDED) {
      for (let i = 4; i < 8; i++) data[i] = bytes[start + i]
      return data.subarray(0, 8)
    }
    writeWord(data, 4, high)
    for (let i = 4; i < 8; i++) data[i + 4] = bytes[start + i]
    return data
  }

  /** Behind the salt stands the initialisation vector; where it is implicit, the sequence number in 64 bits (RFC 8750 section 3). */
  #setNonce(esp: EspView, high: number): void {
    const nonce = this.#nonce
    const { bytes, start, payloadStart } = esp
    const at = nonce.length - 8
    if (ENCRYPTIONS[this.keys.encryption].ivLength > 0) {
      for (let i = 0; i < 8; i++) nonce[at + i] = bytes[payloadStart + i]
      return
    }
    writeWord(nonce, at, high === NOT_EXTENDED ? 0 : high)
    for (let i = 0; i < 4; i++) nonce[at + 4 + i] = bytes[start + 4 + i]
  }
}

function writeWord(bytes: Uint8Array, at: number, word: number): void {
  for (let i = 0; i < 4; i++) bytes[at + i] = word >>> (24 - i * 8)
}

/** Single DES, which the library keeps from us, is triple DES with one key three times. */
function tripled(key: KeyObject): KeyObject {
  const octets = key.export()
  return createSecretKey(Buffer.concat([octets, octets, octets]))
}
