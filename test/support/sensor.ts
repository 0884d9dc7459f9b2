/**
 * The whole sensor over packets in memory or over a capture file, and its events as they come out of the bus.
 */
import { openCapture } from '../../src/capture/sources.ts'
import { loadConfig } from '../../src/config.ts'
import type { Config } from '../../src/config-schema.ts'
import type { EspKeyEntry } from '../../src/dissect/esp-keyring.ts'
import { CATALOGUE, type EventName } from '../../src/events/catalogue.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { Sensor } from '../../src/sensor.ts'

export interface SensorOptions {
  readonly secrets?: readonly string[]
  /** Passwords of PPP users. */
  readonly passwords?: Config['secrets']['ppp']
  readonly track?: Partial<Config['track']>
  readonly capture?: Partial<Config['capture']>
  readonly espKeys?: readonly EspKeyEntry[]
}

const LINKTYPE_ETHERNET = 1

function sensorOf(options: SensorOptions): { sensor: Sensor; events: EventDocument[] } {
  const { config } = loadConfig(undefined, {})
  const sensor = new Sensor(
    {
      ...config,
      track: { ...config.track, ...options.track },
      capture: { ...config.capture, ...options.capture },
      secrets: { ...config.secrets, l2tp: [...(options.secrets ?? [])], ppp: options.passwords ?? [] },
    },
    'test',
    null,
    options.espKeys ?? [],
  )
  const events: EventDocument[] = []
  sensor.bus.subscribe((document) => {
    assertDeclared(document)
    events.push(document)
  })
  return { sensor, events }
}

/** What the bus adds to every event. */
const ADDED =
  /^(@timestamp|message|(ecs|observer|related)\..*|borescope\.(capture|frame\..*)|event\.(id|kind|category|type|action|dataset|module|sequence))$/

/** Types let a field pass that an object brings along which is spread into an event; rules may use only what is declared. */
export function assertDeclared(document: EventDocument): void {
  const name = document['event.action']
  const { always, may }: { readonly always: readonly string[]; readonly may: readonly string[] } =
    CATALOGUE[name as EventName]
  for (const [field, value] of Object.entries(document))
    if (value !== undefined && !ADDED.test(field) && !always.includes(field) && !may.includes(field))
      throw new Error(`${name} carries ${field}, which it does not declare`)
  const missing = always.find((field) => document[field as keyof EventDocument] === undefined)
  if (missing !== undefined) throw new Error(`${name} lacks ${missing}, which it always has`)
}

/** Takes whole Ethernet frames one by one. */
export class TestSensor {
  readonly sensor: Sensor
  readonly events: EventDocument[]
  /** What it has seen: with `pcapFile` a capture. */
  readonly packets: { readonly timeUs: number; readonly bytes: Uint8Array }[] = []
  #number = 0

  constructor(options: SensorOptions = {}) {
    const { sensor, events } = sensorOf(options)
    this.sensor = sensor
    this.events = events
  }

  see(bytes: Uint8Array, timeUs: number): void {
    const { frame } = this.sensor
    frame.bytes = bytes
    frame.start = 0
    frame.end = bytes.length
    frame.timeUs = timeUs
    frame.originalLength = bytes.length
    frame.linkType = LINKTYPE_ETHERNET
    frame.number = ++this.#number
    this.packets.push({ timeUs, bytes })
    this.sensor.observe()
  }

  finish(): readonly EventDocument[] {
    this.sensor.finish()
    return this.events
  }
}

/** The events of packets in memory. */
export function eventsOf(
  packets: Iterable<{ readonly timeUs: number; readonly bytes: Uint8Array }>,
  options: SensorOptions = {},
): readonly EventDocument[] {
  const run = new TestSensor(options)
  for (const { bytes, timeUs } of packets) run.see(bytes, timeUs)
  return run.finish()
}

/** The events of a capture file. */
export async function eventsOfFile(path: string, options: SensorOptions = {}): Promise<readonly EventDocument[]> {
  const { sensor, events } = sensorOf(options)
  const source = await openCapture(path)
  sensor.frame.capture = source.name
  while (await source.fill()) while (source.next(sensor.frame)) sensor.observe()
  sensor.finish(source.fault === null ? [] : [{ capture: source.name, fault: source.fault }])
  await source.close()
  return events
}

export function named(events: readonly EventDocument[], name: EventName): readonly EventDocument[] {
  return events.filter((event) => event['event.action'] === name)
}

export function countsOf(events: readonly EventDocument[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const event of events) {
    const name = String(event['event.action'])
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}
