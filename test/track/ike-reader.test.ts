import { describe, expect, test } from 'vitest'
import { Defragmenter } from '../../src/dissect/defragment.ts'
import { Dissector } from '../../src/dissect/dissector.ts'
import { Frame } from '../../src/dissect/frame.ts'
import type { RaisedEvent } from '../../src/events/catalogue.ts'
import { Anomalies } from '../../src/track/anomalies.ts'
import { IkeFindings } from '../../src/track/ike-findings.ts'
import { IkeReader } from '../../src/track/ike-reader.ts'
import { be16, concat, datagram } from '../support/craft.ts'
import { message } from '../support/ike.ts'
import { CLIENT, KE, NONCE, PAIR, SERVER } from '../support/ike-tap.ts'

const MARKER = new Uint8Array(4)

/** What a reader gives of datagrams: of each message its length and its ports, of each finding its name. */
class Reading {
  readonly read: string[] = []
  readonly findings: IkeFindings
  readonly reader: IkeReader
  readonly frame = new Frame()
  readonly #dissector = new Dissector(
    new Defragmenter({ datagramsMax: 4, piecesMax: 4, timeoutSeconds: 1 }, () => undefined),
  )

  constructor() {
    const emit = ({ fields }: RaisedEvent) =>
      void this.read.push(String((fields as Record<string, unknown>)['anomaly.name']))
    this.findings = new IkeFindings(new Anomalies(emit, { reportsPerMinute: 1000, sourcesMax: 1000 }))
    this.reader = new IkeReader(this.findings, ({ sourcePort, isTcp }, view) =>
      this.read.push(`${view.length} bytes from ${isTcp ? 'TCP ' : ''}${sourcePort}`),
    )
  }

  datagram(payload: Uint8Array, port = 500, source = CLIENT): this {
    const { frame } = this
    const bytes = datagram(payload, { source, target: SERVER, sourcePort: port, targetPort: port })
    Object.assign(frame, { bytes, start: 0, end: bytes.length, linkType: 1, originalLength: bytes.length })
    frame.timeUs++
    this.#dissector.dissect(frame)
    this.reader.datagram(frame)
    return this
  }
}

const WHOLE = message(PAIR, [
  [4, KE],
  [10, NONCE],
])

/** A fragment of version 1: packet, number, and whether it is the last one. */
const piece = (number: number, isLast: boolean, octets: Uint8Array) =>
  message(PAIR, [[132, concat(be16(7), Uint8Array.of(number, isLast ? 1 : 0), octets)]])

describe('what comes on the ports of IKE', () => {
  test('is a message behind the marker of NAT traversal, or without one on port 500', () => {
    const { read } = new Reading().datagram(WHOLE).datagram(concat(MARKER, WHOLE), 4500)
    expect(read).toEqual([`${WHOLE.length} bytes from 500`, `${WHOLE.length} bytes from 4500`])
  })

  test('is read without its marker all the same, which is told', () => {
    const { read } = new Reading().datagram(WHOLE, 4500)
    expect(read).toEqual(['natt.marker_missing', `${WHOLE.length} bytes from 4500`])
  })

  test('is passed over where it is ESP or a keepalive', () => {
    const esp = concat(Uint8Array.of(0xc0, 0, 0, 1), new Uint8Array(60).fill(7))
    expect(new Reading().datagram(esp, 4500).datagram(Uint8Array.of(0xff), 4500).read).toEqual([])
  })

  test('is told, and nothing else, where it is cut short', () => {
    for (let length = 0; length < WHOLE.length; length++) {
      const { read } = new Reading().datagram(WHOLE.subarray(0, length))
      expect(read, String(length)).toEqual([expect.stringMatching(/^(ike|natt)\./)])
    }
  })
})

test('a message of a stream says so', () => {
  const reading = new Reading()
  const arrival = { frame: reading.datagram(WHOLE).frame, sourcePort: 4501, destinationPort: 4500, isTcp: true }
  reading.reader.message(arrival, WHOLE, 0, WHOLE.length, WHOLE.length)
  expect(reading.read.at(-1)).toBe(`${WHOLE.length} bytes from TCP 4501`)
})

describe('fragments of version 1', () => {
  const [first, last] = [WHOLE.subarray(0, 90), WHOLE.subarray(90)]

  test('are one message, whichever comes first, each sender for itself', () => {
    const reading = new Reading().datagram(piece(2, true, last)).datagram(piece(1, false, first), 500, '192.0.2.99')
    expect(reading.read).toEqual([])
    expect(reading.datagram(piece(1, false, first)).read).toEqual([`${WHOLE.length} bytes from 500`])
  })

  test('that do not agree are told', () => {
    const other = first.map((octet) => octet ^ 1)
    const { read } = new Reading().datagram(piece(1, false, first)).datagram(piece(1, false, other))
    expect(read).toEqual(['ike.fragment_conflict'])
  })
})

test('findings about one receiver are told up to a bound, whoever sends', () => {
  const reading = new Reading()
  for (let i = 0; i < 400; i++) reading.datagram(WHOLE, 4500, `192.0.2.${i & 127}`)
  expect(reading.read.filter((each) => each === 'natt.marker_missing')).toHaveLength(300)
  expect(reading.findings.suppressed).toBe(100)
})
