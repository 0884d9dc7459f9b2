/**
 * A flow in words, which the packet path tells in place of its id: hashing what names a flow takes longer than all else that is
 * done for it. Always as many words as pairs make that things are told in:
 *
 *     what carries it (a thing) · kind, state · ports, 0 · when it began (a double) · the lower address and the higher one, 4 words each
 */
import { FlowRecord, IS_IPV6 } from '../track/flow-record.ts'
import { flowUidIn } from '../track/flow-name.ts'
import { nameOf, type Thing, thingOf } from './things.ts'

export const FLOW_PAIRS = 8
const CARRIER = 0
const KIND = 2
const STATE = 3
const PORTS = 4
const FIRST_US = 6
const LOW = 8
const HIGH = 12

export class FlowWords {
  readonly words = new Uint32Array(FLOW_PAIRS * 2)
  readonly #doubles = new Float64Array(this.words.buffer)
  readonly #low = new Uint8Array(this.words.buffer, LOW * 4, 16)
  readonly #high = new Uint8Array(this.words.buffer, HIGH * 4, 16)
  readonly #flow = new FlowRecord()

  /** `words` are the flow in `carrier`. */
  set(carrier: Thing, flow: FlowRecord): void {
    const { words } = this
    words[CARRIER] = carrier.high
    words[CARRIER + 1] = carrier.low
    words[KIND] = flow.kind
    words[STATE] = flow.state
    words[PORTS] = flow.ports
    this.#doubles[FIRST_US >> 1] = flow.firstUs
    for (let i = 0; i < flow.low.length; i++) {
      this.#low[i] = flow.low[i]
      this.#high[i] = flow.high[i]
    }
  }

  /** The flow whose words are among those that were told, from `at` on. */
  thingAt(told: Uint32Array, at: number): Thing {
    const { words } = this
    for (let i = 0; i < words.length; i++) words[i] = told[at + i]
    const flow = this.#flow
    const length = (words[KIND] & IS_IPV6) === 0 ? 4 : 16
    flow.kind = words[KIND]
    flow.state = words[STATE]
    flow.ports = words[PORTS]
    flow.low = this.#low.subarray(0, length)
    flow.high = this.#high.subarray(0, length)
    flow.firstUs = this.#doubles[FIRST_US >> 1]
    const carrier = nameOf({ high: words[CARRIER], low: words[CARRIER + 1] })
    return thingOf(flowUidIn(carrier, flow)) as Thing
  }
}
