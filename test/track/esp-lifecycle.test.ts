import { expect, test } from 'vitest'
import { Defragmenter } from '../../src/dissect/defragment.ts'
import { Dissector } from '../../src/dissect/dissector.ts'
import { Frame } from '../../src/dissect/frame.ts'
import type { RaisedEvent } from '../../src/events/catalogue.ts'
import { Allowances } from '../../src/track/allowances.ts'
import { Carriers } from '../../src/track/carrier.ts'
import { CarrierFlows } from '../../src/track/carrier-flows.ts'
import { CARRIAGE, type EspAssociation } from '../../src/track/esp-association.ts'
import { EspEvents } from '../../src/track/esp-events.ts'
import { EspLifecycle } from '../../src/track/esp-lifecycle.ts'
import { ARRIVAL, type Arrival } from '../../src/track/esp-sequence.ts'
import { EspTable } from '../../src/track/esp-table.ts'
import { EspTraffic } from '../../src/track/esp-traffic.ts'
import { EspTrafficEvents } from '../../src/track/esp-traffic-events.ts'
import type { IkeEnding, IkeParent } from '../../src/track/ike-lookup.ts'
import { NO_FLOWS } from '../../src/track/no-flows.ts'
import { LINKTYPE } from '../../src/wire/link.ts'
import { ethernet, ipv4 } from '../support/craft.ts'
import { ALICE, GATEWAY, parentSa, START_US } from './esp-support.ts'

const SECOND_US = 1_000_000
const IDLE_US = 3600 * SECOND_US

/** Lives without a tracker: a test says itself what a packet is taken for. */
class Lives {
  readonly events: RaisedEvent[] = []
  readonly table: EspTable
  readonly lifecycle: EspLifecycle
  parent: IkeParent | null = null
  ike: (uid: string, timeUs: number, ending: IkeEnding) => void = () => {}
  readonly #frame = new Frame()
  readonly #dissector = new Dissector(new Defragmenter({ datagramsMax: 8, piecesMax: 8, timeoutSeconds: 30 }, () => {}))

  constructor(capacity = 100) {
    const emit = (event: RaisedEvent) => void this.events.push(event)
    const owner = {
      at: (index: number) => this.table.pairs.at(index),
      carriers: () => [],
      identify: () => ({ 'borescope.lineage': [] }),
      hosts: () => ({}),
      traffic: () => {
        throw new Error('nobody asks')
      },
    }
    this.table = new EspTable(capacity, 64, owner, 0)
    const events = new EspEvents(this.table.endpoints, emit, this.table.windows)
    const trafficEvents = new EspTrafficEvents(events, emit, new Allowances(10, 10), owner.at)
    this.lifecycle = new EspLifecycle(
      this.table,
      new EspTraffic(trafficEvents, 10 * SECOND_US),
      events,
      new CarrierFlows(new Carriers(), NO_FLOWS),
      {
        parentOf: () => this.parent,
        onEnded: (listener) => {
          this.ike = listener
        },
      },
      emit,
      { espIdleUs: IDLE_US, sourcesMax: 100 },
    )
  }

  get names(): string[] {
    return this.events.map(({ name }) => name)
  }

  /** The first packet under that SPI, so many seconds after the start. */
  begin(spi: number, seconds: number, source = ALICE, target = GATEWAY): EspAssociation | null {
    const bytes = ethernet(ipv4(new Uint8Array(40), { source, target, protocol: 50 }))
    const frame = this.#frame
    Object.assign(frame, { bytes, start: 0, end: bytes.length, originalLength: bytes.length })
    frame.linkType = LINKTYPE.ETHERNET
    frame.timeUs = at(seconds)
    this.#dissector.dissect(frame)
    return this.lifecycle.begin(frame, CARRIAGE.ESP, spi, 1)
  }

  /** One that is believed at once. */
  live(spi: number, seconds: number, source = ALICE, target = GATEWAY): EspAssociation {
    const association = this.begin(spi, seconds, source, target) as EspAssociation
    this.lifecycle.believe(association, at(seconds))
    return association
  }

  /** Time goes on to so many seconds after the start. */
  expire(seconds: number): this {
    for (const _ of this.lifecycle.expire(at(seconds)));
    return this
  }

