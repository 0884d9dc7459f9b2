/**
 * Rules filed by parts of texts: of each needle, four characters that few other needles have stand for it, and one walk over a
 * text finds every rule that it may concern.
 */
import type { FieldMark, FieldMarks } from './field-marks.ts'
import type { EventModel } from './model.ts'
import { lowerCase } from './pattern.ts'
import { NEEDLE_CHARACTERS, type Needle } from './requirements.ts'

/** Something that wants one of its needles in an event. */
export interface Seeker {
  readonly needles: readonly Needle[] | null
}

interface Filed<S> {
  readonly seeker: S
  /** The walk in which it was found last. */
  walk: number
}

interface FieldIndex<E, S> {
  /** Null where any field of the event may hold it. */
  readonly read: ((event: E) => unknown) | null
  readonly mark: FieldMark | null
  readonly byGram: ReadonlyMap<number, readonly Filed<S>[]>
  /** One bit for each gram, by some of its own bits: most places of most texts go no further. As many bits as make that so. */
  readonly bits: Int32Array
  readonly mask: number
}

const ASCII = 128
/** For each gram so many bits, of which it sets one. */
const BITS_A_GRAM = 128

export class NeedleIndex<E, S extends Seeker> {
  readonly #fields: FieldIndex<E, S>[] = []
  readonly #some: EventModel<E, unknown>['some']
  #walk = 0

  /** Of seekers whose needles are all `isIndexable`. */
  constructor(
    seekers: readonly S[],
    model: Pick<EventModel<E, unknown>, 'field' | 'some'>,
    marks: FieldMarks<E> | null = null,
  ) {
    this.#some = model.some
    const frequency = new Map<string, number>()
    for (const { needles } of seekers) {
      for (const needle of needles ?? []) {
        for (const [gram] of gramsOf(needle.text)) {
          const key = `${needle.field} ${gram}`
          frequency.set(key, (frequency.get(key) ?? 0) + 1)
        }
      }
    }
    const byField = new Map<string | null, Map<number, Filed<S>[]>>()
    for (const seeker of seekers) {
      const filed = { seeker, walk: 0 }
      for (const needle of seeker.needles ?? []) {
        const byGram = byField.get(needle.field) ?? new Map<number, Filed<S>[]>()
        byField.set(needle.field, byGram)
        const gram = rarest(needle, frequency)
        const list = byGram.get(gram)
        if (list === undefined) byGram.set(gram, [filed])
        else if (!list.includes(filed)) list.push(filed)
      }
    }
    for (const [name, byGram] of byField) {
      const mask = 2 ** Math.ceil(Math.log2(Math.max(byGram.size * BITS_A_GRAM, 1024))) - 1
      const bits = new Int32Array((mask + 1) / 32)
      for (const gram of byGram.keys()) bits[(hashOf(gram) & mask) >>> 5] |= 1 << (hashOf(gram) & 31)
      const read = name === null ? null : model.field(name)
      const mark = name === null || marks === null ? null : marks.of(name)
      this.#fields.push({ read, mark, byGram, bits, mask })
    }
  }

  /** Calls `found` once for each seeker that may have found what it looks for. `marks` have looked at the event. */
  search(event: E, found: (seeker: S) => void, marks: FieldMarks<E> | null = null): void {
    this.#walk++
    for (const index of this.#fields) {
      if (marks !== null && !marks.mayHave(index.mark)) continue
      if (index.read === null) {
        this.#some(event, (value) => {
          this.#scan(index, value, found)
          return false
        })
        continue
      }
      const value = index.read(event)
      if (Array.isArray(value)) for (const element of value) this.#scan(index, element, found)
      else this.#scan(index, value, found)
    }
  }

  #scan({ byGram, bits, mask }: FieldIndex<E, S>, value: unknown, found: (seeker: S) => void): void {
    if (value === undefined || value === null) return
    const text = lowerCase(typeof value === 'string' ? value : String(value))
    let gram = 0
    let characters = 0
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code >= ASCII) {
        characters = 0
        continue
      }
      gram = ((gram << 7) | code) & 0xfffffff
      if (++characters < NEEDLE_CHARACTERS) continue
      const hash = hashOf(gram)
      if ((bits[(hash & mask) >>> 5] & (1 << (hash & 31))) === 0) continue
      const list = byGram.get(gram)
      if (list === undefined) continue
      for (const filed of list) {
        if (filed.walk === this.#walk) continue
        filed.walk = this.#walk
        found(filed.seeker)
      }
    }
  }
}

/** Whether each needle holds four ASCII characters in a row: only these are the same in every text, however it is lower-cased. */
export function isIndexable({ needles }: Seeker): boolean {
  return needles !== null && needles.length > 0 && needles.every(({ text }) => gramsOf(text).length > 0)
}

/** Of a text all runs of four ASCII characters, as text and as a number. */
function gramsOf(text: string): [string, number][] {
  const grams: [string, number][] = []
  for (let i = 0; i + NEEDLE_CHARACTERS <= text.length; i++) {
    const part = text.slice(i, i + NEEDLE_CHARACTERS)
    let gram = 0
    let isAscii = true
    for (let j = 0; j < NEEDLE_CHARACTERS; j++) {
      const code = part.charCodeAt(j)
      if (code >= ASCII) isAscii = false
      gram = (gram << 7) | code
    }
    if (isAscii) grams.push([part, gram])
  }
  return grams
}

function rarest({ field, text }: Needle, frequency: ReadonlyMap<string, number>): number {
  let best = -1
  let least = Number.POSITIVE_INFINITY
  for (const [part, gram] of gramsOf(text)) {
    const count = frequency.get(`${field} ${part}`) ?? 0
    if (count < least) {
      best = gram
      least = count
    }
  }
  return best
}

function hashOf(gram: number): number {
  return Math.imul(gram, 0x9e3779b1) >>> 8
}
