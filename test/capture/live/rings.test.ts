/** Several rings of one interface, against a kernel of the test. */
import { beforeEach, describe, expect, test } from 'vitest'
import { makePacketSockets, openRings } from '../../../src/capture/live/packet-socket.ts'
import { Poller } from '../../../src/capture/live/poller.ts'
import { LiveError, type LiveOptions, type LiveSource } from '../../../src/capture/live.ts'
import { Frame } from '../../../src/dissect/frame.ts'
import { TestKernel, UP_AND_RUNNING } from '../../support/packet-kernel.ts'

const BLOCK_BYTES = 65_536
const OPTIONS: LiveOptions = {
  backend: 'ring',
  filter: null,
  l2tpPorts: [1701],
  snapLength: 65_535,
  bufferBytes: 32 * BLOCK_BYTES,
  blockBytes: BLOCK_BYTES,
  blockTimeoutMs: 10,
  promiscuous: true,
  outgoing: true,
  timestamps: 'kernel',
}
const EPERM = 1
const EINVAL = 22
/** Of SOL_PACKET; the type of the group is in the upper half of the value, with a flag that asks for a number. */
const FANOUT = 18

let kernel: TestKernel
let learned: (readonly number[])[]
beforeEach(() => {
  kernel = new TestKernel()
  learned = []
})

function open(rings = 2): LiveSource[] {
  const sockets = makePacketSockets(kernel, 'eth1', rings)
  kernel.calls.length = 0
  const filter = { program: () => new Uint8Array(16) }
  return openRings(kernel, new Poller(kernel), sockets, OPTIONS, filter, (_, ports) => {
    learned.push(ports)
    return new Uint8Array(8)
  })
}

const count = (name: string) => kernel.calls.filter((call) => call.startsWith(name)).length
const joined = () => kernel.values.filter((value) => value.includes(`: ${FANOUT} = `))

const look = (sources: readonly LiveSource[]) => sources.map((source) => source.look())

describe('opening', () => {
  test('lets each socket join the group before its filter lets anything in', () => {
    const rings = open()
    expect(rings.map(({ name, ring }) => [name, ring])).toEqual([
      ['eth1', 0],
      ['eth1', 1],
    ])
    // The first one asks for a number, the other one takes it.
    expect(joined()).toEqual([`3: ${FANOUT} = 20060000`, `4: ${FANOUT} = 6004d`])
    const order = kernel.calls.filter((call) => /^(filter|bind|spread|option 263 18)/.test(call))
    const one = ['filter of 1', 'bind protocol 3 to 7', `option 263 ${FANOUT}`]
    expect(order).toEqual([...one, 'spread', 'filter of 2', ...one, 'filter of 2'])
  })

  test.each<[says: string, fails: Record<string, number>, message: RegExp]>([
    ['a kernel that spreads nothing', { [`option ${FANOUT}`]: EINVAL }, /several rings .*use one thread/],
    ['a program that is refused', { spread: EINVAL }, /several rings .*use one thread/],
    ['a ring that cannot be mapped', { map: 12 }, /mapping the ring/],
  ])('after %s leaves nothing open', (_, fails, message) => {
    const sockets = makePacketSockets(kernel, 'eth1', 2)
    kernel.fails = fails
    const opened = () =>
      openRings(
        kernel,
        new Poller(kernel),
        sockets,
        OPTIONS,
        { program: () => new Uint8Array(16) },
        () => new Uint8Array(8),
      )
    expect(opened).toThrow(LiveError)
    expect(kernel.calls.filter((call) => call === 'close').length).toBe(count('socket'))
    kernel = new TestKernel()
    kernel.fails = fails
    expect(opened).toThrow(message)
  })

  test('without the right is refused, with what was made before', () => {
    const { socket } = kernel
    kernel.socket = (...args) => {
      if (count('socket') === 3) kernel.fails = { socket: EPERM }
      return socket.apply(kernel, args)
    }
    expect(() => makePacketSockets(kernel, 'eth1', 2)).toThrow(/CAP_NET_RAW/)
    expect(count('close')).toBe(3)
  })
})

