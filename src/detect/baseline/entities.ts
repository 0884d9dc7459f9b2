/**
 * Everybody whose habits are remembered, in the order of the time for which they were silent. Very many are seen once: an entity
 * is a place in a few typed arrays, and models are made when there is something to learn.
 *
 * An entity is looked up under the key that `keys` was given: its kind and its id.
 */
import { enlarged, RecentKeys } from '../sigma/recent-keys.ts'
import { ENTITIES, type EntityKind, type IdWriter } from './features.ts'
import type { Model } from './models.ts'

/** Samples that are kept before there is a model. */
export const EARLY_MAX = 3

/** What an entity takes in memory without models: its places in the tables, and its name. */
const ENTITY_BYTES = 210

const KINDS = Object.keys(ENTITIES) as EntityKind[]
/** What stands for a kind in a key. */
const TAGS = new Map(KINDS.map((kind, index) => [kind, String(index)]))

export class Entities {
  readonly #keys = new RecentKeys()
  // By place
  firstUs = new Float64Array(0)
  lastUs = new Float64Array(0)
  observations = new Float64Array(0)
  frozenUntilUs = new Float64Array(0)
  /** By the place of the habit among those of its kind. */
  readonly models: ((Model | undefined)[] | undefined)[] = []
  /** An estimate of what all of them take in memory. */
  bytes = 0
  #earlyCount = new Uint8Array(0)
  #earlyUs = new Float64Array(0)
  #earlyNumber = new Float64Array(0)

  get size(): number {
    return this.#keys.size
  }

  /** The one that was silent for longest, or -1. */
  get oldest(): number {
    return this.#keys.oldest
  }

  newerThan(place: number): number {
    return this.#keys.newerThan(place)
  }

  /** The place of an entity, or -1. What is written may be `add`ed then. */
  find(kind: EntityKind, id: string): number {
    const keys = this.begin(kind)
    keys.write(id)
    return this.findWritten()
  }

  /** Takes the id of an entity, piece by piece, for `findWritten`. */
  begin(kind: EntityKind): IdWriter {
    this.#keys.begin()
    this.#keys.append(TAGS.get(kind)!)
    return this.#keys
  }

  findWritten(): number {
    this.#keys.endPart()
    return this.#keys.find()
  }

  /** Adds the one that was looked for and not found. */
  add(timeUs: number): number {
    const place = this.#keys.add()
    if (place >= this.firstUs.length) this.#grow(this.#keys.places)
    this.firstUs[place] = timeUs
    this.lastUs[place] = timeUs
    this.observations[place] = 0
    this.frozenUntilUs[place] = Number.NEGATIVE_INFINITY
    this.#earlyCount[place] = 0
    this.bytes += ENTITY_BYTES
    return place
  }

  /** It is no longer silent. */
  touch(place: number): void {
    this.#keys.touch(place)
  }

  remove(place: number): void {
    this.bytes -= ENTITY_BYTES + bytesOf(this.models[place])
    this.models[place] = undefined
    this.#keys.remove(place)
  }

  /** Gives it models that it did not have. */
  equip(place: number, models: (Model | undefined)[]): void {
    this.models[place] = models
    this.bytes += bytesOf(models)
  }

  nameOf(place: number): { kind: EntityKind; id: string } {
    const [tag, id] = this.#keys.partsOf(place)
    return { kind: KINDS[Number(tag)], id }
  }

  /** False if there are too many for that. */
  keepEarly(place: number, timeUs: number, number: number): boolean {
    const count = this.#earlyCount[place]
    if (count === EARLY_MAX) return false
    this.#earlyUs[place * EARLY_MAX + count] = timeUs
    this.#earlyNumber[place * EARLY_MAX + count] = number
    this.#earlyCount[place]++
    return true
  }

  /** Gives what was kept to a model. */
  teachEarly(place: number, model: Model): void {
    for (let i = 0; i < this.#earlyCount[place]; i++) {
      const at = place * EARLY_MAX + i
      const [timeUs, number] = [this.#earlyUs[at], this.#earlyNumber[at]]
      model.observe({ text: '', number, timeUs, isKnown: false, learns: true })
    }
  }

  hasEarly(place: number): boolean {
    return this.#earlyCount[place] > 0
  }

  #grow(places: number): void {
    this.firstUs = enlarged(this.firstUs, places)
    this.lastUs = enlarged(this.lastUs, places)
    this.observations = enlarged(this.observations, places)
    this.frozenUntilUs = enlarged(this.frozenUntilUs, places)
    this.#earlyCount = enlarged(this.#earlyCount, places)
    this.#earlyUs = enlarged(this.#earlyUs, places * EARLY_MAX)
    this.#earlyNumber = enlarged(this.#earlyNumber, places * EARLY_MAX)
  }
}

function bytesOf(models: readonly (Model | undefined)[] | undefined): number {
  return models?.reduce((sum, model) => sum + (model?.bytes ?? 0), 0) ?? 0
}
