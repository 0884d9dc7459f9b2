import { describe, expect, test } from 'vitest'
import type { RaisedEvent } from '../../src/events/catalogue.ts'
import {
  be32,
  concat,
  datagram,
  ethernet,
  fromHex,
  hello,
  icmp,
  ipv4,
  ipv6,
  sccrq,
  tcp,
  udp,
} from '../support/craft.ts'
import { material, seal } from '../support/esp.ts'
import { TestSensor } from '../support/sensor.ts'
import { ah, ALICE, CLEAR, EspRun, GATEWAY, parentSa, SEALED, START_US } from './esp-support.ts'

const UP = 0xc0000001
const DOWN = 0xd0000001

/** Both directions, two packets each. */
function talking(run = new EspRun()): EspRun {
  return run.up(UP).down(DOWN).up(UP).down(DOWN)
}

describe('an association', () => {
  test('is believed with its second packet, and is one of a pair when the other direction is there', () => {
    const run = new EspRun().up(UP)
    expect(run.names).toEqual([])
    run.up(UP)
    expect(run.names).toEqual(['esp.association.seen'])
    run.down(DOWN).down(DOWN)
    expect(run.names).toEqual(['esp.association.seen', 'esp.association.seen', 'esp.tunnel.opened'])
    const [first, second] = run.told('esp.association.seen')
    expect(first.fields).toMatchObject({
      'source.ip': ALICE,
      'destination.ip': GATEWAY,
      'network.transport': '50',
      'network.protocol': 'esp',
      'esp.spi': '0xc0000001',
      'esp.encapsulation': 'none',
      'esp.sequence.first': 1,
      'esp.adopted': undefined,
    })
    expect(second.fields['esp.tunnel.uid']).toBe(first.fields['esp.tunnel.uid'])
    expect(second.fields['esp.association.uid']).not.toBe(first.fields['esp.association.uid'])
    expect(run.told('esp.tunnel.opened')[0].fields).toMatchObject({ 'source.ip': ALICE, 'destination.ip': GATEWAY })
  })

  test('is believed when its content can be read, with the first packet', () => {
    const run = new EspRun().up(UP, { keys: CLEAR, content: udp(sccrq()) })
    expect(run.names).toEqual(['esp.association.seen'])
  })

  test('whose numbers are high is older than the capture', () => {
    const run = new EspRun().up(UP, { sequence: 70_000 }).up(UP, { sequence: 70_001 })
    expect(run.told('esp.association.seen')[0].fields['esp.adopted']).toBe(true)
  })

  test('is closed with its counts at the end of the capture, and the pair with both', () => {
    const run = talking().up(UP, { sequence: 5 }).up(UP, { sequence: 5 }).up(UP, { sequence: 4 }).finish()
    const [closed] = run.told('esp.association.closed')
    expect(closed.fields).toMatchObject({
      'esp.spi': '0xc0000001',
      'source.packets': 5,
      'esp.sequence.highest': 5,
      'esp.packets.lost': 1,
      'esp.packets.late': 1,
      'esp.packets.repeated': 1,
      'esp.loss': 0.166667,
      'esp.closed_by': 'capture_end',
    })
    expect(run.told('esp.tunnel.closed')[0].fields).toMatchObject({
      'source.packets': 5,
      'destination.packets': 2,
      'esp.packets.lost': 1,
      'esp.rekeys': 0,
      'event.reason': 'the capture ended',
    })
    expect(run.tracker.size).toBe(0)
  })

  test('that falls silent ends, and leaves nothing behind', () => {
    const run = talking(new EspRun({ espIdleUs: 100e6 }))
      .wait(60)
      .wait(50)
      .wait(50)
    expect(run.told('esp.association.closed').map(({ fields }) => fields['esp.closed_by'])).toEqual([
      'silence',
      'silence',
    ])
    expect(run.told('esp.tunnel.closed')).toHaveLength(1)
    expect(run.tracker.size).toBe(0)
  })

  test('of AH is followed likewise, and read through', () => {
    const packet = (sequence: number) =>
      ethernet(ipv4(ah(1, 0x1234, sequence, icmp(fromHex('01'))), { source: ALICE, target: GATEWAY, protocol: 51 }))
    const run = new EspRun().raw(packet(1)).raw(packet(2)).finish()
    const [closed] = run.told('esp.association.closed')
    expect(closed.fields).toMatchObject({
      'network.protocol': 'ah',
      'network.transport': '51',
      'esp.spi': '0x00001234',
      'esp.readable': 'authenticated',
      'esp.packets.opened': 2,
    })
    expect(run.told('flow.closed')).toHaveLength(1)
  })

  test('in UDP is told with its ports, and clients behind one address are two', () => {
    const run = new EspRun()
    for (const port of [1024, 1025]) {
      run.up(UP + port, { ports: [port, 4500] }).up(UP + port, { ports: [port, 4500] })
      run.down(DOWN + port, { ports: [4500, port] }).down(DOWN + port, { ports: [4500, port] })
    }
    expect(run.told('esp.tunnel.opened').map(({ fields }) => fields['source.port'])).toEqual([1024, 1025])
    expect(run.told('esp.association.seen')[0].fields).toMatchObject({
      'source.port': 1024,
      'destination.port': 4500,
      'network.transport': 'udp',
      'esp.encapsulation': 'udp',
    })
  })

  test('of the first drafts, on port 500, is one too', () => {
    const packet = concat(be32(0), be32(0), seal(udp(hello()), SEALED, { sequence: 1 }))
    const again = concat(be32(0), be32(0), seal(udp(hello()), SEALED, { sequence: 2 }))
    const run = new EspRun()
    for (const bytes of [packet, again]) run.raw(datagram(bytes, { sourcePort: 500, targetPort: 500 }))
    expect(run.told('esp.association.seen')).toHaveLength(1)
  })

  test('out of a TCP stream is another than one in UDP', () => {
    const run = talking(new EspRun())
    for (let sequence = 1; sequence <= 2; sequence++) {
      const packet = seal(udp(hello()), SEALED, { spi: 0xe0000001, sequence })
      run.tracker.observeInTcp(run.frame, packet, 0, packet.length)
    }
    expect(run.told('esp.association.seen').map(({ fields }) => fields['esp.encapsulation'])).toEqual([
      'none',
      'none',
      'tcp',
    ])
  })
})

