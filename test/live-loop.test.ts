import { describe, expect, test } from 'vitest'
import { loadConfig } from '../src/config.ts'
import type { EventDocument } from '../src/events/fields.ts'
import { type LiveHooks, LiveLoop } from '../src/live-loop.ts'
import { Sensor } from '../src/sensor.ts'
import * as craft from './support/craft.ts'
import { TestClock, TestSource } from './support/live-source.ts'
import { assertDeclared } from './support/sensor.ts'

const START_US = 1_764_115_200_000_000
const CLIENT = '192.0.2.1'
const SERVER = '198.51.100.1'

const up = (message: Uint8Array, id = 1) => craft.datagram(message, { source: CLIENT, target: SERVER, ip: { id } })
const down = (message: Uint8Array, id = 1) => craft.datagram(message, { source: SERVER, target: CLIENT, ip: { id } })
const REQUEST = up(craft.sccrq({ assignedTunnelId: 7 }))
const REPLY = down(craft.sccrp({ tunnelId: 7, assignedTunnelId: 9, ns: 0, nr: 1 }))
const CONNECTED = up(craft.scccn({ tunnelId: 9, ns: 1, nr: 1 }), 2)

/** A loop over interfaces of these names; `script` is told of every turn, and stops it in the end. */
function watch(names: readonly string[], hooks: LiveHooks = {}) {
  const clock = new TestClock(START_US)
  const sensor = new Sensor(loadConfig(undefined, {}).config, 'test')
  const events: EventDocument[] = []
  sensor.bus.subscribe((event) => {
    assertDeclared(event)
    events.push(event)
  })
  // Of a name that comes again it is another ring.
  const sources = names.map((name, at) => {
    const ring =
      names.filter((other) => other === name).length === 1
        ? null
        : names.slice(0, at).filter((other) => other === name).length
    return new TestSource(name, clock, 25, ring)
  })
  const loop = new LiveLoop(sensor, sources, hooks, clock)
  /** The times of packets in the order in which they were looked at, in milliseconds. */
  const taken: number[] = []
  const { examine } = sensor
  sensor.examine = () => {
    taken.push((sensor.frame.timeUs - START_US) / 1000)
    examine.call(sensor)
  }
  const named = (name: string) => events.filter((event) => event['event.action'] === name)
  return { clock, sensor, events, sources, loop, named, taken }
}

const atMs = (ms: number, bytes: Uint8Array) => ({ timeUs: START_US + ms * 1000, bytes })

describe('many set-ups that fall silent at once', () => {
  const LATE = atMs(120_000, REPLY)
  const requests = Array.from({ length: 300 }, (_, i) =>
    atMs(i, up(craft.sccrq({ assignedTunnelId: 100 + i }), 100 + i)),
  )

  /** What was told of them, in order. */
  const failures = (events: readonly EventDocument[]) =>
    events.filter((each) => each['event.action'] === 'l2tp.tunnel.failed')

  test('end a few at a time, so that others have their turn, before the packet that comes after', async () => {
    let pauses = 0
    const { clock, sources, loop, events, taken } = watch(['eth1'], {
      async pause() {
        if (failures(events).length > 0 && taken.length === requests.length) pauses++
      },
    })
    sources[0].deliver(...requests, LATE)
    sources[0].onWait = () => loop.stop()
    clock.lookMs = 1
    await loop.run()
    expect(taken).toEqual([...requests, LATE].map(({ timeUs }) => (timeUs - START_US) / 1000))
    expect(failures(events).length).toBe(300)
    // Each takes a look at the clock, and a slice four of them.
    expect(pauses).toBeGreaterThan(50)
  })

  test('are told as a replay tells them', async () => {
    const live = watch(['eth1'])
    live.sources[0].deliver(...requests, LATE)
    live.sources[0].onWait = () => live.loop.stop()
    live.clock.lookMs = 1
    await live.loop.run()
    const { sensor, events } = watch(['eth1'])
    let number = 0
    for (const { timeUs, bytes } of [...requests, LATE]) {
      const { frame } = sensor
      Object.assign(frame, {
        bytes,
        start: 0,
        end: bytes.length,
        timeUs,
        timeNs: 0,
        linkType: 1,
        originalLength: bytes.length,
      })
      Object.assign(frame, { number: ++number, offset: 0, interfaceId: 0, capture: 'eth1' })
      sensor.observe()
    }
    expect(failures(events).length).toBe(300)
    expect(failures(live.events)).toEqual(failures(events))
  })

  test('end also where the loop is stopped meanwhile, and the packet that waited is taken', async () => {
    const { clock, sources, loop, events, taken } = watch(['eth1'], {
      async pause() {
        if (failures(events).length > 0) loop.stop()
      },
    })
    sources[0].deliver(...requests, LATE)
    clock.lookMs = 1
    await loop.run()
    expect(failures(events).length).toBe(300)
    expect(taken.at(-1)).toBe(120_000)
  })
})