test('ports that are learned are for the filters of all rings, and once for where packets go', () => {
  const rings = open(3)
  for (const ring of rings) ring.learn({ udp: [40_000], tcp: [] })
  expect(learned).toEqual([[], [40_000]])
})

describe('an interface', () => {
  test('in whose place comes another has other sockets, in another group, and the counts go on', () => {
    const rings = open()
    const packet = new Frame()
    kernel.rings[1].fill([{ bytes: new Uint8Array(60) }, { bytes: new Uint8Array(60) }])
    while (rings[1].next(packet));
    rings[1].learn({ udp: [40_000], tcp: [] })
    kernel.index = null
    look(rings)
    expect(rings.map(({ state }) => state)).toEqual(['down', 'down'])
    kernel.index = 9
    kernel.values.length = 0
    look(rings)
    expect(rings.map(({ state, counters: { rebinds } }) => [state, rebinds])).toEqual([
      ['up', 1],
      ['up', 1],
    ])
    expect(joined().map((value) => value.slice(0, 1))).toEqual(['5', '6'])
    expect(joined()[0]).toMatch(/20060000$/)
    // The old ones are closed, and their memory is gone.
    expect(count('unmap')).toBe(2)
    kernel.rings[3].fill([{ bytes: new Uint8Array(60) }])
    expect(rings[1].next(packet)).toBe(true)
    expect(rings[1].counters).toMatchObject({ packets: 3, bytes: 180 })
  })

  test('gives all that came from the old one first', () => {
    const rings = open()
    const packet = new Frame()
    kernel.rings[1].fill([{ bytes: new Uint8Array(60) }, { bytes: new Uint8Array(60) }])
    rings[1].next(packet)
    kernel.index = 9
    look(rings)
    expect(rings.map(({ state }) => state)).toEqual(['up', 'down'])
    expect(rings[1].next(packet)).toBe(true)
    expect(packet.bytes.length).toBeGreaterThan(0)
    look(rings)
    expect(rings[1]).toMatchObject({ state: 'up', counters: { packets: 2, rebinds: 1 } })
  })

  test('that is down is waited for, though older kernels let no socket join a group there', () => {
    kernel.flagBits = 0
    kernel.fails = { [`option ${FANOUT}`]: EINVAL }
    const rings = open()
    look(rings)
    // What their filters let in now would come in all rings alike.
    const filters = count('filter')
    for (const ring of rings) ring.learn({ udp: [40_000], tcp: [] })
    expect(count('filter')).toBe(filters)
    expect(rings.map(({ state }) => state)).toEqual(['down', 'down'])
    kernel.flagBits = UP_AND_RUNNING
    kernel.fails = {}
    look(rings)
    expect(rings.map(({ state }) => state)).toEqual(['up', 'up'])
    kernel.rings[3].fill([{ bytes: new Uint8Array(60) }])
    expect(rings[1].next(new Frame())).toBe(true)
  })

  test('that cannot be joined at once is tried again with the next socket', () => {
    const rings = open()
    kernel.index = 9
    kernel.fails = { bind: 19 }
    look(rings)
    expect(rings.map(({ state }) => state)).toEqual(['down', 'down'])
    kernel.fails = {}
    look(rings)
    expect(rings.map(({ state }) => state)).toEqual(['up', 'up'])
  })

  test('for which no socket is left stays down', () => {
    const rings = open()
    for (let index = 10; index < 20; index++) {
      kernel.index = index
      look(rings)
    }
    expect(rings.map(({ state }) => state)).toEqual(['down', 'down'])
    for (const ring of rings) ring.close()
    expect(count('close')).toBe(2 * 9)
  })
})

test('closing closes the sockets that were spared, too', () => {
  const rings = open()
  for (const ring of rings) ring.close()
  expect(count('close')).toBe(2 * 9)
  expect(rings[0].next(new Frame())).toBe(false)
})