describe('rekeying', () => {
  test('new SPIs between the same hosts take the place of the old ones in one pair', () => {
    const run = talking().wait(20)
    run.up(UP + 1).up(UP + 1)
    expect(run.told('esp.tunnel.rekeyed')).toEqual([])
    run.down(DOWN + 1).down(DOWN + 1)
    expect(run.told('esp.tunnel.rekeyed').map(({ fields }) => fields['esp.rekeys'])).toEqual([1])
    const seen = run.told('esp.association.seen')
    expect(new Set(seen.map(({ fields }) => fields['esp.tunnel.uid'])).size).toBe(1)
    expect(seen[2].fields).toMatchObject({
      'esp.predecessor.spi': '0xc0000001',
      'esp.predecessor.uid': seen[0].fields['esp.association.uid'],
    })
    run.finish()
    expect(run.told('esp.association.closed').map(({ fields }) => fields['esp.closed_by'])).toEqual([
      'rekey',
      'rekey',
      'capture_end',
      'capture_end',
    ])
    expect(run.told('esp.tunnel.closed')[0].fields).toMatchObject({ 'esp.rekeys': 1, 'esp.closed_by': 'capture_end' })
  })

  test('happens again and again', () => {
    const run = talking()
    for (let i = 1; i <= 5; i++) {
      run.wait(20)
      run
        .up(UP + i)
        .up(UP + i)
        .down(DOWN + i)
        .down(DOWN + i)
    }
    expect(run.told('esp.tunnel.rekeyed').map(({ fields }) => fields['esp.rekeys'])).toEqual([1, 2, 3, 4, 5])
    expect(run.told('esp.tunnel.opened')).toHaveLength(1)
  })

  test('half done is not done by an answer that comes when the new association has ended again', () => {
    const run = talking().wait(20)
    run.up(UP + 1).up(UP + 1)
    for (let minutes = 0; minutes < 70; minutes++) run.wait(60).down(DOWN)
    run.down(DOWN + 1).down(DOWN + 1)
    expect(run.told('esp.tunnel.rekeyed')).toEqual([])
  })

  test('is not what two pairs do that begin at one time', () => {
    const run = talking()
      .up(UP + 1)
      .up(UP + 1)
      .down(DOWN + 1)
      .down(DOWN + 1)
    expect(run.told('esp.tunnel.opened')).toHaveLength(2)
    expect(run.told('esp.tunnel.rekeyed')).toEqual([])
  })

  test('was none when the old pair goes on long after', () => {
    const run = talking().wait(20)
    run
      .up(UP + 1)
      .up(UP + 1)
      .down(DOWN + 1)
      .down(DOWN + 1)
    for (let i = 0; i < 8; i++)
      run
        .wait(30)
        .up(UP)
        .down(DOWN)
        .up(UP + 1)
        .down(DOWN + 1)
    expect(run.told('esp.tunnel.opened')).toHaveLength(2)
    expect(run.told('esp.association.seen')).toHaveLength(4)
    const other = run.told('esp.tunnel.opened')[1].fields['esp.tunnel.uid']
    expect(
      run
        .told('esp.association.parted')
        .map(({ fields }) => [fields['esp.spi'], fields['esp.tunnel.uid'], fields['esp.predecessor.spi']]),
    ).toEqual([
      ['0xc0000002', other, undefined],
      ['0xd0000002', other, undefined],
    ])
    run.finish()
    const closed = run.told('esp.tunnel.closed')
    expect(closed.map(({ fields }) => [fields['source.packets'], fields['destination.packets']])).toHaveLength(2)
    const ofOne = run.told('esp.association.closed').map(({ fields }) => fields['esp.tunnel.uid'])
    expect(ofOne.filter((uid) => uid === ofOne[0])).toHaveLength(2)
    expect(run.tracker.size).toBe(0)
  })
})

