/**
 * Learned habits: every event that shows one is compared with what is usual for its user, client, gateway, tunnel or
 * conversation, and is then learned. What deviates becomes a `baseline.deviated` event; rules say what it means.
 *
 * Time is that of the events. Everything is bounded: of too many entities, or too much that is known of them, the one that was
 * silent for longest is forgotten.
 */
import { DAY_US, HOUR_US, parseMicroseconds } from '../../base/time.ts'
import type { Emit, EventName } from '../../events/catalogue.ts'
import type { EventDocument } from '../../events/fields.ts'
import { DOCUMENTS } from '../documents.ts'
import { EARLY_MAX, Entities } from './entities.ts'
import { EARLY, ENTITIES, type EntityKind, FEATURES, type Feature, type FeatureName } from './features.ts'
import type { Deviation, Model, Sample } from './models.ts'

export interface BaselineOptions {
  /** Entities of all kinds whose habits are remembered. */
  readonly entitiesMax: number
  /** What they may take in memory, as it is estimated. */
  readonly bytesMax: number
  /** Nothing is said of an entity before it is known for so long … */
  readonly learnUs: number
  /** … and before so many of its events have been seen. */
  readonly observationsMin: number
  /** After an alert that names an entity nothing of it is learned for so long. */
  readonly freezeUs: number
}

export interface BaselineCounters {
  entities: number
  observations: number
  deviations: number
  /** Entities that were forgotten because there were too many. */
  evicted: number
  /** Values that were not learned because of an alert. */
  frozen: number
}

interface Habit {
  readonly name: FeatureName
  readonly feature: Feature
  /** Its place among the habits of its kind of entity. */
  readonly index: number
  /** Its first samples wait for a model. */
  readonly isEarly: boolean
}

/** What an event teaches of one entity. */
interface Lesson {
  readonly kind: EntityKind
  readonly writeId: (typeof ENTITIES)[EntityKind]
  readonly habits: Habit[]
}

/** One entity as it is written down. */
export interface SavedEntity {
  readonly kind: EntityKind
  readonly id: string
  readonly firstUs: number
  readonly lastUs: number
  readonly observations: number
  readonly models: Readonly<Record<string, unknown>>
}

/** An alert from this severity on freezes what it names: high. */
const FREEZING_SEVERITY = 73
/** Of all entities so many are forgotten at one time when there are too many: one by one costs a walk each. */
const FORGOTTEN_SHARE = 1 / 64
/** How often an entity moves to the end of the queue for being forgotten. */
const TOUCH_US = HOUR_US

