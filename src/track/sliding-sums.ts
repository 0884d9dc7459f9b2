/**
 * What many small amounts add up to within the time that has just passed, for each key: ten uploads of an hour as one. Off the packet
 * path: amounts are of things that ended.
 */
import { BoundedMap } from './bounded-map.ts'
import { doubled, FIRST_ROWS } from '../base/growing.ts'

/** Parts of a window; one more is kept, so that the whole window is always in the sum. */
const PARTS = 11
/** Of a row: the number of its youngest part, then its amounts, each at the number of its part modulo their count. */
const ROW = 1 + PARTS
const YOUNGEST = 0
const AMOUNTS = 1

export class SlidingSums {
  readonly #partUs: number
  #cells = new Float64Array(FIRST_ROWS * ROW)
  /** Of each key its row. Who was silent for longest is forgotten first. */
  readonly #rows: BoundedMap<string, number>

  /** Windows of `windowUs`, or up to a tenth longer. `keysMax` keys are remembered, at least one. */
  constructor(windowUs: number, keysMax: number) {
    this.#partUs = windowUs / (PARTS - 1)
    this.#rows = new BoundedMap(keysMax)
  }

  /** What the key adds up to within the window that ends now, this amount included if it is not older than the window. */
  add(key: string, amount: number, timeUs: number): number {
    const part = Math.floor(timeUs / this.#partUs)
    const row = this.#rowOf(key, part)
    const cells = this.#cells
    const youngest = Math.max(cells[row + YOUNGEST], part)
    for (let passed = Math.max(cells[row + YOUNGEST], part - PARTS) + 1; passed <= part; passed++)
      cells[row + AMOUNTS + (passed % PARTS)] = 0
    cells[row + YOUNGEST] = youngest
    if (part > youngest - PARTS) cells[row + AMOUNTS + (part % PARTS)] += amount
    let sum = 0
    for (let at = row + AMOUNTS; at < row + ROW; at++) sum += cells[at]
    return sum
  }

  /** Where the row of the key begins, the key last in the order from now on. */
  #rowOf(key: string, part: number): number {
    const known = this.#rows.take(key)
    const row = known ?? this.#rows.makeRoom() ?? this.#rows.size * ROW
    this.#rows.set(key, row)
    if (known !== undefined) return row
    if (row >= this.#cells.length) this.#cells = doubled(this.#cells)
    this.#cells.fill(0, row, row + ROW)
    this.#cells[row + YOUNGEST] = part
    return row
  }
}
