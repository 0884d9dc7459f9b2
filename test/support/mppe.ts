/** The emitting side of MPPE (RFC 3078): one direction of a link, its packets from the header on. */
import { Rc4 } from '../../src/base/rc4.ts'
import { MppeKey, type MppeStrength } from '../../src/wire/mppe.ts'
import { be16, concat } from './craft.ts'
import { MppcCompressor } from './mppc.ts'

export interface MppeSenderFields {
  readonly startKey: Uint8Array
  readonly strength?: MppeStrength
  readonly isStateless?: boolean
  readonly isMppc?: boolean
  /** Whether a reset changes the key, as Linux does, or begins anew with the same. */
  readonly isResetAChange?: boolean
}

export class MppeSender {
  readonly #key: MppeKey
  readonly #rc4 = new Rc4()
  readonly #isStateless: boolean
  readonly #isResetAChange: boolean
  readonly #mppc: MppcCompressor | null
  #count = 0
  #isReset = false

  constructor({
    startKey,
    strength = 128,
    isStateless = true,
    isMppc = false,
    isResetAChange = false,
  }: MppeSenderFields) {
    this.#key = new MppeKey(startKey, strength)
    this.#key.begin(this.#rc4)
    this.#isStateless = isStateless
    this.#isResetAChange = isResetAChange
    this.#mppc = isMppc ? new MppcCompressor() : null
  }

  /** The peer sent a Reset-Request. */
  reset(): void {
    this.#isReset = true
  }

  /** `frame` begins with the protocol. */
  send(frame: Uint8Array): Uint8Array {
    const isFlag = (this.#count & 0xff) === 0xff
    const isFlushed = this.#isStateless || isFlag || this.#isReset
    if (this.#isStateless || isFlag || (this.#isReset && this.#isResetAChange)) this.#key.change()
    if (isFlushed) this.#key.begin(this.#rc4)
    if (isFlushed) this.#mppc?.flush()
    this.#isReset = false
    const packed = this.#mppc?.compress(frame)
    const data = (packed?.data ?? frame).slice()
    this.#rc4.apply(data, 0, data.length, data, 0)
    const bits =
      (isFlushed ? 0x8000 : 0) | (packed?.isAtFront ? 0x4000 : 0) | (packed === undefined ? 0 : 0x2000) | 0x1000
    const header = be16(bits | this.#count)
    this.#count = (this.#count + 1) & 0xfff
    return concat(header, data)
  }
}