describe('candidates', () => {
  test('lone packets are told at the end, a few of each source', () => {
    const run = new EspRun()
    for (let i = 0; i < 10; i++) run.up(UP + i * 7)
    run.wait(40)
    expect(run.told('esp.association.seen')).toHaveLength(3)
    expect(run.tracker.size).toBe(3)
    run.finish()
    expect(run.told('esp.association.closed')).toHaveLength(3)
    expect(run.told('esp.tunnel.closed')).toEqual([])
  })

  test('one packet each way is a pair', () => {
    const run = new EspRun().up(UP).down(DOWN).finish()
    expect(run.told('esp.tunnel.opened')).toHaveLength(1)
    expect(run.told('esp.association.closed')).toHaveLength(2)
  })

  test('many SPIs of one source that come to nothing are a scan, told as it grows', () => {
    const run = new EspRun()
    for (let i = 0; i < 90; i++) run.up(UP + i * 7, { sequence: i })
    run.wait(40)
    expect(run.told('esp.spi.scanned').map(({ fields }) => fields['esp.spis'])).toEqual([20, 40, 80])
    expect(run.told('esp.spi.scanned')[0].fields).toMatchObject({ 'source.ip': ALICE, 'destination.ip': GATEWAY })
    expect(run.tracker.size).toBe(3)
  })

  test('do not take the place of associations', () => {
    const run = talking(new EspRun({ espAssociationsMax: 40 }))
    for (let i = 0; i < 500; i++) run.up(0x5000 + i, { sequence: i })
    expect(run.tracker.size).toBeLessThanOrEqual(12)
    expect(run.told('sensor.table.filled')).toHaveLength(1)
    run.up(UP).down(DOWN).finish()
    expect(run.told('esp.tunnel.closed')[0].fields['source.packets']).toBe(3)
    expect(run.tracker.size).toBe(0)
  })
})

describe('sequence numbers', () => {
  test('a packet again, and one below the window, are replays', () => {
    const run = talking()
    for (let sequence = 3; sequence <= 100; sequence++) run.up(UP, { sequence })
    run.up(UP, { sequence: 99 }).up(UP, { sequence: 5 })
    expect(
      run
        .told('esp.sequence.replayed')
        .map(({ fields }) => [
          fields['esp.sequence.number'],
          fields['esp.sequence.finding'],
          fields['esp.sequence.highest'],
        ]),
    ).toEqual([
      [99, 'inside_window', 100],
      [5, 'below_window', 100],
    ])
  })

  test('a flood of replays is told a few times a minute, and counted', () => {
    const run = talking()
    for (let i = 0; i < 500; i++) run.up(UP, { sequence: 2 })
    expect(run.told('esp.sequence.replayed')).toHaveLength(10)
    expect(run.tracker.suppressed).toBe(490)
    run.wait(60).up(UP, { sequence: 2 }).finish()
    expect(run.told('esp.sequence.replayed').at(-1)?.fields['borescope.suppressed']).toBe(490)
    expect(run.told('esp.association.closed')[0].fields['esp.packets.repeated']).toBe(501)
  })

  test('a number far ahead that is not continued was forged; one that is continued is a loss', () => {
    const run = talking().up(UP, { sequence: 9000 }).up(UP, { sequence: 3 })
    expect(run.told('esp.sequence.forged')[0].fields).toMatchObject({
      'esp.sequence.number': 9000,
      'esp.sequence.highest': 3,
      'esp.sequence.finding': 'forged',
    })
    run.up(UP, { sequence: 500 }).up(UP, { sequence: 501 })
    expect(run.told('esp.sequence.resumed')[0].fields).toMatchObject({
      'esp.sequence.highest': 501,
      'esp.packets.lost': 496,
    })
  })

  test('a stream that begins again under its SPI, and one that passes 2^32', () => {
    const run = new EspRun().up(UP, { sequence: 5000 }).up(UP, { sequence: 5001 })
    for (let sequence = 1; sequence <= 5; sequence++) run.up(UP, { sequence })
    expect(run.told('esp.sequence.restarted')).toHaveLength(1)
    const late = new EspRun().up(UP, { sequence: 0xfffffffe }).up(UP, { sequence: 0xffffffff }).up(UP, { sequence: 0 })
    expect(late.told('esp.sequence.wrapped')).toHaveLength(1)
    expect(late.finish().told('esp.association.closed')[0].fields['esp.extended']).toBe(true)
  })

  test('a replay brings nothing inside', () => {
    const run = new EspRun()
    const content = icmp(fromHex('0102'))
    const packet = { keys: CLEAR, content: ipv4(content, { protocol: 1 }), nextHeader: 4 }
    run
      .up(UP, packet)
      .up(UP, packet)
      .up(UP, { ...packet, sequence: 1 })
      .up(UP, { ...packet, sequence: 2 })
      .finish()
    expect(run.told('flow.closed')[0].fields['source.packets']).toBe(2)
  })
})