describe('one interface', () => {
  test('its packets become events, with its name and their numbers', async () => {
    const { sources, loop, named } = watch(['eth1'])
    sources[0].deliver(atMs(1, REQUEST), atMs(2, REPLY), atMs(3, CONNECTED))
    sources[0].onWait = () => loop.stop()
    await loop.run()
    expect(named('l2tp.tunnel.opened')).toMatchObject([{ 'borescope.capture': 'eth1', 'borescope.frame.number': 3 }])
    expect(named('capture.analysed')).toMatchObject([{ 'capture.packets': 3 }])
  })

  test('what came before it was stopped is still taken', async () => {
    const { sources, loop, named } = watch(['eth1'])
    let turns = 0
    sources[0].onWait = () => {
      if (++turns === 2) {
        sources[0].deliver(atMs(1, REQUEST), atMs(2, REPLY), atMs(3, CONNECTED))
        loop.stop()
      }
    }
    await loop.run()
    expect(named('l2tp.tunnel.opened').length).toBe(1)
  })

  test('is looked at between the signal to stop and the packets that came before it: how full its ring is', async () => {
    const { sources, loop, taken } = watch(['eth1'])
    const takenAtLooks: number[] = []
    sources[0].onLook = () => takenAtLooks.push(taken.length)
    sources[0].onWait = () => {
      takenAtLooks.length = 0
      sources[0].deliver(atMs(0, REQUEST))
      loop.stop()
    }
    await loop.run()
    expect(taken).toEqual([0])
    expect(takenAtLooks[0]).toBe(0)
  })

  test('what the kernel has not handed over by then is waited for', async () => {
    const { clock, sources, loop, taken } = watch(['eth1'])
    const { sleep } = clock
    clock.sleep = async (ms) => {
      await sleep.call(clock, ms)
      // The block whose time was not over yet.
      if (clock.monotonicMs() >= 20) sources[0].deliver(atMs(1, REQUEST))
    }
    loop.stop()
    await loop.run()
    expect(taken).toEqual([1])
  })

  test('that never falls silent does not keep a loop from stopping', async () => {
    const { clock, sources, loop, sensor } = watch(['eth1'])
    sources[0].onWait = () => loop.stop()
    const [source] = sources
    const { next } = source
    source.next = (packet) => {
      // From the first stop on there is always one more, and later ones have come after it.
      clock.advance(0.1)
      source.deliver({ timeUs: clock.wallUs(), bytes: REQUEST })
      return next.call(source, packet)
    }
    loop.stop()
    await loop.run()
    expect(sensor.counts.packets).toBeGreaterThan(0)
    expect(clock.monotonicMs()).toBeLessThan(200)
  })

  test('stops after as many packets as were asked for, and not one later', async () => {
    const { sources, loop, sensor } = watch(['eth1'], { packetsMax: 2 })
    sources[0].deliver(atMs(1, REQUEST), atMs(2, REPLY), atMs(3, CONNECTED))
    await loop.run()
    expect(sensor.counts.packets).toBe(2)
  })

  test('is left alone between slices: others have their turn', async () => {
    let pauses = 0
    const { clock, sources, loop, sensor } = watch(['eth1'], {
      async pause() {
        pauses++
      },
    })
    clock.lookMs = 1
    for (let i = 0; i < 6400; i++)
      sources[0].deliver(atMs(i / 100, up(craft.hello({ tunnelId: 9, ns: i & 0xffff }), i)))
    let immediates = 0
    const count = setInterval(() => immediates++, 0)
    sources[0].onWait = () => loop.stop()
    await loop.run()
    clearInterval(count)
    expect(sensor.counts.packets).toBe(6400)
    // 64 packets a look, four looks a slice.
    expect(pauses).toBeGreaterThanOrEqual(20)
    expect(immediates).toBeGreaterThan(0)
  })
})