  again(association: EspAssociation, seconds: number, arrival: Arrival): void {
    this.#frame.timeUs = at(seconds)
    this.lifecycle.lookAgain(this.#frame, association, arrival)
  }
}

function at(seconds: number): number {
  return START_US + seconds * SECOND_US
}

test('a candidate is of no pair, and not told of until a packet goes on from its first', () => {
  const lives = new Lives()
  const candidate = lives.begin(0x1000, 0) as EspAssociation
  lives.again(candidate, 1, ARRIVAL.LATE)
  expect([candidate.state, lives.table.pairs.size, lives.names]).toEqual(['candidate', 0, []])
  lives.again(candidate, 1, ARRIVAL.NEXT)
  expect([candidate.state, lives.table.pairs.size, lives.names]).toEqual(['live', 1, ['esp.association.seen']])
})

test('a candidate in the other direction is believed with it, unless it began too long before', () => {
  for (const [seconds, state] of [
    [20, 'live'],
    [70, 'candidate'],
  ] as const) {
    const lives = new Lives()
    const answer = lives.begin(0x2000, 0, GATEWAY, ALICE) as EspAssociation
    lives.live(0x1000, seconds)
    expect(answer.state).toBe(state)
    expect(lives.names.includes('esp.tunnel.opened')).toBe(state === 'live')
  }
})

test('what nothing came of is told three times a minute of a source, and forgotten every time', () => {
  const lives = new Lives()
  for (let i = 0; i < 5; i++) lives.begin(0x1000 + i, i)
  lives.expire(60)
  expect(lives.names).toEqual(Array(3).fill('esp.association.seen'))
  expect(lives.table.associations.size).toBe(3)
})

test('candidates take a quarter of the table, and the rest is for what is believed', () => {
  const lives = new Lives(8)
  const begun = [1, 2, 3].map((spi) => lives.begin(0x1000 + spi, 0))
  expect(begun.map((association) => association !== null)).toEqual([true, true, false])
  expect(lives.names).toEqual(['sensor.table.filled'])
  lives.lifecycle.believe(begun[0] as EspAssociation, at(1))
  expect(lives.begin(0x1003, 1)).not.toBeNull()
})

test('a successor ends the one before it two minutes after its last packet, unless that goes on', () => {
  const ended = new Lives()
  const first = ended.live(0x1000, 0)
  const second = ended.live(0x1001, 10)
  expect([first.state, second.predecessor?.spi]).toEqual(['replaced', 0x1000])
  ended.expire(122)
  expect(ended.events.at(-1)).toMatchObject({
    name: 'esp.association.closed',
    timeUs: at(120),
    fields: { 'esp.closed_by': 'rekey' },
  })

  const parted = new Lives()
  const [old, other] = [parted.live(0x1000, 0), parted.live(0x1001, 10)]
  parted.again(old, 131, ARRIVAL.NEXT)
  expect([old.state, other.predecessor, parted.table.pairs.size]).toEqual(['live', null, 2])
  expect(parted.names.at(-1)).toBe('esp.association.parted')
})

test('with the IKE SA that was deleted ends what sends nothing more, half a minute later', () => {
  const lives = new Lives()
  lives.parent = parentSa('i-1')
  lives.live(0x1000, 0)
  lives.ike('i-1', at(5), 'silence')
  lives.expire(40)
  expect(lives.names).toEqual(['esp.association.seen'])
  lives.ike('i-1', at(41), 'deleted')
  lives.expire(70)
  expect(lives.table.associations.size).toBe(1)
  lives.expire(72)
  expect(lives.events.at(-1)).toMatchObject({
    name: 'esp.association.closed',
    timeUs: at(71),
    fields: { 'esp.closed_by': 'ike' },
  })
  expect([lives.table.associations.size, lives.table.pairs.size]).toEqual([0, 0])
})

test('time in which nobody looked is no silence', () => {
  const [paused, watched] = [new Lives(), new Lives()]
  for (const lives of [paused, watched]) lives.live(0x1000, 0)
  paused.lifecycle.resume({ savedUs: at(10), nowUs: at(1810) })
  for (const lives of [paused, watched]) lives.expire(3602)
  expect([paused, watched].map(({ table }) => table.associations.size)).toEqual([1, 0])
  expect(paused.expire(5402).events.at(-1)).toMatchObject({ timeUs: at(5400), fields: { 'esp.closed_by': 'silence' } })
})
