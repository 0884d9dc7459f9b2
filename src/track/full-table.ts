/** Tells once that a table is full. */
import type { Emit } from '../events/catalogue.ts'

export class FullTable {
  readonly #emit: Emit
  #isTold = false

  constructor(emit: Emit) {
    this.#emit = emit
  }

  /** `words` name what the table holds, where its name does not. */
  tell(table: string, capacity: number, timeUs: number, words = table): void {
    if (this.#isTold) return
    this.#isTold = true
    this.#emit({
      name: 'sensor.table.filled',
      timeUs,
      message: `The table of ${words} is full at ${capacity}: further ones are not followed until some end`,
      fields: { 'sensor.table': table, 'sensor.capacity': capacity },
    })
  }
}