describe('time', () => {
  test('goes on when no packet comes: what fell silent ends while the loop runs', async () => {
    const { clock, sources, loop, named } = watch(['eth1'])
    sources[0].deliver(atMs(1, REQUEST))
    let failedAtMs = 0
    sources[0].onWait = () => {
      if (named('l2tp.tunnel.failed').length > 0 && failedAtMs === 0) failedAtMs = clock.monotonicMs()
      if (clock.monotonicMs() > 60_000) loop.stop()
    }
    await loop.run()
    // track.setupTimeoutSeconds is 35.
    expect(failedAtMs).toBeGreaterThan(35_000)
    expect(failedAtMs).toBeLessThan(37_500)
    expect(named('l2tp.tunnel.failed')[0]['@timestamp'] < '2025-11-26T00:00:38').toBe(true)
  })

  test('ticks twice a second where nothing has come for a while, and more often from the next packet on', async () => {
    const ticks: number[] = []
    const { clock, sources, loop } = watch(['eth1'], { tick: () => ticks.push(clock.monotonicMs()) })
    let isDelivered = false
    sources[0].onWait = () => {
      const ms = clock.monotonicMs()
      if (ms >= 8000 && !isDelivered) {
        sources[0].deliver(atMs(8000, REQUEST))
        isDelivered = true
      }
      if (ms >= 10_000) loop.stop()
    }
    await loop.run()
    const between = (fromMs: number, toMs: number) => ticks.filter((ms) => ms >= fromMs && ms < toMs).length
    expect(between(0, 1000)).toBe(10)
    expect(between(4000, 8000)).toBe(8)
    expect(between(8500, 9500)).toBe(10)
  })

  test('ticks ten times a second while an interface is down, so that it is taken up when it comes back', async () => {
    let ticks = 0
    const { clock, sources, loop } = watch(['eth1'], { tick: () => ticks++ })
    sources[0].state = 'down'
    sources[0].onWait = () => {
      if (clock.monotonicMs() >= 8000) loop.stop()
    }
    await loop.run()
    expect(ticks).toBeGreaterThanOrEqual(80)
  })

  test('ticks ten times a second, with the time that events have', async () => {
    const ticks: number[] = []
    const { clock, sources, loop } = watch(['eth1'], { tick: (nowUs) => ticks.push(nowUs) })
    const early = START_US - 3_600_000_000
    sources[0].deliver({ timeUs: early, bytes: REQUEST })
    sources[0].onWait = () => {
      if (clock.monotonicMs() >= 1000) loop.stop()
    }
    await loop.run()
    expect(ticks.length).toBeGreaterThanOrEqual(10)
    expect(ticks.length).toBeLessThanOrEqual(13)
    // The clock of the packets is another one, and goes on from theirs.
    expect(ticks[0] - early).toBeLessThan(100_000)
    expect(ticks.at(-1)! - early).toBeGreaterThan(900_000)
    expect(ticks.at(-1)! - early).toBeLessThan(1_300_000)
    expect([...ticks].sort((a, b) => a - b)).toEqual(ticks)
  })

  test('is that of the wall before the first packet', async () => {
    const ticks: number[] = []
    const { sources, loop, named } = watch(['eth1'], { tick: (nowUs) => ticks.push(nowUs) })
    sources[0].onWait = () => loop.stop()
    await loop.run()
    expect(ticks[0]).toBe(START_US)
    expect(named('capture.analysed').length).toBe(1)
  })
})

