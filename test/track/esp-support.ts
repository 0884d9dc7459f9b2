/** Two hosts whose every packet of ESP a test writes out, and an IKE that says what the test wants. */
import { Defragmenter } from '../../src/dissect/defragment.ts'
import { Dissector } from '../../src/dissect/dissector.ts'
import { type EspKeyEntry, EspKeyring } from '../../src/dissect/esp-keyring.ts'
import { Frame } from '../../src/dissect/frame.ts'
import type { RaisedEvent } from '../../src/events/catalogue.ts'
import { Anomalies } from '../../src/track/anomalies.ts'
import { Carriers } from '../../src/track/carrier.ts'
import { type EspLimits, EspTracker, OUTCOME } from '../../src/track/esp-tracker.ts'
import type { IkeEnding, IkeLookup, IkeParent } from '../../src/track/ike-lookup.ts'
import { CarrierFlows } from '../../src/track/carrier-flows.ts'
import { LocalFlows } from '../../src/track/local-flows.ts'
import { type EspKeyMaterial, EspKeys } from '../../src/wire/esp-algorithms.ts'
import { LINKTYPE } from '../../src/wire/link.ts'
import { be32, concat, datagram, ethernet, type IpAddress, ipv4, udp } from '../support/craft.ts'
import { type EspFields, material, seal } from '../support/esp.ts'

export const ALICE = '198.51.100.7'
export const GATEWAY = '192.0.2.1'
export const START_US = 1_700_000_000_000_000
const SECOND_US = 1_000_000

export const SEALED = material('AES-CBC', 'HMAC-SHA1-96')
export const CLEAR = material('NULL', 'HMAC-SHA1-96')

const LIMITS: EspLimits = {
  espAssociationsMax: 1000,
  espIdleUs: 3600 * SECOND_US,
  espReplayWindow: 64,
  espNullPackets: 2,
  espWindowUs: 10_000_000,
  reportsPerMinute: 10,
  sourcesMax: 100,
}

export interface EspChange extends EspFields {
  readonly keys?: EspKeyMaterial
  readonly content?: Uint8Array
  readonly source?: IpAddress
  readonly target?: IpAddress
  /** Given, the packet goes in UDP from this port to the other. */
  readonly ports?: readonly [number, number]
}

export class EspRun implements IkeLookup {
  readonly events: RaisedEvent[] = []
  readonly tracker: EspTracker
  readonly frame = new Frame()
  timeUs = START_US
  parent: IkeParent | null = null
  readonly #dissector: Dissector
  readonly #keyring: EspKeyring
  readonly #sequences = new Map<number, number>()
  #ended: (uid: string, timeUs: number, ending: IkeEnding) => void = () => {}

