/** The socket of an interface against a kernel of the test: what it is asked, in which order, and what becomes of its answers. */
import { beforeEach, describe, expect, test } from 'vitest'
import { openPacketSocket } from '../../../src/capture/live/packet-socket.ts'
import { Poller } from '../../../src/capture/live/poller.ts'
import { LiveError, type LiveOptions } from '../../../src/capture/live.ts'
import { Frame } from '../../../src/dissect/frame.ts'
import { TestKernel, UP_AND_RUNNING } from '../../support/packet-kernel.ts'
import { STATUS } from '../../support/packet-ring.ts'

const BLOCK_BYTES = 65_536
const BLOCKS = 16
const OPTIONS: LiveOptions = {
  backend: 'ring',
  filter: null,
  l2tpPorts: [1701],
  snapLength: 65_535,
  bufferBytes: BLOCKS * BLOCK_BYTES,
  blockBytes: BLOCK_BYTES,
  blockTimeoutMs: 10,
  promiscuous: true,
  outgoing: true,
  timestamps: 'kernel',
}
const FILTER = { program: () => new Uint8Array(16) }
const EPERM = 1
const ENOMEM = 12
const LOOPBACK = 0x8
const RX_RING = 5
const IGNORE_OUTGOING = 23

let kernel: TestKernel
beforeEach(() => {
  kernel = new TestKernel()
})
const open = (options: Partial<LiveOptions> = {}) =>
  openPacketSocket(kernel, new Poller(kernel), 'eth1', { ...OPTIONS, ...options }, FILTER)

describe('opening', () => {
  test('takes nothing before filter and ring are in place', () => {
    open()
    const { calls } = kernel
    // AF_PACKET, SOCK_RAW, no protocol; every protocol only when it is bound.
    expect(calls[0]).toBe('socket 17 3 0')
    const bound = calls.indexOf('bind protocol 3 to 7')
    expect(bound).toBeGreaterThan(calls.indexOf('filter of 2'))
    expect(bound).toBeGreaterThan(calls.indexOf(`option 263 ${RX_RING}`))
    expect(bound).toBeGreaterThan(calls.indexOf('map'))
    expect(calls.indexOf('filter of 2')).toBeGreaterThan(0)
    // PACKET_ADD_MEMBERSHIP.
    expect(calls).toContain('option 263 1')
  })

  test('leaves frames for other stations and those that the host sends out, if asked', () => {
    open({ promiscuous: false, outgoing: false })
    expect(kernel.calls).not.toContain('option 263 1')
    expect(kernel.calls).toContain(`option 263 ${IGNORE_OUTGOING}`)
  })

  test('of a loopback takes packets as they come in; in an old kernel the ring leaves the others out', () => {
    kernel.flagBits = UP_AND_RUNNING | LOOPBACK
    kernel.hardware = 772
    kernel.fails = { [`option ${IGNORE_OUTGOING}`]: 92 }
    const source = open()
    kernel.ring.fill([{ bytes: new Uint8Array(60), type: 4 }, { bytes: new Uint8Array(60) }])
    const packet = new Frame()
    expect([source.next(packet), source.next(packet)]).toEqual([true, false])
  })

  test('of an interface without Ethernet has the kernel take the link header off', () => {
    kernel.hardware = 65_534
    open()
    expect(kernel.calls.slice(0, 3)).toEqual(['socket 17 3 0', 'close', 'socket 17 2 0'])
  })

  test.each<[says: string, fails: Record<string, number>, code: string, message: RegExp]>([
    ['without the right', { socket: EPERM }, 'not_permitted', /CAP_NET_RAW/],
    ['where there are no packet sockets', { socket: 97 }, 'unsupported', /CONFIG_PACKET/],
    ['without memory', { [`option ${RX_RING}`]: ENOMEM }, 'failed', /no 1048576 bytes .* make --buffer smaller/],
    ['where the ring is refused', { [`option ${RX_RING}`]: 22 }, 'failed', /refused a ring .*errno 22/],
    ['where the filter is refused', { filter: 22 }, 'failed', /refused its filter/],
    ['where it cannot be mapped', { map: 1 }, 'failed', /mapping the ring/],
    ['of an interface that is just going', { bind: 19 }, 'no_interface', /no interface eth1/],
  ])('%s is refused, and leaves nothing open', (_, fails, code, message) => {
    kernel.fails = fails
    let refusal: unknown
    try {
      open()
    } catch (error) {
      refusal = error
    }
    expect(refusal).toBeInstanceOf(LiveError)
    expect(refusal).toMatchObject({ code, message: expect.stringMatching(message) })
    const count = (name: string) => kernel.calls.filter((call) => call.startsWith(name)).length
    if (fails['socket'] === undefined) expect(count('close')).toBe(count('socket'))
    if (fails['map'] === undefined) expect(count('unmap')).toBe(count('map'))
  })

  test('of an interface that is not there is refused', () => {
    kernel.index = null
    expect(() => open()).toThrow(new LiveError('no_interface', 'there is no interface eth1').message)
    expect(kernel.calls.at(-1)).toBe('close')
  })
})