export class Baselines {
  readonly #emit: Emit
  readonly #options: BaselineOptions
  readonly #lessons: ReadonlyMap<string, readonly Lesson[]>
  readonly #entities = new Entities()
  readonly #counters = { observations: 0, deviations: 0, evicted: 0, frozen: 0 }
  /** The one that is being looked at: models keep no sample. */
  readonly #sample: { -readonly [K in keyof Sample]: Sample[K] } = {
    text: '',
    number: 0,
    timeUs: 0,
    isKnown: false,
    learns: false,
  }
  readonly #fullTold = new Set<string>()

  constructor(emit: Emit, options: BaselineOptions) {
    this.#emit = emit
    this.#options = options
    this.#lessons = lessonsByEvent()
  }

  /** An event from the bus. Alerts are not learned: they stop the learning. */
  readonly observe = (document: EventDocument): void => {
    const lessons = this.#lessons.get(document['event.action'])
    if (lessons === undefined) {
      if (document['event.kind'] === 'alert') this.#freeze(document)
      return
    }
    const timeUs = DOCUMENTS.timeUs(document)
    for (let i = 0; i < lessons.length; i++) {
      const lesson = lessons[i]
      if (!lesson.writeId(document, this.#entities.begin(lesson.kind))) continue
      const place = this.#meet(timeUs)
      for (let j = 0; j < lesson.habits.length; j++) this.#learn(place, lesson.habits[j], document, timeUs)
    }
    if (this.#entities.bytes > this.#options.bytesMax) this.#makeMemory(timeUs)
  }

  get counters(): BaselineCounters {
    return { entities: this.#entities.size, ...this.#counters }
  }

  get capacity(): number {
    return this.#options.entitiesMax
  }

  /** What all of it takes in memory, as it is estimated. */
  get bytes(): number {
    return this.#entities.bytes
  }

  get bytesMax(): number {
    return this.#options.bytesMax
  }

  /** What is known of the entities with this id, of any kind. */
  *describe(id: string): Generator<{ entity: SavedEntity; habits: readonly (readonly [string, string])[] }> {
    for (const place of this.#named(id)) {
      const habits = this.#modelsOf(place).map(([name, model]) => [name, model.describe()] as const)
      yield { entity: this.#saved(place), habits }
    }
  }

  /** The longest silent first. */
  *save(): Generator<SavedEntity> {
    const entities = this.#entities
    for (let place = entities.oldest; place !== -1; place = entities.newerThan(place)) yield this.#saved(place)
  }

  /**
   * Takes in what `save` gave, of this version or an older one: features that are no longer known are left out. A part that
   * does not fit throws.
   */
  restore({ kind, id, firstUs, lastUs, observations, models }: SavedEntity): void {
    if (!(kind in ENTITIES) || typeof id !== 'string') throw new Error('no entity')
    if (![firstUs, lastUs, observations].every(Number.isFinite)) throw new Error('times and counts must be numbers')
    const restored: (Model | undefined)[] = []
    for (const [name, model] of Object.entries(models)) {
      const habit = HABITS.get(name)
      if (habit?.feature.entity === kind) restored[habit.index] = habit.feature.model(model as never)
    }
    const entities = this.#entities
    const known = entities.find(kind, id)
    if (known !== -1) entities.remove(known)
    else this.#makeRoom(lastUs)
    const place = entities.add(firstUs)
    entities.lastUs[place] = lastUs
    entities.observations[place] = observations
    const early = earlySamples(kind, models)
    if (early === null) entities.equip(place, restored)
    else for (const [timeUs, number] of early) entities.keepEarly(place, timeUs, number)
    if (entities.bytes > this.#options.bytesMax) this.#makeMemory(lastUs)
  }

  /** Forgets the entities with this id; says how many there were. */
  forget(id: string): number {
    const places = this.#named(id)
    for (const place of places) this.#entities.remove(place)
    return places.length
  }

  #named(id: string): number[] {
    const places = (Object.keys(ENTITIES) as EntityKind[]).map((kind) => this.#entities.find(kind, id))
    return places.filter((place) => place !== -1)
  }

  /** The entity whose id was written, which was seen now. */
  #meet(timeUs: number): number {
    const entities = this.#entities
    let place = entities.findWritten()
    if (place === -1) {
      this.#makeRoom(timeUs)
      place = entities.add(timeUs)
    } else if (timeUs - entities.lastUs[place] > TOUCH_US) entities.touch(place)
    if (timeUs > entities.lastUs[place]) entities.lastUs[place] = timeUs
    entities.observations[place]++
    return place
  }

  #makeRoom(timeUs: number): void {
    const { entitiesMax } = this.#options
    if (this.#entities.size < entitiesMax) return
    for (let count = Math.max(1, Math.floor(entitiesMax * FORGOTTEN_SHARE)); count > 0; count--) {
      if (!this.#forgetOldest()) break
    }
    this.#tellFull(timeUs, 'baselines', entitiesMax, `more than ${entitiesMax} baselines`)
  }

  #makeMemory(timeUs: number): void {
    const { bytesMax } = this.#options
    while (this.#entities.bytes > bytesMax * (1 - FORGOTTEN_SHARE)) if (!this.#forgetOldest()) break
    this.#tellFull(timeUs, 'baseline_bytes', bytesMax, `baselines take more than ${bytesMax} bytes`)
  }

  /** False if there is none. */
  #forgetOldest(): boolean {
    const { oldest } = this.#entities
    if (oldest === -1) return false
    this.#entities.remove(oldest)
    this.#counters.evicted++
    return true
  }

  #tellFull(timeUs: number, table: string, capacity: number, says: string): void {
    if (this.#fullTold.has(table)) return
    this.#fullTold.add(table)
    this.#emit({
      name: 'sensor.table.filled',
      timeUs,
      message: `${says}: the habits of who was silent for longest are forgotten`,
      fields: { 'sensor.table': table, 'sensor.capacity': capacity },
    })
  }

  #learn(place: number, habit: Habit, document: EventDocument, timeUs: number): void {
    const { feature } = habit
    const text = feature.text?.(document)
    const number = feature.number?.(document)
    if (text === undefined && number === undefined) return
    const entities = this.#entities
    const learns = timeUs >= entities.frozenUntilUs[place]
    this.#counters.observations++
    if (!learns) this.#counters.frozen++
    const isUnmade = entities.models[place] === undefined
    if (isUnmade && habit.isEarly && entities.keepEarly(place, timeUs, number ?? 1)) return
    const { learnUs, observationsMin } = this.#options
    const sample = this.#sample
    sample.text = text ?? ''
    sample.number = number ?? 1
    sample.timeUs = timeUs
    sample.isKnown = timeUs - entities.firstUs[place] >= learnUs && entities.observations[place] > observationsMin
    sample.learns = learns
    const model = this.#model(place, habit)
    const before = model.bytes
    const deviation = model.observe(sample)
    entities.bytes += model.bytes - before
    if (deviation !== null) this.#tell(place, habit, deviation, document, timeUs)
  }

  #model(place: number, { feature, index }: Habit): Model {
    const { models } = this.#entities
    let ofEntity = models[place]
    if (ofEntity === undefined) {
      ofEntity = this.#entities.hasEarly(place) ? this.#earlyModels(place) : []
      this.#entities.equip(place, ofEntity)
    }
    let model = ofEntity[index]
    if (model === undefined) {
      model = feature.model()
      ofEntity[index] = model
      this.#entities.bytes += model.bytes
    }
    return model
  }

  /** Of an entity that had none, those that its first samples make. */
  #earlyModels(place: number): (Model | undefined)[] {
    const { kind } = this.#entities.nameOf(place)
    const models: (Model | undefined)[] = []
    for (const { feature, index, isEarly } of HABITS.values()) {
      if (!isEarly || feature.entity !== kind) continue
      const model = feature.model()
      this.#entities.teachEarly(place, model)
      models[index] = model
    }
    return models
  }

  #modelsOf(place: number): (readonly [FeatureName, Model])[] {
    const { kind } = this.#entities.nameOf(place)
    const models = this.#entities.models[place] ?? (this.#entities.hasEarly(place) ? this.#earlyModels(place) : [])
    return [...HABITS.values()].flatMap(({ name, feature, index }) => {
      const model = feature.entity === kind ? models[index] : undefined
      return model === undefined ? [] : [[name, model] as const]
    })
  }

  #saved(place: number): SavedEntity {
    const { firstUs, lastUs, observations } = this.#entities
    return {
      ...this.#entities.nameOf(place),
      firstUs: firstUs[place],
      lastUs: lastUs[place],
      observations: observations[place],
      models: Object.fromEntries(this.#modelsOf(place).map(([name, model]) => [name, model.save()])),
    }
  }

  #tell(
    place: number,
    { name, feature }: Habit,
    { observed, expected, score }: Deviation,
    document: EventDocument,
    timeUs: number,
  ): void {
    const { kind, id } = this.#entities.nameOf(place)
    const learnedUs = timeUs - this.#entities.firstUs[place]
    this.#counters.deviations++
    this.#emit({
      name: 'baseline.deviated',
      timeUs,
      message: `${kind} ${id} ${feature.says}: ${observed}; usual: ${expected}`,
      fields: {
        'baseline.entity.kind': kind,
        'baseline.entity.id': id,
        'baseline.feature': name,
        'baseline.observed': observed,
        'baseline.expected': expected,
        'baseline.score': Math.round(score * 100) / 100,
        'baseline.observations': this.#entities.observations[place],
        'baseline.learned_days': Math.round((learnedUs / DAY_US) * 10) / 10,
        'baseline.evidence': document['event.id'],
        'source.ip': document['source.ip'],
        'source.port': document['source.port'],
        'destination.ip': document['destination.ip'],
        'destination.port': document['destination.port'],
        'network.transport': document['network.transport'],
        'outer.source.ip': document['outer.source.ip'],
        'outer.destination.ip': document['outer.destination.ip'],
        'user.name': document['user.name'],
        'l2tp.tunnel.uid': document['l2tp.tunnel.uid'],
        'l2tp.session.uid': document['l2tp.session.uid'],
        'esp.tunnel.uid': document['esp.tunnel.uid'],
        'ike.uid': document['ike.uid'],
        'flow.uid': document['flow.uid'],
        'flow.carrier': document['flow.carrier'],
        'borescope.lineage': document['borescope.lineage'],
      },
    })
  }

  /** What an alert of weight names is not to teach anything for a while. */
  #freeze(alert: EventDocument): void {
    if ((alert['event.severity'] ?? 0) < FREEZING_SEVERITY) return
    const untilUs = parseMicroseconds(alert['@timestamp']) + this.#options.freezeUs
    const { 'user.name': user, 'source.ip': source, 'outer.source.ip': outer, 'destination.ip': destination } = alert
    const pair = `${source} > ${destination}`
    const entities = this.#entities
    const freeze = (kind: EntityKind, id: string) => {
      const place = entities.find(kind, id)
      if (place !== -1) entities.frozenUntilUs[place] = Math.max(entities.frozenUntilUs[place], untilUs)
    }
    if (user !== undefined) freeze('user', user)
    if (source !== undefined) freeze('client', source)
    if (outer !== undefined) freeze('client', outer)
    freeze('tunnel', pair)
    freeze('esp', pair)
  }
}