describe('content', () => {
  test('that is not encrypted is recognised, and goes on as a flow of the pair', () => {
    const run = new EspRun()
    const content = ipv4(tcp(fromHex('01')), { source: '10.0.0.1', target: '10.0.0.2', protocol: 6 })
    for (let i = 0; i < 3; i++) run.up(UP, { keys: CLEAR, content, nextHeader: 4 })
    run.down(DOWN, { keys: CLEAR, content, nextHeader: 4 }).finish()
    expect(run.told('esp.association.read')[0].fields).toMatchObject({
      'esp.readable': 'not_encrypted',
      'esp.confidence': 1,
      'esp.mode': 'tunnel',
    })
    const [flow] = run.told('flow.closed')
    expect(flow.fields).toMatchObject({
      'source.ip': '10.0.0.1',
      'esp.tunnel.uid': run.told('esp.tunnel.opened')[0].fields['esp.tunnel.uid'],
      'outer.source.ip': ALICE,
      'event.reason': 'session closed',
    })
  })

  test('that keys open is read, and says under which suite', () => {
    const run = talking(new EspRun({}, [SEALED])).finish()
    expect(run.told('esp.association.read')[0].fields).toMatchObject({
      'esp.readable': 'keys',
      'esp.suite': 'AES-CBC-128/HMAC-SHA1-96',
      'esp.mode': 'transport',
    })
    expect(run.told('esp.association.closed')[0].fields['esp.packets.opened']).toBe(2)
    expect(run.told('flow.closed').map(({ fields }) => fields['source.packets'])).toEqual([2, 2])
  })

  test('keys that fit nothing are told once, and the association is followed all the same', () => {
    const run = new EspRun({}, [material('AES-CBC', 'HMAC-SHA1-96', { first: 7 })])
    for (let i = 0; i < 20; i++) run.up(UP).down(DOWN)
    expect(run.told('esp.keys.refused').map(({ fields }) => fields['event.reason'])).toEqual([
      'the keys for AES-CBC-128/HMAC-SHA1-96 opened none of 8 packets',
      'the keys for AES-CBC-128/HMAC-SHA1-96 opened none of 8 packets',
    ])
    expect(run.finish().told('esp.association.closed')[0].fields['source.packets']).toBe(20)
  })

  test('with keys, a damaged or forged packet moves no window and is an anomaly', () => {
    const run = talking(new EspRun({}, [SEALED]))
    const wrong = material('AES-CBC', 'HMAC-SHA1-96', { first: 9 })
    run.up(UP, { keys: wrong, sequence: 50_000 }).up(UP, { keys: wrong, sequence: 3 }).up(UP, { sequence: 3 }).finish()
    expect(run.told('protocol.anomaly').map(({ fields }) => fields['anomaly.name'])).toEqual([
      'esp.corrupt',
      'esp.corrupt',
    ])
    expect(run.told('esp.association.closed')[0].fields).toMatchObject({
      'esp.sequence.highest': 3,
      'esp.packets.corrupt': 2,
      'esp.packets.lost': 0,
      'esp.packets.forged': 0,
    })
  })

  test('with keys, a number far ahead is believed when it is authentic', () => {
    const run = talking(new EspRun({}, [SEALED]))
      .up(UP, { sequence: 9000 })
      .up(UP, { sequence: 3 })
    expect(run.told('esp.sequence.forged')).toEqual([])
    expect(run.told('esp.sequence.resumed')).toHaveLength(1)
    expect(run.told('esp.sequence.replayed')[0].fields['esp.sequence.finding']).toBe('below_window')
  })

  test('the keys of several SAs with one SPI are tried', () => {
    const other = material('AES-GCM')
    const run = new EspRun({}, [material('AES-CBC', 'HMAC-SHA1-96', { first: 7 }), other])
    run.up(UP, { keys: other }).up(UP, { keys: other })
    expect(run.told('esp.association.read')[0].fields['esp.suite']).toBe('AES-GCM-128-16')
  })

  describe('after a change of the keys', () => {
    const OTHER = material('AES-CBC', 'HMAC-SHA1-96', { first: 7 })
    const closed = (run: EspRun) => run.finish().told('esp.association.closed')[0].fields

    test('goes on with those that fit, as far as its numbers have come', () => {
      const extended = { ...material('AES-GCM'), isExtended: true }
      const run = new EspRun({}, [{ ...extended, sequenceHigh: 40 }])
      const packet = { keys: extended, sequenceHigh: 40 }
      run.up(UP, packet).up(UP, packet)
      // Exported once more, with the numbers of a new association.
      run.change(OTHER, extended).up(UP, packet)
      expect(run.told('esp.association.read')).toHaveLength(1)
      expect(closed(run)).toMatchObject({ 'esp.packets.opened': 3, 'esp.packets.corrupt': undefined })
    })

    test('is opened with the new ones where the ends have changed theirs', () => {
      const run = talking(new EspRun({}, [SEALED])).change(OTHER)
      for (let i = 0; i < 3; i++) run.up(UP, { keys: OTHER })
      expect(run.told('protocol.anomaly')).toEqual([])
      expect(closed(run)['esp.packets.opened']).toBe(5)
    })

    test('says that the new ones fit nothing, and is followed all the same', () => {
      const run = talking(new EspRun({}, [SEALED])).change(OTHER)
      for (let i = 0; i < 20; i++) run.up(UP)
      const [{ fields }] = run.told('esp.keys.refused')
      expect(fields).toMatchObject({ 'esp.readable': undefined, 'esp.suite': undefined })
      expect(run.told('esp.keys.refused')).toHaveLength(1)
      expect(closed(run)).toMatchObject({ 'esp.packets.opened': 2, 'esp.sequence.highest': 22 })
    })

    test('is not read any more where they are taken away', () => {
      const run = talking(new EspRun({}, [SEALED])).change()
      for (let i = 0; i < 20; i++) run.up(UP)
      expect(run.told('protocol.anomaly')).toEqual([])
      expect(closed(run)).toMatchObject({ 'esp.packets.opened': 2, 'esp.sequence.highest': 22 })
    })

    test('says so if it was taken up by a sensor that has other keys', () => {
      const run = new EspRun({}, [OTHER]).resume(talking(new EspRun({}, [SEALED])))
      for (let i = 3; i < 23; i++) run.up(UP, { sequence: i })
      expect(run.told('esp.keys.refused')).toHaveLength(1)
      expect(closed(run)).toMatchObject({ 'esp.packets.opened': 2, 'esp.sequence.highest': 22 })
    })
  })

  test('extended sequence numbers that keys give away are told', () => {
    const keys = material('AES-GCM')
    const run = new EspRun({}, [keys]).up(UP, { keys, sequenceHigh: 0 }).up(UP, { keys, sequenceHigh: 0 })
    expect(run.told('esp.association.read')[0].fields['esp.extended']).toBe(true)
  })

  test('an association in another names the outer one in its lineage', () => {
    const content = seal(udp(sccrq()), CLEAR, { spi: 0x7777 })
    const run = new EspRun({ espAssociationsMax: 50 })
    const packet = (sequence: number) =>
      ethernet(ipv4(ah(50, 0x1234, sequence, content), { source: ALICE, target: GATEWAY, protocol: 51 }))
    run.raw(packet(1)).raw(packet(2))
    const [outer, inner] = run.told('esp.association.seen')
    expect(outer.fields['network.protocol']).toBe('ah')
    expect(inner.fields['borescope.lineage'][0]).toBe(outer.fields['esp.tunnel.uid'])
  })
})