  constructor(limits: Partial<EspLimits> = {}, keys: readonly EspKeyMaterial[] = []) {
    const emit = (event: RaisedEvent) => void this.events.push(event)
    const anomalies = new Anomalies(emit, { reportsPerMinute: 10, sourcesMax: 100 })
    const carriers = new Carriers()
    const flowSink = new LocalFlows(
      carriers,
      emit,
      {
        flowsMax: 100,
        tcpIdleUs: 300 * SECOND_US,
        otherIdleUs: 60 * SECOND_US,
        conversationsMax: 100,
        streamBytesMax: 1 << 20,
        streamWindowBytes: 65_536,
        carrierEventsPerMinute: 100,
        flowEventsMax: 100,
      },
      () => {},
    )
    const flows = new CarrierFlows(carriers, flowSink)
    this.#keyring = new EspKeyring(keys.map(entryOf))
    this.#dissector = new Dissector(new Defragmenter({ datagramsMax: 8, piecesMax: 8, timeoutSeconds: 30 }, () => {}))
    this.tracker = new EspTracker(emit, anomalies, flows, carriers, this, this.#keyring, {
      ...LIMITS,
      ...limits,
    })
  }

  parentOf(): IkeParent | null {
    return this.parent
  }

  onEnded(listener: (uid: string, timeUs: number, ending: IkeEnding) => void): void {
    this.#ended = listener
  }

  /** An IKE SA that its own lookup tells of. */
  endIke(uid: string, ending: IkeEnding = 'deleted', timeUs = this.timeUs): this {
    this.#ended(uid, timeUs, ending)
    return this
  }

  /** Other keys are supplied from now on. */
  change(...keys: readonly EspKeyMaterial[]): this {
    this.#keyring.replace(keys.map(entryOf))
    this.tracker.keysChanged()
    return this
  }

  /** What the tracker of another run knows, so many seconds later. */
  resume({ tracker, timeUs }: EspRun, pauseSeconds = 0): this {
    const saved = [...tracker.save()]
    const pairs = saved.flatMap((entry) => ('pair' in entry ? [entry.pair] : []))
    const associations = saved.flatMap((entry) => ('association' in entry ? [entry.association] : []))
    this.timeUs = timeUs + pauseSeconds * SECOND_US
    this.tracker.restore(pairs, associations, { savedUs: timeUs, nowUs: this.timeUs })
    return this
  }

  wait(seconds: number): this {
    this.timeUs += seconds * SECOND_US
    for (const _ of this.tracker.expire(this.timeUs));
    return this
  }

  /** A packet from Alice, with the next number of its SPI unless the change says otherwise. */
  up(spi: number, change: EspChange = {}): this {
    return this.#send(spi, { source: ALICE, target: GATEWAY, ...change })
  }

  /** A packet from the gateway. */
  down(spi: number, change: EspChange = {}): this {
    return this.#send(spi, { source: GATEWAY, target: ALICE, ...change })
  }

  raw(bytes: Uint8Array): this {
    const { frame } = this
    this.timeUs += 1000
    frame.bytes = bytes
    frame.start = 0
    frame.end = bytes.length
    frame.timeUs = this.timeUs
    frame.originalLength = bytes.length
    frame.linkType = LINKTYPE.ETHERNET
    let verdict = this.#dissector.dissect(frame)
    while (verdict === 'esp' || verdict === 'ah' || verdict === 'natt' || verdict === 'ike') {
      if (this.tracker.observe(frame, verdict) !== OUTCOME.INSIDE) return this
      frame.protection = this.tracker.protection
      const { bytes: inside, start, end } = this.tracker.inside
      verdict = this.#dissector.inside(frame, inside, start, end)
      if (verdict === 'inner') this.tracker.observeInner(frame)
    }
    return this
  }

  finish(): this {
    for (const _ of this.tracker.finish(this.timeUs));
    return this
  }

  /** The events of a name. */
  told<N extends RaisedEvent['name']>(name: N): Extract<RaisedEvent, { readonly name: N }>[] {
    return this.events.filter((event): event is Extract<RaisedEvent, { readonly name: N }> => event.name === name)
  }

  get names(): string[] {
    return this.events.map(({ name }) => name)
  }

  #send(spi: number, change: EspChange): this {
    const { keys = SEALED, content = udp(new Uint8Array(20), { sourcePort: 7, targetPort: 9 }), ...fields } = change
    const { source = ALICE, target = GATEWAY, ports } = change
    const sequence = fields.sequence ?? (this.#sequences.get(spi) ?? 0) + 1
    if (fields.sequence === undefined) this.#sequences.set(spi, sequence)
    const packet = seal(content, keys, { ...fields, spi, sequence })
    if (ports === undefined) return this.raw(ethernet(ipv4(packet, { source, target, protocol: 50 })))
    return this.raw(datagram(packet, { source, target, sourcePort: ports[0], targetPort: ports[1] }))
  }
}

export function parentSa(uid: string, change: Partial<IkeParent> = {}): IkeParent {
  return {
    uid,
    version: 1,
    initiator: ALICE,
    responder: GATEWAY,
    isFromInitiator: true,
    establishedUs: START_US - SECOND_US,
    suite: 'AES-CBC-256/SHA2-256/modp2048/PSK',
    lifetimeSeconds: undefined,
    child: undefined,
    basis: 'only',
    ...change,
  }
}

/** AH with an SPI, and what it protects. */
export function ah(nextHeader: number, spi: number, sequence: number, payload: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(nextHeader, 4, 0, 0), be32(spi), be32(sequence), new Uint8Array(12), payload)
}

/** For any association. */
function entryOf(keys: EspKeyMaterial): EspKeyEntry {
  return { source: null, destination: null, spi: 0, spiMask: 0, keys: new EspKeys(keys) }
}