describe('several interfaces', () => {
  test('are one timeline: the two directions of a tap', async () => {
    const { sources, loop, taken, named } = watch(['eth1', 'eth2'])
    sources[1].deliver(atMs(2, REPLY))
    sources[0].deliver(atMs(1, REQUEST), atMs(3, CONNECTED))
    sources[0].onWait = () => loop.stop()
    await loop.run()
    expect(taken).toEqual([1, 2, 3])
    expect(named('l2tp.tunnel.opened')).toMatchObject([{ 'borescope.capture': 'eth1' }])
    expect(named('l2tp.control.unexpected')).toEqual([])
  })

  test('a packet waits for an earlier one that the kernel still holds', async () => {
    const { clock, sources, loop, named, taken } = watch(['eth1', 'eth2'])
    // The answer is here; the block of the other interface with the request comes ten milliseconds later.
    sources[1].deliver(atMs(0.2, REPLY))
    let isLate = true
    const { sleep } = clock
    clock.sleep = async (ms) => {
      await sleep.call(clock, ms)
      if (isLate && clock.monotonicMs() >= 10) {
        isLate = false
        sources[0].deliver(atMs(0.1, REQUEST), atMs(0.3, CONNECTED))
      }
    }
    sources[0].onWait = () => loop.stop()
    await loop.run()
    expect(taken).toEqual([0.1, 0.2, 0.3])
    expect(named('l2tp.tunnel.opened').length).toBe(1)
  })

  test('and no longer than the kernel may hold it', async () => {
    const { clock, sources, loop, sensor } = watch(['eth1', 'eth2'])
    sources[1].deliver(atMs(0, REPLY))
    let takenMs = Number.NaN
    sources[0].onWait = () => {
      if (Number.isNaN(takenMs) && sensor.counts.packets === 1) takenMs = clock.monotonicMs()
      if (clock.monotonicMs() > 300) loop.stop()
    }
    const { sleep } = clock
    const held: number[] = []
    clock.sleep = async (ms) => {
      held.push(ms)
      await sleep.call(clock, ms)
    }
    await loop.run()
    expect(sensor.counts.packets).toBe(1)
    // Held five milliseconds at a time, for little more than the latency of 25.
    expect(held.slice(0, -1).reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(35)
  })

  test('with a clock that is far ahead of the wall are not held', async () => {
    const { clock, sources, loop, sensor } = watch(['eth1', 'eth2'])
    const tai = 37_000
    sources[0].deliver(atMs(tai, REQUEST), atMs(tai + 1, up(craft.hello({ tunnelId: 9, ns: 1 }), 3)))
    let first = -1
    let tookMs = Number.POSITIVE_INFINITY
    sources[0].onWait = () => {
      if (first === -1) first = sensor.counts.packets
      tookMs = Math.min(tookMs, clock.monotonicMs())
      loop.stop()
    }
    await loop.run()
    expect(first).toBe(2)
    expect(tookMs).toBeLessThan(500)
  })
})

describe('several rings of an interface', () => {
  test('are one timeline, and its packets are counted as those of one interface', async () => {
    const { sources, loop, taken, named } = watch(['eth1', 'eth1'])
    sources[1].deliver(atMs(2, REPLY))
    sources[0].deliver(atMs(1, REQUEST), atMs(3, CONNECTED))
    sources[0].onWait = () => loop.stop()
    await loop.run()
    expect(taken).toEqual([1, 2, 3])
    expect(named('l2tp.tunnel.opened')).toMatchObject([{ 'borescope.capture': 'eth1', 'borescope.frame.number': 3 }])
  })

  test('are told of as one interface, which is up when all of them are', async () => {
    const { sources, loop, named, clock } = watch(['eth1', 'eth1'])
    const upAt: number[] = []
    sources[0].onWait = () => {
      const ms = clock.monotonicMs()
      for (const source of sources) if (ms > 500) source.state = 'down'
      if (ms > 1000) sources[0].state = 'up'
      if (ms > 1500) sources[1].state = 'up'
      if (named('sensor.interface.up').length > upAt.length) upAt.push(ms)
      if (ms > 2000) loop.stop()
    }
    await loop.run()
    expect(named('sensor.interface.down').length).toBe(1)
    expect(upAt.length).toBe(1)
    expect(upAt[0]).toBeGreaterThan(1500)
  })

  test('lose packets each for itself', async () => {
    const { sources, loop, named } = watch(['eth1', 'eth1'])
    sources[1].count({ kernelDrops: 5, freezes: 1 })
    sources[0].onWait = () => loop.stop()
    await loop.run()
    expect(named('sensor.loss')).toMatchObject([
      {
        'observer.ingress.interface.name': 'eth1',
        'sensor.ring.number': 1,
        'sensor.loss.kernel': 5,
        message: 'eth1, ring 1, lost 5 packets: 5 for want of room in the ring, 0 in the interface, 0 in the sensor',
      },
    ])
  })
})

describe('interfaces that come and go', () => {
  test('are told of', async () => {
    const { clock, sources, loop, named } = watch(['eth1', 'eth2'])
    sources[0].onWait = () => {
      const ms = clock.monotonicMs()
      sources[0].state = ms >= 1000 && ms < 2000 ? 'down' : 'up'
      if (ms >= 3000) loop.stop()
    }
    await loop.run()
    expect(named('sensor.interface.down')).toMatchObject([{ 'observer.ingress.interface.name': 'eth1' }])
    expect(named('sensor.interface.up')).toMatchObject([{ 'observer.ingress.interface.name': 'eth1' }])
  })

  test('are looked at several times a second, also while another one keeps the loop from waiting', async () => {
    const { clock, sources, loop, named } = watch(['eth1', 'eth2'])
    const [busy, other] = sources
    const { next } = busy
    busy.next = (packet) => {
      clock.advance(0.1)
      busy.deliver({ timeUs: clock.wallUs(), bytes: REQUEST })
      if (clock.monotonicMs() > 2000) loop.stop()
      return next.call(busy, packet)
    }
    let waits = 0
    for (const source of sources) source.onWait = () => waits++
    const looksMs: number[] = []
    other.onLook = () => {
      looksMs.push(clock.monotonicMs())
      if (clock.monotonicMs() >= 1000) other.state = 'down'
    }
    await loop.run()
    expect(waits).toBe(0)
    expect(looksMs.length).toBeGreaterThan(10)
    expect(Math.max(...looksMs.slice(1).map((ms, i) => ms - looksMs[i]))).toBeLessThan(200)
    expect(named('sensor.interface.down')).toMatchObject([{ 'observer.ingress.interface.name': 'eth2' }])
    expect(named('sensor.interface.down')[0]['@timestamp'] < '2025-11-26T00:00:01.3').toBe(true)
  })

  test('are not looked at while a packet of them waits: what comes in their place would take its bytes away', async () => {
    let isWaiting = false
    let ticks = 0
    let looks = 0
    const { clock, sources, loop, taken } = watch(['eth1', 'eth2'], {
      tick() {
        if (isWaiting && taken.length === 0) ticks++
      },
    })
    const [source] = sources
    source.onLook = () => {
      if (isWaiting && taken.length === 0) looks++
    }
    source.onWait = () => {
      if (clock.monotonicMs() >= 500) loop.stop()
      else if (!isWaiting && clock.monotonicMs() >= 200) {
        isWaiting = true
        // Of a clock that is a little ahead: it waits beyond the next tick.
        source.deliver(atMs(400, REQUEST))
      }
    }
    await loop.run()
    expect(taken).toEqual([400])
    expect(ticks).toBeGreaterThan(0)
    expect(looks).toBe(0)
  })

  test('also when they were down from the beginning, and when they were replaced between two looks', async () => {
    const { clock, sources, loop, events } = watch(['eth1', 'eth2'])
    sources[0].state = 'down'
    let wasReplaced = false
    sources[1].onWait = () => {
      sources[1].isReplaced = clock.monotonicMs() >= 1000 && !wasReplaced
      wasReplaced ||= sources[1].isReplaced
      if (clock.monotonicMs() >= 2000) loop.stop()
    }
    await loop.run()
    const told = events.filter((event) => event['event.action'].startsWith('sensor.interface'))
    expect(told.map((event) => event.message)).toEqual(['eth1 is down or gone', 'eth2 is down or gone', 'eth2 is up'])
  })
})

describe('losses', () => {
  test('are told every ten seconds in which there were any, of each interface and kind for itself', async () => {
    const { clock, sources, loop, named } = watch(['eth1', 'eth2'])
    sources[0].onWait = () => {
      const ms = clock.monotonicMs()
      if (ms >= 2000) sources[0].count({ kernelDrops: 5, freezes: 1, ringFillHighest: 1 })
      if (ms >= 12_000) sources[1].count({ ownDrops: 2, interfaceDrops: 3 })
      if (ms >= 45_000) loop.stop()
    }
    await loop.run()
    expect(named('sensor.loss')).toMatchObject([
      {
        'observer.ingress.interface.name': 'eth1',
        'sensor.loss.kernel': 5,
        'sensor.loss.interface': 0,
        'sensor.loss.own': 0,
        'sensor.ring.freezes': 1,
        'sensor.ring.fill': 1,
      },
      {
        'observer.ingress.interface.name': 'eth2',
        'sensor.loss.kernel': 0,
        'sensor.loss.interface': 3,
        'sensor.loss.own': 2,
        'sensor.ring.freezes': 0,
      },
    ])
    expect(named('sensor.loss')[0]['@timestamp'].slice(0, 19)).toBe('2025-11-26T00:00:10')
  })

  test('are told that happened before the loop began: while rules were loaded, say', async () => {
    const clock = new TestClock(START_US)
    const source = new TestSource('eth1', clock)
    source.count({ kernelDrops: 3 })
    const sensor = new Sensor(loadConfig(undefined, {}).config, 'test')
    const losses: EventDocument[] = []
    sensor.bus.subscribe((event) => {
      if (event['event.action'] === 'sensor.loss') losses.push(event)
    })
    const loop = new LiveLoop(sensor, [source], {}, clock)
    source.onWait = () => loop.stop()
    await loop.run()
    expect(losses).toMatchObject([{ 'sensor.loss.kernel': 3 }])
  })

  test('are told at the end, too', async () => {
    const { sources, loop, named } = watch(['eth1'])
    sources[0].onWait = () => {
      sources[0].count({ kernelDrops: 1 })
      loop.stop()
    }
    await loop.run()
    expect(named('sensor.loss')).toMatchObject([{ 'sensor.loss.kernel': 1 }])
  })
})

test('ports that were learned go to the filter of every interface', async () => {
  const { clock, sources, loop } = watch(['eth1', 'eth2'])
  const from = (port: number) =>
    craft.datagram(craft.sccrq({ assignedTunnelId: 7 }), { source: CLIENT, target: SERVER, sourcePort: port })
  sources[0].deliver(atMs(1, from(40_000)))
  sources[0].onWait = () => {
    if (clock.monotonicMs() > 500) loop.stop()
  }
  await loop.run()
  for (const { learned } of sources) expect(learned).toEqual([{ udp: [40_000], tcp: [] }])
})