describe('ends', () => {
  const PORTS = [1024, 4500] as const
  const BACK = [4500, 1024] as const

  test('a client that a NAT gave another port stays in its pair', () => {
    const run = new EspRun()
    run.up(UP, { ports: PORTS }).up(UP, { ports: PORTS }).down(DOWN, { ports: BACK }).down(DOWN, { ports: BACK })
    run
      .up(UP, { ports: [5555, 4500] })
      .down(DOWN, { ports: [4500, 5555] })
      .up(UP, { ports: [5555, 4500] })
    expect(run.told('esp.tunnel.moved').map(({ fields }) => fields['event.reason'])).toEqual([
      `${ALICE} sends from port 5555 instead of 1024`,
    ])
    expect(run.told('esp.association.seen')).toHaveLength(2)
    run.finish()
    expect(run.told('esp.tunnel.closed')[0].fields).toMatchObject({
      'source.port': 5555,
      'source.packets': 4,
      'destination.packets': 3,
    })
    expect(run.tracker.size).toBe(0)
  })

  test('one SPI from two ports at once is two associations that collide', () => {
    const run = new EspRun()
    run.up(UP, { ports: PORTS, sequence: 9000 }).up(UP, { ports: PORTS, sequence: 9001 })
    run.up(UP, { ports: [5555, 4500], sequence: 1 }).up(UP, { ports: [5555, 4500], sequence: 2 })
    run.up(UP, { ports: PORTS, sequence: 9002 }).up(UP, { ports: [5555, 4500], sequence: 3 })
    expect(run.told('esp.spi.collided')[0].fields).toMatchObject({
      'source.port': 5555,
      'event.reason': 'port 5555 uses the SPI that port 1024 uses',
    })
    expect(run.told('esp.association.seen')).toHaveLength(2)
    expect(run.told('esp.tunnel.moved')).toEqual([])
    expect(
      run
        .finish()
        .told('esp.association.closed')
        .map(({ fields }) => fields['source.packets']),
    ).toEqual([3, 3])
  })

  test('one that sends alone for a minute is told', () => {
    const run = new EspRun()
    for (let i = 0; i < 12; i++) run.up(UP)
    run.wait(61).up(UP).wait(61)
    expect(run.told('esp.tunnel.one_way')).toHaveLength(1)
    expect(run.told('esp.tunnel.one_way')[0].fields).toMatchObject({ 'source.ip': ALICE, 'source.packets': 12 })
    const both = talking()
    for (let i = 0; i < 12; i++) both.up(UP)
    expect(both.wait(61).told('esp.tunnel.one_way')).toEqual([])
  })
})

