/**
 * Inner flows as plain values, and back: some of them together as the rows of their table in base64, because a saved state may hold a
 * hundred thousand.
 */
import { IS_IPV6 } from './flow-record.ts'
import { BYTES, CARRIER, FIRST_US, HIGH, KIND, LAST_US, LOW, PACKETS, ROW } from './flow-table.ts'
import { checkFields, isHex, isText, listOf, SavedFault } from './saved-fields.ts'

/** Flows of one entry. */
const FLOWS = 64
/** Behind the row of a flow: its place in the order of opening, and events told of it. */
const BORN = ROW / 2
const TOLD = ROW + 2
const WORDS = ROW + 4

export interface SavedFlows {
  /** The ids of what carries them; a row has a place in this list. */
  readonly carriers: readonly string[]
  /** Those of IPv6 as hexadecimal digits; a row has places in this list. */
  readonly addresses: readonly string[]
  readonly rows: string
}

/** Gathers flows for one entry. */
export class FlowBatch {
  readonly #words = new Int32Array(FLOWS * WORDS)
  readonly #doubles = new Float64Array(this.#words.buffer)
  readonly #carriers: string[] = []
  readonly #addresses: string[] = []
  #size = 0

  get isFull(): boolean {
    return this.#size === FLOWS
  }

  /** `row` is that of the table. */
  add(
    row: Int32Array,
    {
      carrier,
      low,
      high,
      born,
      told,
    }: { carrier: string; low: Uint8Array; high: Uint8Array; born: number; told: number },
  ): void {
    const at = this.#size++ * WORDS
    const words = this.#words
    words.set(row, at)
    words[at] = placeIn(this.#carriers, carrier)
    if ((words[at + KIND - CARRIER] & IS_IPV6) !== 0) {
      words[at + LOW - CARRIER] = placeIn(this.#addresses, Buffer.from(low).toString('hex'))
      words[at + HIGH - CARRIER] = placeIn(this.#addresses, Buffer.from(high).toString('hex'))
    }
    this.#doubles[at / 2 + BORN] = born
    words[at + TOLD] = told
  }

  take(): SavedFlows {
    const rows = Buffer.from(this.#words.buffer, 0, this.#size * WORDS * 4).toString('base64')
    const saved = { carriers: [...this.#carriers], addresses: [...this.#addresses], rows }
    this.#size = 0
    this.#carriers.length = 0
    this.#addresses.length = 0
    return saved
  }
}

/** A flow that comes back; its addresses if they are of IPv6. */
export interface FlowRow {
  readonly row: Int32Array
  readonly carrier: string
  readonly low: Uint8Array | null
  readonly high: Uint8Array | null
  readonly born: number
  readonly told: number
}

/** Throws SavedFault. */
export function loadFlows(value: unknown): FlowRow[] {
  checkFields(value, { carriers: listOf(isText, FLOWS), addresses: listOf(isAddress, FLOWS * 2), rows: isText }, [
    'carriers',
    'addresses',
    'rows',
  ])
  const { carriers, addresses, rows } = value as SavedFlows
  const bytes = Uint8Array.from(Buffer.from(rows, 'base64'))
  const count = bytes.length / (WORDS * 4)
  if (!Number.isInteger(count) || count > FLOWS) throw new SavedFault('rows is not what it must be')
  const words = new Int32Array(bytes.buffer)
  const doubles = new Float64Array(bytes.buffer)
  return Array.from({ length: count }, (_, i) => {
    const row = words.subarray(i * WORDS, i * WORDS + ROW)
    const isIpv6 = (row[KIND - CARRIER] & IS_IPV6) !== 0
    const octetsAt = (at: number) => (isIpv6 ? Buffer.from(addresses[row[at - CARRIER]] ?? '', 'hex') : null)
    const flow = {
      row,
      carrier: carriers[row[0]] ?? '',
      low: octetsAt(LOW),
      high: octetsAt(HIGH),
      born: doubles[(i * WORDS) / 2 + BORN],
      told: words[i * WORDS + TOLD],
    }
    if (!isWhole(flow, doubles.subarray((i * WORDS) / 2))) throw new SavedFault('rows is not what it must be')
    return flow
  })
}

function isAddress(value: unknown): boolean {
  return isHex(value) && (value as string).length === 32
}

function isWhole({ row, carrier, low, high, born, told }: FlowRow, doubles: Float64Array): boolean {
  const at = (place: number) => doubles[place - CARRIER / 2]
  const counts = [row[PACKETS - CARRIER] >>> 0, at(BYTES), at(BYTES + 1), born, told]
  return (
    carrier !== '' &&
    low?.length !== 0 &&
    high?.length !== 0 &&
    counts.every((count) => Number.isSafeInteger(count) && count >= 0) &&
    // Not in their order: a clock may have been set in between.
    Number.isFinite(at(FIRST_US)) &&
    Number.isFinite(at(LAST_US))
  )
}

/** Few are in a list at one time: a walk is cheaper than a map. */
function placeIn(list: string[], text: string): number {
  const known = list.indexOf(text)
  return known === -1 ? list.push(text) - 1 : known
}