describe('an interface', () => {
  test('that vanishes is down, and bound anew when one of its name is there', () => {
    const source = open()
    expect(source.state).toBe('up')
    kernel.index = null
    source.look()
    expect(source.state).toBe('down')
    kernel.index = 9
    kernel.calls.length = 0
    source.look()
    expect(source.state).toBe('up')
    // Its ears have to be opened again, too.
    expect(kernel.calls).toEqual(['bind protocol 3 to 9', 'option 263 1'])
    expect(source.counters.rebinds).toBe(1)
  })

  test('that was replaced between two looks is bound anew', () => {
    const source = open()
    kernel.index = 8
    source.look()
    expect(source).toMatchObject({ state: 'up', counters: { rebinds: 1 } })
  })

  test('that goes away while it is bound is tried again', () => {
    const source = open()
    kernel.index = 8
    kernel.fails = { bind: 19 }
    source.look()
    expect(source.state).toBe('down')
    kernel.fails = {}
    source.look()
    expect(source.state).toBe('up')
  })

  test('without link is down, and not bound anew for it', () => {
    const source = open()
    kernel.flagBits = 0x1
    source.look()
    expect(source).toMatchObject({ state: 'down', counters: { rebinds: 0 } })
  })
})

test('what the kernel counts from reading to reading adds up', () => {
  const source = open()
  kernel.statistics = [
    [100, 10, 1],
    [50, 0, 0],
    [7, 7, 2],
  ]
  expect(source.counters).toMatchObject({ received: 100, kernelDrops: 10, freezes: 1 })
  expect(source.counters).toMatchObject({ received: 150, kernelDrops: 10, freezes: 1 })
  expect(source.counters).toMatchObject({ received: 157, kernelDrops: 17, freezes: 3 })
})

test('the fill of the ring is known, now and at its highest', () => {
  const source = open()
  for (let block = 0; block < 4; block++) kernel.ring.fill([{ bytes: new Uint8Array(60) }])
  expect(source.counters).toMatchObject({ ringFill: 0.25, ringFillHighest: 0.25 })
  const packet = new Frame()
  while (source.next(packet));
  expect(source.counters).toMatchObject({ ringFill: 0, ringFillHighest: 0.25 })
})

test('how full the ring was is known of whoever waits, and need not ask', async () => {
  const source = open()
  for (let block = 0; block < 4; block++) kernel.ring.fill([{ bytes: new Uint8Array(60) }])
  await source.wait(1)
  const packet = new Frame()
  while (source.next(packet));
  expect(source.counters).toMatchObject({ ringFill: 0, ringFillHighest: 0.25 })
})

describe('waiting', () => {
  const packet = new Frame()
  /** Of the ring that was opened last. */
  const fill = (status: number) => {
    kernel.rings.at(-1)?.fill([{ bytes: new Uint8Array(60) }], { status })
    while (source.next(packet));
  }
  let source: ReturnType<typeof open>
  beforeEach(() => {
    source = open({ bufferBytes: 128 * 1024 * 1024 })
  })

  test('is left to the kernel where blocks are handed over before they are full', async () => {
    fill(STATUS.user | STATUS.timedOut)
    await source.wait(1)
    expect(kernel.polls).toBe(1)
  })

  test('takes naps after a full block, until a block is handed over whatever is in it', async () => {
    fill(STATUS.user)
    // One of 33 ms lasts for longer than the 10 ms of a block.
    await source.wait(1)
    expect(kernel.polls).toBe(0)
    await source.wait(1)
    expect(kernel.polls).toBe(1)
    fill(STATUS.user)
    await source.wait(1)
    expect(kernel.polls).toBe(1)
  })

  test('takes as many as a block takes where the ring allows for short ones only', async () => {
    source = open({ bufferBytes: 16 * 1024 * 1024 })
    fill(STATUS.user)
    // Three of 4 ms.
    for (let nap = 0; nap < 3; nap++) await source.wait(1)
    expect(kernel.polls).toBe(0)
    await source.wait(1)
    expect(kernel.polls).toBe(1)
  })

  test('takes a nap although a block was handed over by the clock after a full one', async () => {
    fill(STATUS.user)
    fill(STATUS.user | STATUS.timedOut)
    await source.wait(1)
    expect(kernel.polls).toBe(0)
    fill(STATUS.user | STATUS.timedOut)
    await source.wait(1)
    expect(kernel.polls).toBe(1)
  })

  test('takes none where the ring would be full by the end of them', async () => {
    source = open()
    fill(STATUS.user)
    await source.wait(1)
    expect(kernel.polls).toBe(1)
  })
})

test('a filter for which there is no memory leaves the old one in force', () => {
  const source = open()
  kernel.fails = { filter: ENOMEM }
  expect(() => source.learn({ udp: [40_000], tcp: [] })).not.toThrow()
})

test('after closing there is nothing to read, nor to look at', () => {
  const source = open()
  kernel.ring.fill([{ bytes: new Uint8Array(60) }, { bytes: new Uint8Array(60) }])
  const packet = new Frame()
  source.next(packet)
  kernel.statistics = [[2, 1, 0]]
  source.close()
  source.close()
  // Memory that is gone must not be reached through what was handed out.
  expect(packet.bytes.length).toBe(0)
  expect(source.next(packet)).toBe(false)
  expect(source.counters).toMatchObject({ received: 2, kernelDrops: 1, packets: 1, ringFill: 0 })
  expect(kernel.calls.filter((call) => call === 'unmap' || call === 'close')).toEqual(['unmap', 'close'])
})