describe('what IKE has to do with it', () => {
  test('the IKE SA is the parent of the pair and of each association', () => {
    const run = new EspRun()
    run.parent = parentSa('i-1', {
      isFromInitiator: false,
      child: { number: 3, startUs: 1, lastUs: 2, messages: 3, isComplete: true },
    })
    run.down(DOWN).down(DOWN)
    const [seen] = run.told('esp.association.seen')
    expect(seen.fields).toMatchObject({
      'ike.uid': 'i-1',
      'esp.ike.basis': 'only',
      'esp.ike.child': 3,
      'esp.ike.suite': 'AES-CBC-256/SHA2-256/modp2048/PSK',
      'borescope.lineage': ['i-1', seen.fields['esp.tunnel.uid'], seen.fields['esp.association.uid']],
    })
    // The responder of the IKE SA sent first: it is the responder of the pair all the same.
    run.parent = parentSa('i-1')
    run.up(UP).up(UP)
    expect(run.told('esp.tunnel.opened')[0].fields).toMatchObject({ 'source.ip': ALICE, 'ike.uid': 'i-1' })
  })

  test('an association that goes on after its IKE SA was deleted is an orphan, told once', () => {
    const run = new EspRun()
    run.parent = parentSa('i-1')
    talking(run)
    run.parent = null
    run.endIke('i-1')
    run.wait(10).up(UP).down(DOWN)
    expect(run.told('esp.association.orphaned')).toEqual([])
    run.wait(10).up(UP).wait(15).up(UP).up(UP)
    expect(run.told('esp.association.orphaned').map(({ fields }) => fields['event.reason'])).toEqual([
      'its IKE SA was deleted 35 s ago',
    ])
  })

  test('an association that falls silent when its IKE SA is deleted ends with it', () => {
    const run = new EspRun()
    run.parent = parentSa('i-1')
    talking(run).endIke('i-1').wait(40).wait(1)
    expect(run.told('esp.association.closed').map(({ fields }) => fields['esp.closed_by'])).toEqual(['ike', 'ike'])
    expect(run.told('esp.tunnel.closed')[0].fields).toMatchObject({
      'esp.closed_by': 'ike',
      'event.reason': 'its IKE SA was deleted',
    })
  })

  test('what was rekeyed before ends with it too', () => {
    const run = new EspRun()
    run.parent = parentSa('i-1')
    talking(run).wait(20).up(UP).down(DOWN)
    for (let i = 0; i < 2; i++) run.up(UP + 1).down(DOWN + 1)
    run.endIke('i-1').wait(40).wait(1)
    expect(run.told('esp.association.closed').map(({ fields }) => fields['esp.closed_by'])).toEqual(
      expect.arrayContaining(['rekey', 'rekey', 'ike', 'ike']),
    )
    expect(run.told('esp.tunnel.closed').map(({ fields }) => fields['esp.closed_by'])).toEqual(['ike'])
  })

  test('the end of the capture comes before anybody waits for that', () => {
    const run = new EspRun()
    run.parent = parentSa('i-1')
    talking(run).endIke('i-1').wait(2).finish()
    expect(run.told('esp.tunnel.closed').map(({ fields }) => fields['esp.closed_by'])).toEqual(['ike'])
  })

  test('what another IKE SA makes after a silence is a pair of its own', () => {
    const run = new EspRun()
    run.parent = parentSa('i-1')
    run.up(UP).up(UP).wait(30)
    run.parent = parentSa('i-2')
    run
      .up(UP + 1)
      .up(UP + 1)
      .down(DOWN)
      .down(DOWN)
    expect(run.told('esp.association.seen').map(({ fields }) => fields['esp.predecessor.spi'])).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    const [opened] = run.told('esp.tunnel.opened')
    expect(opened.fields['ike.uid']).toBe('i-2')
    expect(run.told('esp.association.seen').map(({ fields }) => fields['esp.tunnel.uid'])).toEqual([
      expect.not.stringMatching(String(opened.fields['esp.tunnel.uid'])),
      opened.fields['esp.tunnel.uid'],
      opened.fields['esp.tunnel.uid'],
    ])
  })

  test('what another IKE SA makes takes over from associations that are in use', () => {
    const run = new EspRun()
    run.parent = parentSa('i-1')
    talking(run).wait(20).up(UP).down(DOWN)
    run.parent = parentSa('i-2')
    for (let i = 0; i < 2; i++) run.up(UP + 1).down(DOWN + 1)
    expect(run.told('esp.tunnel.rekeyed')).toHaveLength(1)
    expect(run.told('esp.tunnel.opened')).toHaveLength(1)
  })

  test('a deletion that became known late counts from when it happened', () => {
    const run = new EspRun()
    run.parent = parentSa('i-1')
    talking(run).wait(40)
    run.endIke('i-1', 'deleted', run.timeUs - 39 * 1_000_000).wait(2)
    expect(run.told('esp.association.closed').map(({ fields }) => fields['esp.closed_by'])).toEqual(['ike', 'ike'])
  })

  test('another IKE SA between the hosts takes it over', () => {
    const run = new EspRun()
    run.parent = parentSa('i-1')
    talking(run)
    run.parent = parentSa('i-2')
    run.endIke('i-1').wait(20).up(UP).wait(20).up(UP)
    expect(run.told('esp.association.orphaned')).toEqual([])
    expect(run.told('esp.association.closed')).toEqual([])
  })

  test('an IKE SA that was replaced leaves its associations alone', () => {
    const run = new EspRun()
    run.parent = parentSa('i-1')
    talking(run).endIke('i-1', 'replaced').wait(40).up(UP).wait(40)
    expect(run.told('esp.association.closed')).toEqual([])
    expect(run.told('esp.association.orphaned')).toEqual([])
  })

  test('new SPIs after the IKE SA was deleted are a new pair', () => {
    const run = new EspRun()
    run.parent = parentSa('i-1')
    talking(run).wait(10).endIke('i-1').wait(5)
    run.parent = parentSa('i-2')
    run
      .up(UP + 1)
      .up(UP + 1)
      .down(DOWN + 1)
      .down(DOWN + 1)
    expect(run.told('esp.tunnel.opened').map(({ fields }) => fields['ike.uid'])).toEqual(['i-1', 'i-2'])
    expect(run.told('esp.tunnel.rekeyed')).toEqual([])
  })

  test('an association that outlives the lifetime of its IKE SA is told', () => {
    const run = new EspRun()
    run.parent = parentSa('i-1', { lifetimeSeconds: 100 })
    talking(run)
    for (let i = 0; i < 8; i++) run.wait(20).up(UP)
    expect(
      run.told('esp.association.outlived').map(({ fields }) => [fields['esp.spi'], fields['event.reason']]),
    ).toEqual([['0xc0000001', 'it is older than the 100 s that its IKE SA may live']])
  })

  /** Sensors one after the other: each takes up what the one before knew, after so many seconds, and sees packets at these. */
  test.each<[string, (readonly [pause: number, ...waits: number[]])[], number[]]>([
    ['between two packets that are far apart', [[0, 40, 40, 40, 40]], [120]],
    ['by itself, if nothing more comes', [[0, 40, 40, 200]], [280]],
    [
      'in a pause of the sensor',
      [
        [0, 40],
        [100, 1, 40],
      ],
      [141],
    ],
    [
      'in the second of two pauses',
      [
        [0, 40],
        [30, 1],
        [100, 1, 1],
      ],
      [172],
    ],
    [
      'before a pause',
      [
        [0, 40, 40, 40],
        [500, 1, 1],
      ],
      [120],
    ],
    [
      'before a pause in which nothing passed',
      [
        [0, 40, 40, 40],
        [0, 1, 1],
      ],
      [120],
    ],
  ])('its lifetime ends %s: that is told once, with the first packet after it', (_, sensors, toldSeconds) => {
    let run: EspRun | null = null
    const told: RaisedEvent[] = []
    for (const [pause, ...waits] of sensors) {
      const next = new EspRun()
      next.parent = parentSa('i-1', { lifetimeSeconds: 100 })
      if (run === null) talking(next)
      else next.resume(run, pause)
      for (const seconds of waits) next.wait(seconds).up(UP, { sequence: 100 + told.length + next.events.length })
      told.push(...next.told('esp.association.outlived'))
      run = next
    }
    expect(told.map(({ timeUs }) => Math.floor((timeUs - START_US) / 1_000_000))).toEqual(toldSeconds)
  })
})