/** Every habit, numbered within its kind of entity. */
const HABITS: ReadonlyMap<string, Habit> = new Map(
  (Object.entries(FEATURES) as [FeatureName, Feature][]).map(([name, feature], at, all) => [
    name,
    {
      name,
      feature,
      index: all.slice(0, at).filter(([, other]) => other.entity === feature.entity).length,
      isEarly: Object.values(EARLY).some((early) => early.feature === name),
    },
  ]),
)

/** Habits of the same entity, one after the other, are one lesson. */
function lessonsByEvent(): ReadonlyMap<string, readonly Lesson[]> {
  const byEvent = new Map<string, Lesson[]>()
  for (const habit of HABITS.values()) {
    const kind = habit.feature.entity
    for (const event of habit.feature.events) {
      const lessons = byEvent.get(event) ?? []
      byEvent.set(event, lessons)
      const last = lessons.at(-1)
      if (last?.kind === kind) last.habits.push(habit)
      else lessons.push({ kind, writeId: ENTITIES[kind], habits: [habit] })
    }
  }
  return byEvent
}

/** Of what was saved of an entity, the samples that stand for it; null if it needs its models. */
function earlySamples(kind: EntityKind, models: SavedEntity['models']): readonly (readonly [number, number])[] | null {
  const early = kind in EARLY ? EARLY[kind as keyof typeof EARLY] : undefined
  const names = Object.keys(models)
  if (early === undefined || names.length !== 1 || names[0] !== early.feature) return null
  const samples = early.samplesOf(models[early.feature] as never)
  return samples !== null && samples.length > 0 && samples.length <= EARLY_MAX ? samples : null
}

/** The events in which habits show: what a history must hold for them to be learned from it. */
export const TEACHING_EVENTS: readonly EventName[] = [
  ...new Set((Object.values(FEATURES) as Feature[]).flatMap(({ events }) => events)),
]
