import { describe, expect, test } from 'vitest'
import { Frame } from '../../src/dissect/frame.ts'
import { Dissector } from '../../src/dissect/dissector.ts'
import { Defragmenter } from '../../src/dissect/defragment.ts'
import { datagram, ethernet, ipv4 } from '../support/craft.ts'
import { encrypted, protectedMessage } from '../support/ike.ts'
import {
  CLIENT,
  mainMode,
  pairNumber,
  quickMode,
  SECOND,
  SERVER,
  START_US,
  Tap,
  version2,
  type Wire,
} from '../support/ike-tap.ts'

const FIRST = pairNumber(1)
const SECOND_PAIR = pairNumber(2)
const THIRD = pairNumber(3)

type Told = Record<string, unknown>

function told(tap: Tap, name: string): Told[] {
  return tap.events.filter((event) => event.name === `ike.exchange.${name}`).map(({ fields }) => fields as Told)
}

/** AES-CBC with SHA-1 and 16-octet blocks: the delete of an IKE SA takes 92 octets, that of a child 76. */
function notice(pair: typeof FIRST, length: number, messageId: number, fill = 1): Uint8Array {
  return encrypted({ ...pair, exchange: 5, messageId }, length - 28, fill)
}

/** AES-GCM: an empty message takes 57 octets, a delete 65. */
function exchange2(
  pair: typeof FIRST,
  type: number,
  messageId: number,
  length: number,
  isResponse: boolean,
): Uint8Array {
  const flags = isResponse ? 0x20 : 8
  return protectedMessage({ ...pair, exchange: type, flags, messageId }, length - 32)
}