describe('what no ESP looks like', () => {
  function anomalies(payload: Uint8Array, protocol = 50): unknown[] {
    const run = new EspRun().raw(ethernet(ipv4(payload, { protocol })))
    return run.told('protocol.anomaly').map(({ fields }) => fields['anomaly.name'])
  }

  test('is an anomaly by its name', () => {
    expect(anomalies(fromHex('c0ffee01 00'))).toEqual(['esp.truncated'])
    expect(anomalies(fromHex('c0ffee01 00000001'))).toEqual(['esp.empty'])
    expect(anomalies(fromHex('00000000 00000001 0011223344556677'))).toEqual(['esp.spi_zero'])
    expect(anomalies(fromHex('00000005 00000001 0011223344556677'))).toEqual(['esp.spi_reserved'])
    expect(anomalies(fromHex('c0ffee01 00000001 001122334455667788'))).toEqual(['esp.alignment'])
    expect(anomalies(fromHex('33 00 0000 0000010a 00000003 33000000'), 51)).toEqual(['ah.length'])
    expect(anomalies(fromHex('33 01'), 51)).toEqual(['ah.truncated'])
  })

  test('every truncation of a packet is taken without an exception', () => {
    const frames = [
      ethernet(ipv4(seal(udp(sccrq()), CLEAR), { protocol: 50 })),
      ethernet(ipv6(seal(udp(sccrq()), CLEAR), { protocol: 50 })),
      datagram(seal(udp(sccrq()), SEALED), { sourcePort: 4500, targetPort: 4500 }),
      ethernet(ipv4(ah(50, 0x1234, 1, seal(udp(sccrq()), CLEAR)), { protocol: 51 })),
    ]
    const run = new EspRun({}, [SEALED])
    for (const frame of frames)
      for (let length = 0; length <= frame.length; length++) run.raw(frame.subarray(0, length))
    run.finish()
    expect(run.tracker.size).toBe(0)
  })
})

test('L2TP inside ESP is followed as if it were clear, with IPsec in its lineage', () => {
  const run = new TestSensor()
  const up = (content: Uint8Array, sequence: number) =>
    run.see(ethernet(ipv4(seal(udp(content), CLEAR, { sequence }), { protocol: 50 })), 1_700_000_000_000_000 + sequence)
  up(sccrq({ assignedTunnelId: 7, hostName: 'alice' }), 1)
  const events = run.finish()
  const requested = events.find((event) => event['event.action'] === 'l2tp.tunnel.requested')
  const seen = events.find((event) => event['event.action'] === 'esp.association.seen')
  expect(requested).toMatchObject({
    'l2tp.initiator.host_name': 'alice',
    'esp.tunnel.uid': seen?.['esp.tunnel.uid'],
    'borescope.lineage': [seen?.['esp.tunnel.uid'], requested?.['l2tp.tunnel.uid']],
  })
})
