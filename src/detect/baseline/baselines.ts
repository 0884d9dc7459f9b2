/**
 * Learned habits: every event that shows one is compared with what is usual for its user, client, gateway, tunnel or
 * conversation, and is then learned. What deviates becomes a `baseline.deviated` event; rules say what it means.
 *
 * Time is that of the events. Everything is bounded: of too many entities the one that was silent for longest is forgotten.
 */
import { DAY_US, HOUR_US, parseMicroseconds } from '../../base/time.ts'
import type { Emit, EventName } from '../../events/catalogue.ts'
import type { EventDocument } from '../../events/fields.ts'
import { ENTITIES, type EntityKind, FEATURES, type Feature, type FeatureName } from './features.ts'
import type { Deviation, Model } from './models.ts'

export interface BaselineOptions {
  /** Entities of all kinds whose habits are remembered. */
  readonly entitiesMax: number
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
}

/** The habits of one user, client, gateway … */
interface Entity {
  readonly kind: EntityKind
  readonly id: string
  firstUs: number
  lastUs: number
  observations: number
  frozenUntilUs: number
  /** By the place of their habit; there are very many entities with one or two. */
  readonly models: (Model | undefined)[]
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
  readonly #habits = new Map<string, Habit[]>()
  /** By kind and id, the longest silent first. */
  readonly #entities = new Map<string, Entity>()
  readonly #counters = { observations: 0, deviations: 0, evicted: 0, frozen: 0 }
  #isFullTold = false

  constructor(emit: Emit, options: BaselineOptions) {
    this.#emit = emit
    this.#options = options
    for (const habit of HABITS.values()) {
      for (const event of habit.feature.events) {
        const habits = this.#habits.get(event)
        if (habits === undefined) this.#habits.set(event, [habit])
        else habits.push(habit)
      }
    }
  }

  /** An event from the bus. Alerts are not learned: they stop the learning. */
  readonly observe = (document: EventDocument): void => {
    const habits = this.#habits.get(document['event.action'])
    if (habits === undefined) {
      if (document['event.kind'] === 'alert') this.#freeze(document)
      return
    }
    const timeUs = parseMicroseconds(document['@timestamp'])
    let entity: Entity | null = null
    for (const habit of habits) {
      const { feature } = habit
      if (entity?.kind !== feature.entity) entity = this.#entity(feature.entity, document, timeUs)
      if (entity !== null) this.#learn(entity, habit, document, timeUs)
    }
  }