describe('a line of SAs', () => {
  test('of version 1 is one reauthentication after the other', () => {
    const tap = new Tap()
    for (const pair of [FIRST, SECOND_PAIR, THIRD]) {
      mainMode(tap, 6, pair)
      tap.wait(20)
    }
    const [first, second, third] = told(tap, 'established')
    expect(first).toMatchObject({ 'ike.predecessor.uid': undefined, 'ike.generation': undefined })
    expect(second).toMatchObject({
      'ike.predecessor.uid': first['ike.uid'],
      'ike.predecessor.relation': 'reauthentication',
      'ike.generation': 2,
    })
    expect(third).toMatchObject({ 'ike.predecessor.uid': second['ike.uid'], 'ike.generation': 3 })
    expect(tap.events.at(-1)?.message).toContain(`reauthenticating ${String(second['ike.uid'])}`)
  })

  test('of version 2 goes on inside CREATE_CHILD_SA: the new one begins with message 0', () => {
    const tap = new Tap()
    version2(tap, FIRST)
    tap.up(exchange2(FIRST, 36, 2, 300, false))
    tap.down(exchange2(FIRST, 36, 2, 300, true))
    tap.wait(1)
    tap.up(exchange2(FIRST, 37, 3, 65, false))
    tap.down(exchange2(FIRST, 37, 3, 57, true))
    tap.up(exchange2(SECOND_PAIR, 37, 0, 57, false))
    tap.down(exchange2(SECOND_PAIR, 37, 0, 57, true))
    const [first, second] = told(tap, 'established')
    expect(second).toMatchObject({
      'ike.adopted': true,
      'ike.predecessor.uid': first['ike.uid'],
      'ike.predecessor.relation': 'rekey',
      'ike.generation': 2,
    })
    tap.wait(5)
    expect(told(tap, 'closed')).toMatchObject([
      {
        'ike.uid': first['ike.uid'],
        'ike.end': 'replaced',
        'ike.closed_by': 'initiator',
        'ike.successor.uid': second['ike.uid'],
      },
    ])
  })

  test('of version 2 goes on at another address: by both SPIs it is the same one, moved', () => {
    const tap = new Tap()
    version2(tap, FIRST)
    const elsewhere = '192.0.2.12'
    for (let id = 2; id < 5; id++) {
      tap.send(exchange2(FIRST, 37, id, 80, false), elsewhere, SERVER)
      tap.send(exchange2(FIRST, 37, id, 80, true), SERVER, elsewhere)
      tap.wait(1)
    }
    const [first, second] = told(tap, 'established')
    expect(second).toMatchObject({
      'source.ip': elsewhere,
      'ike.predecessor.uid': first['ike.uid'],
      'ike.predecessor.relation': 'move',
      'ike.generation': 2,
      'ike.proposal.chosen': first['ike.proposal.chosen'],
    })
    expect(tap.events.at(-1)?.message).toContain(`moved from ${String(first['ike.uid'])}`)
    tap.wait(3700)
    const [closed] = told(tap, 'closed').filter((event) => event['ike.uid'] === first['ike.uid'])
    expect(closed).toMatchObject({ 'ike.end': 'replaced', 'ike.successor.uid': second['ike.uid'] })
    expect(closed['event.reason']).toContain('silent')
  })

  test('of version 2 comes back to where it was: it ends there, and not at the address that it has left again', () => {
    const tap = new Tap()
    version2(tap, FIRST)
    const elsewhere = '192.0.2.12'
    for (let id = 2; id < 8; id++) {
      const host = id < 5 ? elsewhere : CLIENT
      tap.send(exchange2(FIRST, 37, id, 80, false), host, SERVER)
      tap.send(exchange2(FIRST, 37, id, 80, true), SERVER, host)
      tap.wait(1)
    }
    const [first, second] = told(tap, 'established')
    tap.wait(90_000)
    const closed = told(tap, 'closed')
    expect(closed.find((event) => event['ike.uid'] === second['ike.uid'])).toMatchObject({
      'ike.end': 'replaced',
      'ike.successor.uid': first['ike.uid'],
    })
    const last = closed.find((event) => event['ike.uid'] === first['ike.uid'])
    expect(last?.['ike.end']).not.toBe('replaced')
    expect(last?.['ike.successor.uid']).toBeUndefined()
  })

  test('is none at another address with another SPI of the responder', () => {
    const tap = new Tap()
    version2(tap, FIRST)
    const other = { ...FIRST, responder: SECOND_PAIR.responder }
    for (let id = 2; id < 5; id++) {
      tap.send(exchange2(other, 37, id, 80, false), '192.0.2.12', SERVER)
      tap.send(exchange2(other, 37, id, 80, true), SERVER, '192.0.2.12')
    }
    expect(told(tap, 'established')).toHaveLength(1)
  })

  test('is none with a message number that no new SA has, or without CREATE_CHILD_SA before', () => {
    for (const [type, id] of [
      [36, 9],
      [37, 0],
    ] as const) {
      const tap = new Tap()
      version2(tap, FIRST)
      tap.up(exchange2(FIRST, type, 2, 300, false))
      tap.down(exchange2(FIRST, type, 2, 300, true))
      tap.up(exchange2(SECOND_PAIR, 37, id, 57, false))
      tap.down(exchange2(SECOND_PAIR, 37, id, 57, true))
      expect(told(tap, 'established')).toHaveLength(1)
    }
  })

  test('whose first SA was deleted before is a reconnection', () => {
    const tap = new Tap()
    mainMode(tap, 6, FIRST)
    tap.up(notice(FIRST, 76, 1))
    tap.up(notice(FIRST, 92, 2))
    tap.wait(20)
    mainMode(tap, 6, SECOND_PAIR)
    expect(told(tap, 'established')[1]).toMatchObject({ 'ike.predecessor.relation': 'reconnection' })
  })

  test('does not go from one client behind a NAT to another', () => {
    const tap = new Tap()
    const at = (pair: typeof FIRST, port: number) => {
      const sent: Wire = {
        up: (bytes) => tap.send(bytes, CLIENT, SERVER, port, 500),
        down: (bytes) => tap.send(bytes, SERVER, CLIENT, 500, port),
      }
      mainMode(sent, 6, pair)
      tap.wait(1)
    }
    at(FIRST, 10_001)
    at(SECOND_PAIR, 10_002)
    at(THIRD, 10_001)
    const [first, second, third] = told(tap, 'established')
    expect(second['ike.predecessor.uid']).toBeUndefined()
    expect(third['ike.predecessor.uid']).toBe(first['ike.uid'])
  })
})

