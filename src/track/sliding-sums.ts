/**
 * What many small amounts add up to within the time that has just passed, for each key: ten uploads of an hour as one. Off the packet
 * path: amounts are of things that ended.
 */
import { doubled } from './doubled.ts'

/** Parts of a window; one more is kept, so that the whole window is always in the sum. */
const PARTS = 11
/** Of a row: the number of its youngest part, then its amounts, each at the number of its part modulo their count. */
const ROW = 1 + PARTS
const YOUNGEST = 0
const AMOUNTS = 1
const FIRST_ROWS = 256
const CHANGES_MIN = 64

export class SlidingSums {
  readonly #partUs: number
  readonly #keysMax: number
  #cells = new Float64Array(FIRST_ROWS * ROW)
  /** Of each key its row. Who was silent for longest is in front. */
  readonly #rows = new Map<string, number>()
  /** Where who was silent for longest is looked for: a walk that begins anew goes over the holes of all that moved to the end. */
  #oldest = this.#rows.keys()
  /** An iterator keeps every table alive that the map has had since: a new one is taken before they are many. */
  #changes = 0

  /** Windows of `windowUs`, or up to a tenth longer. `keysMax` keys are remembered, at least one. */
  constructor(windowUs: number, keysMax: number) {
    this.#partUs = windowUs / (PARTS - 1)
    this.#keysMax = keysMax
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
    if (++this.#changes > this.#rows.size + CHANGES_MIN) {
      this.#changes = 0
      this.#oldest = this.#rows.keys()
    }
    const known = this.#rows.get(key)
    this.#rows.delete(key)
    const row = known ?? this.#freeRow()
    this.#rows.set(key, row)
    if (known === undefined) {
      this.#cells.fill(0, row, row + ROW)
      this.#cells[row + YOUNGEST] = part
    }
    return row
  }

  #freeRow(): number {
    if (this.#rows.size >= this.#keysMax) {
      const oldest = this.#oldest.next().value as string
      const row = this.#rows.get(oldest) as number
      this.#rows.delete(oldest)
      return row
    }
    const row = this.#rows.size * ROW
    if (row >= this.#cells.length) this.#cells = doubled(this.#cells)
    return row
  }
}