  get counters(): BaselineCounters {
    return { entities: this.#entities.size, ...this.#counters }
  }

  /** What is known of the entities with this id, of any kind. */
  *describe(id: string): Generator<{ entity: SavedEntity; habits: readonly (readonly [string, string])[] }> {
    for (const entity of this.#entities.values()) {
      if (entity.id !== id) continue
      yield { entity: saved(entity), habits: modelsOf(entity).map(([name, model]) => [name, model.describe()]) }
    }
  }

  *save(): Generator<SavedEntity> {
    for (const entity of this.#entities.values()) yield saved(entity)
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
    this.#makeRoom()
    const entity = {
      kind,
      id,
      firstUs,
      lastUs,
      observations,
      frozenUntilUs: Number.NEGATIVE_INFINITY,
      models: restored,
    }
    this.#entities.set(`${kind} ${id}`, entity)
  }

  /** Forgets the entities with this id; says how many there were. */
  forget(id: string): number {
    let count = 0
    for (const [key, entity] of this.#entities) {
      if (entity.id !== id) continue
      this.#entities.delete(key)
      count++
    }
    return count
  }

  #entity(kind: EntityKind, document: EventDocument, timeUs: number): Entity | null {
    const id = ENTITIES[kind](document)
    if (id === undefined) return null
    const key = `${kind} ${id}`
    let entity = this.#entities.get(key)
    if (entity === undefined) {
      this.#makeRoom(timeUs)
      const frozenUntilUs = Number.NEGATIVE_INFINITY
      entity = { kind, id, firstUs: timeUs, lastUs: timeUs, observations: 0, frozenUntilUs, models: [] }
      this.#entities.set(key, entity)
    } else if (timeUs - entity.lastUs > TOUCH_US) {
      this.#entities.delete(key)
      this.#entities.set(key, entity)
    }
    entity.lastUs = Math.max(entity.lastUs, timeUs)
    entity.observations++
    return entity
  }

  #makeRoom(timeUs = 0): void {
    if (this.#entities.size < this.#options.entitiesMax) return
    let count = Math.max(1, Math.floor(this.#options.entitiesMax * FORGOTTEN_SHARE))
    for (const key of this.#entities.keys()) {
      this.#entities.delete(key)
      this.#counters.evicted++
      if (--count === 0) break
    }
    if (this.#isFullTold) return
    this.#isFullTold = true
    this.#emit({
      name: 'sensor.table.filled',
      timeUs,
      message: `more than ${this.#options.entitiesMax} baselines: the habits of who was silent for longest are forgotten`,
      fields: { 'sensor.table': 'baselines', 'sensor.capacity': this.#options.entitiesMax },
    })
  }

  #learn(entity: Entity, { name, feature, index }: Habit, document: EventDocument, timeUs: number): void {
    const text = feature.text?.(document)
    const number = feature.number?.(document)
    if (text === undefined && number === undefined) return
    let model = entity.models[index]
    if (model === undefined) {
      model = feature.model()
      entity.models[index] = model
    }
    const { learnUs, observationsMin } = this.#options
    const learns = timeUs >= entity.frozenUntilUs
    this.#counters.observations++
    if (!learns) this.#counters.frozen++
    const isKnown = timeUs - entity.firstUs >= learnUs && entity.observations > observationsMin
    const deviation = model.observe({ text: text ?? '', number: number ?? 1, timeUs, isKnown, learns })
    if (deviation !== null) this.#tell(entity, name, feature, deviation, document, timeUs)
  }

  #tell(
    entity: Entity,
    name: FeatureName,
    feature: Feature,
    { observed, expected, score }: Deviation,
    document: EventDocument,
    timeUs: number,
  ): void {
    this.#counters.deviations++
    this.#emit({
      name: 'baseline.deviated',
      timeUs,
      message: `${entity.kind} ${entity.id} ${feature.says}: ${observed}; usual: ${expected}`,
      fields: {
        'baseline.entity.kind': entity.kind,
        'baseline.entity.id': entity.id,
        'baseline.feature': name,
        'baseline.observed': observed,
        'baseline.expected': expected,
        'baseline.score': Math.round(score * 100) / 100,
        'baseline.observations': entity.observations,
        'baseline.learned_days': Math.round(((timeUs - entity.firstUs) / DAY_US) * 10) / 10,
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
    const keys = [
      `user ${alert['user.name']}`,
      `client ${alert['source.ip']}`,
      `client ${alert['outer.source.ip']}`,
      `tunnel ${alert['source.ip']} > ${alert['destination.ip']}`,
      `esp ${alert['source.ip']} > ${alert['destination.ip']}`,
    ]
    for (const key of keys) {
      const entity = this.#entities.get(key)
      if (entity !== undefined) entity.frozenUntilUs = Math.max(entity.frozenUntilUs, untilUs)
    }
  }
}

/** Every habit, numbered within its kind of entity. */
const HABITS: ReadonlyMap<string, Habit> = new Map(
  (Object.entries(FEATURES) as [FeatureName, Feature][]).map(([name, feature], at, all) => [
    name,
    { name, feature, index: all.slice(0, at).filter(([, other]) => other.entity === feature.entity).length },
  ]),
)

function modelsOf({ kind, models }: Entity): (readonly [FeatureName, Model])[] {
  return [...HABITS.values()].flatMap(({ name, feature, index }) => {
    const model = feature.entity === kind ? models[index] : undefined
    return model === undefined ? [] : [[name, model] as const]
  })
}

function saved(entity: Entity): SavedEntity {
  const { kind, id, firstUs, lastUs, observations } = entity
  return {
    kind,
    id,
    firstUs,
    lastUs,
    observations,
    models: Object.fromEntries(modelsOf(entity).map(([name, model]) => [name, model.save()])),
  }
}

/** The events in which habits show: what a history must hold for them to be learned from it. */
export const TEACHING_EVENTS: readonly EventName[] = [
  ...new Set((Object.values(FEATURES) as Feature[]).flatMap(({ events }) => events)),
]