describe('an end', () => {
  test('by deletes of the child and of the SA is told a few seconds later', () => {
    const tap = new Tap()
    mainMode(tap, 6, FIRST)
    quickMode(tap, 7, FIRST)
    tap.wait(10)
    tap.down(notice(FIRST, 76, 1))
    tap.down(notice(FIRST, 92, 2))
    tap.wait(5)
    expect(told(tap, 'closed')).toMatchObject([
      {
        'event.reason': 'deleted by the responder, as far as can be seen',
        'ike.closed_by': 'responder',
        'ike.end': 'deleted',
        'ike.child_exchanges': 1,
      },
    ])
  })

  test('by an unanswered check is none: it is asked again, and the peer is gone', () => {
    const tap = new Tap()
    mainMode(tap, 6, FIRST)
    for (let i = 0; i < 3; i++) {
      tap.down(notice(FIRST, 92, i * 2, i))
      tap.up(notice(FIRST, 92, i * 2 + 1, i + 40))
      tap.wait(30)
    }
    for (let i = 0; i < 3; i++) {
      tap.down(notice(FIRST, 92, 20 + i, i + 80))
      tap.wait(30)
    }
    expect(told(tap, 'closed')).toEqual([])
    tap.wait(3600)
    expect(told(tap, 'closed')).toMatchObject([
      {
        'ike.end': 'silence',
        'event.reason': '3 checks unanswered, silent for 3600 s',
        'ike.liveness.checks': 3,
        'ike.liveness.interval_ms': 30_000,
        'ike.liveness.unanswered': 3,
      },
    ])
  })

  test('by silence, when another SA has taken over, comes after ten minutes', () => {
    const tap = new Tap()
    mainMode(tap, 6, FIRST)
    tap.wait(10)
    mainMode(tap, 6, SECOND_PAIR)
    tap.wait(620)
    const [, second] = told(tap, 'established')
    expect(told(tap, 'closed')).toMatchObject([{ 'ike.end': 'replaced', 'ike.successor.uid': second['ike.uid'] }])
  })

  test('of a login that brought no child is a failure', () => {
    const tap = new Tap()
    mainMode(tap, 6, FIRST)
    const xauth = (messageId: number, fill: number) => encrypted({ ...FIRST, exchange: 6, messageId }, 64, fill)
    tap.down(xauth(9, 1))
    tap.up(xauth(9, 2))
    tap.down(xauth(10, 3))
    tap.up(xauth(10, 4))
    tap.down(notice(FIRST, 92, 11))
    tap.wait(70)
    expect(told(tap, 'closed')).toMatchObject([
      { 'event.outcome': 'failure', 'ike.transactions': 2, 'ike.end': 'deleted', 'ike.closed_by': 'responder' },
    ])
    expect(told(tap, 'closed')[0]['event.reason']).toContain('the login did not succeed')
  })

  test('is heard by whoever follows the children', () => {
    const tap = new Tap()
    const heard: unknown[] = []
    tap.tracker.lookup.onEnded((uid, timeUs, ending) => heard.push([uid, timeUs - START_US, ending]))
    mainMode(tap, 6, FIRST)
    tap.wait(10)
    tap.up(notice(FIRST, 76, 1))
    tap.up(notice(FIRST, 92, 2))
    tap.wait(10)
    const [{ 'ike.uid': uid }] = told(tap, 'established')
    expect(heard).toEqual([[uid, 10 * SECOND, 'deleted']])
  })
})

