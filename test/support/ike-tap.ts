/** A tap between an IKE client and its server, with the messages that they usually send. */
import { Defragmenter } from '../../src/dissect/defragment.ts'
import { Dissector } from '../../src/dissect/dissector.ts'
import { Frame } from '../../src/dissect/frame.ts'
import type { RaisedEvent } from '../../src/events/catalogue.ts'
import { Anomalies } from '../../src/track/anomalies.ts'
import { type IkeLimits, IkeTracker } from '../../src/track/ike-tracker.ts'
import { be16, concat, datagram, fromHex } from './craft.ts'
import { COOKIE_I, COOKIE_R, encrypted, message, NO_COOKIE, sa1, sa2, transform1 } from './ike.ts'

export const CLIENT = '192.0.2.11'
export const SERVER = '198.51.100.1'
export const START_US = 1_760_000_000_000_000
export const SECOND = 1_000_000
const LIMITS: IkeLimits = {
  ikeExchangesMax: 16,
  ikePosturesMax: 16,
  setupTimeoutUs: 30 * SECOND,
  ikeIdleUs: 3600 * SECOND,
  requestsPerMinute: 1000,
}

export const PAIR = { initiator: COOKIE_I, responder: COOKIE_R }
export const SA = sa1([transform1([7, 2, 1, 2])])
export const KE = new Uint8Array(128).fill(3)
export const NONCE = new Uint8Array(32).fill(4)

/** A tap between a client and a server: what is sent reaches the tracker at once. */
export class Tap {
  readonly events: RaisedEvent[] = []
  readonly postures: RaisedEvent<'ike.posture.observed'>[] = []
  readonly tracker: IkeTracker
  readonly #frame = new Frame()
  readonly #dissector = new Dissector(
    new Defragmenter({ datagramsMax: 4, piecesMax: 4, timeoutSeconds: 1 }, () => undefined),
  )
  nowUs = START_US

  constructor(limits: Partial<IkeLimits> = {}) {
    const emit = (event: RaisedEvent) => {
      if (event.name === 'ike.posture.observed') this.postures.push(event)
      else this.events.push(event)
    }
    const anomalies = new Anomalies(emit, { reportsPerMinute: 100, sourcesMax: 100 })
    this.tracker = new IkeTracker(emit, anomalies, { ...LIMITS, ...limits })
    for (const _ of this.tracker.expire(this.nowUs));
  }

  send(payload: Uint8Array, source: string, target: string, sourcePort = 500, targetPort = 500): void {
    const frame = this.#frame
    const bytes = datagram(payload, { source, target, sourcePort, targetPort })
    Object.assign(frame, {
      bytes,
      start: 0,
      end: bytes.length,
      timeUs: this.nowUs,
      linkType: 1,
      originalLength: bytes.length,
    })
    this.#dissector.dissect(frame)
    this.tracker.observe(frame)
  }

  up(payload: Uint8Array, port = 500): void {
    this.send(payload, CLIENT, SERVER, port, port)
  }

  down(payload: Uint8Array, port = 500): void {
    this.send(payload, SERVER, CLIENT, port, port)
  }

  wait(seconds: number): this {
    for (let i = 0; i < seconds; i++) {
      this.nowUs += SECOND
      for (const _ of this.tracker.expire(this.nowUs));
    }
    return this
  }

  get names(): string[] {
    return this.events.map(({ name }) => name.replace('ike.exchange.', ''))
  }

  get last() {
    return this.events.at(-1)?.fields as Record<string, unknown>
  }
}

type Transforms = Parameters<typeof sa2>[0]

/** What both messages of IKE_SA_INIT hold: SA, KE of the last group, nonce. */
export function init2(transforms: Transforms): [number, Uint8Array][] {
  const group = transforms.findLast(([type]) => type === 4)?.[1] ?? 0
  const ke = new Uint8Array({ 1: 96, 2: 128, 14: 256, 31: 32 }[group] ?? 64).fill(3)
  return [
    [33, sa2(transforms)],
    [34, concat(be16(group), be16(0), ke)],
    [40, NONCE],
  ]
}

/** Where messages of the two ends go. */
export interface Wire {
  up(bytes: Uint8Array): void
  down(bytes: Uint8Array): void
}

interface Cookies {
  readonly initiator: string
  readonly responder: string
}

/** Main mode up to a message, with the SA payload that is offered and the one that answers it. */
export function mainMode(tap: Wire, last: number, pair: Cookies = PAIR, offer = SA, choice = offer): void {
  const { initiator } = pair
  const fill = Number.parseInt(initiator.slice(2, 6), 16) & 0x7f
  const steps = [
    () =>
      tap.up(
        message({ initiator }, [
          [1, offer],
          [13, fromHex('882fe56d6fd20dbc2251613b2ebe5beb')],
        ]),
      ),
    () => tap.down(message(pair, [[1, choice]])),
    () =>
      tap.up(
        message(pair, [
          [4, KE],
          [10, NONCE],
        ]),
      ),
    () =>
      tap.down(
        message(pair, [
          [4, KE],
          [10, NONCE.slice().fill(9)],
        ]),
      ),
    () => tap.up(encrypted(pair, 80, fill)),
    () => tap.down(encrypted(pair, 80, fill + 1)),
  ]
  for (const step of steps.slice(0, last)) step()
}

/** A quick mode of three messages. */
export function quickMode(tap: Wire, messageId: number, pair: Cookies = PAIR): void {
  const fields = { ...pair, exchange: 32, messageId }
  tap.up(encrypted(fields, 160, 1))
  tap.down(encrypted(fields, 160, 2))
  tap.up(encrypted(fields, 64, 3))
}

const SUITE: Transforms = [
  [1, 20, 256],
  [2, 7],
  [4, 31],
]

/** IKE_SA_INIT and IKE_AUTH, with the suite that is offered and the one that answers it. */
export function version2(
  tap: Wire & { wait(seconds: number): unknown },
  pair: Cookies = PAIR,
  offer = SUITE,
  choice = offer,
): void {
  const fields = { ...pair, version: 0x20 }
  const fill = Number.parseInt(pair.initiator.slice(2, 6), 16) & 0x7f
  tap.up(message({ ...fields, responder: NO_COOKIE, exchange: 34, flags: 8 }, init2(offer)))
  tap.down(message({ ...fields, exchange: 34, flags: 0x20 }, init2(choice)))
  const sealed = (length: number): [number, Uint8Array][] => [[46, new Uint8Array(length).fill(fill)]]
  tap.up(message({ ...fields, exchange: 35, flags: 8, messageId: 1 }, sealed(250)))
  tap.down(message({ ...fields, exchange: 35, flags: 0x20, messageId: 1 }, sealed(220)))
  tap.wait(4)
}

/** A new SA of version 1: other cookies each time. */
export function pairNumber(number: number): { readonly initiator: string; readonly responder: string } {
  const digits = number.toString(16).padStart(4, '0')
  return { initiator: `a1${digits}`.padEnd(16, '1'), responder: `b2${digits}`.padEnd(16, '2') }
}