/** A packet of ESP between the hosts, in a frame. */
class EspFrame {
  readonly frame = new Frame()
  readonly #dissector = new Dissector(
    new Defragmenter({ datagramsMax: 4, piecesMax: 4, timeoutSeconds: 1 }, () => undefined),
  )

  at(timeUs: number, isUp: boolean, ports?: readonly [number, number]): Frame {
    const [source, target] = isUp ? [CLIENT, SERVER] : [SERVER, CLIENT]
    const esp = Uint8Array.of(1, 2, 3, 4, 0, 0, 0, 1, ...new Array<number>(32).fill(7))
    const bytes =
      ports === undefined
        ? ethernet(ipv4(esp, { source, target, protocol: 50 }))
        : datagram(esp, { source, target, sourcePort: ports[0], targetPort: ports[1] })
    const { length } = bytes
    Object.assign(this.frame, { bytes, start: 0, end: length, timeUs, linkType: 1, originalLength: length })
    this.#dissector.dissect(this.frame)
    return this.frame
  }
}

describe('the parent of an SA of ESP', () => {
  test('is the only IKE SA there is, with its newest child at that time', () => {
    const tap = new Tap()
    const esp = new EspFrame()
    const { lookup } = tap.tracker
    expect(lookup.parentOf(esp.at(tap.nowUs, true))).toBeNull()
    mainMode(tap, 6, FIRST)
    quickMode(tap, 7, FIRST)
    tap.wait(100)
    quickMode(tap, 8, FIRST)
    const [established] = told(tap, 'established')
    expect(lookup.parentOf(esp.at(tap.nowUs, true))).toEqual({
      uid: established['ike.uid'],
      version: 1,
      initiator: CLIENT,
      responder: SERVER,
      isFromInitiator: true,
      establishedUs: START_US,
      suite: 'AES-CBC/SHA1/modp1024/PSK',
      lifetimeSeconds: undefined,
      child: { number: 2, startUs: tap.nowUs, lastUs: tap.nowUs, messages: 3, isComplete: true },
      basis: 'only',
    })
    const before = lookup.parentOf(esp.at(tap.nowUs - 50 * SECOND, false))
    expect(before).toMatchObject({ isFromInitiator: false, child: { number: 1 } })
  })

  test('of version 2 is known while IKE_AUTH is under way', () => {
    const tap = new Tap()
    version2(tap, FIRST)
    const esp = new EspFrame()
    const parent = tap.tracker.lookup.parentOf(esp.at(tap.nowUs, false))
    expect(parent).toMatchObject({ version: 2, child: { number: 1, isComplete: true }, basis: 'only' })
    expect(parent?.establishedUs).toBe(START_US)
  })

  test('of several is the one with its ports, or else with the newest child', () => {
    const tap = new Tap()
    const esp = new EspFrame()
    const { lookup } = tap.tracker
    const float = (pair: typeof FIRST, port: number, messageId: number) => {
      mainMode(tap, 6, pair)
      const marked = Uint8Array.of(0, 0, 0, 0, ...encrypted({ ...pair, exchange: 32, messageId }, 160, 1))
      tap.send(marked, CLIENT, SERVER, port, 4500)
      tap.wait(5)
    }
    float(FIRST, 10_001, 7)
    float(SECOND_PAIR, 10_002, 8)
    const [first, second] = told(tap, 'established')
    expect(lookup.parentOf(esp.at(tap.nowUs, true, [10_001, 4500]))).toMatchObject({
      uid: first['ike.uid'],
      basis: 'ports',
    })
    expect(lookup.parentOf(esp.at(tap.nowUs, false, [4500, 10_002]))).toMatchObject({
      uid: second['ike.uid'],
      basis: 'ports',
    })
    expect(lookup.parentOf(esp.at(tap.nowUs, true))).toMatchObject({ uid: second['ike.uid'], basis: 'latest' })
  })

  test('is none that ended, or that comes later', () => {
    const tap = new Tap()
    const esp = new EspFrame()
    mainMode(tap, 6, FIRST)
    expect(tap.tracker.lookup.parentOf(esp.at(START_US - SECOND, true))).toBeNull()
    tap.up(notice(FIRST, 76, 1))
    tap.up(notice(FIRST, 92, 2))
    tap.wait(10)
    expect(tap.tracker.lookup.parentOf(esp.at(tap.nowUs, true))).toBeNull()
    tap.tracker.finish(tap.nowUs)
    expect(tap.tracker.size).toBe(0)
  })
})
