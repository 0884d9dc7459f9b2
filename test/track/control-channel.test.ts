import { describe, expect, test } from 'vitest'
import { ControlChannel } from '../../src/track/control-channel.ts'
import { SeenMessages } from '../../src/track/seen-messages.ts'

function channel(expectedNs = 0): ControlChannel<number> {
  const made = new ControlChannel<number>(new SeenMessages(), 0)
  made.reset(expectedNs)
  return made
}

/** Messages whose content is their number. */
function arrive(of: ControlChannel<number>, ...numbers: readonly number[]): string[] {
  return numbers.map((ns) => of.arrive(ns, ns * 7, 4, ns))
}

function released(of: ControlChannel<number>): number[] {
  const all = []
  for (let next = of.release(); next !== null; next = of.release()) all.push(next)
  return all
}

test('messages in order, over the end of the number space', () => {
  const subject = channel(0xfffe)
  expect(arrive(subject, 0xfffe, 0xffff, 0, 1)).toEqual(['next', 'next', 'next', 'next'])
  expect(subject.expectedNs).toBe(2)
  expect(subject.messages).toBe(4)
})

test('the same message again is a retransmission, other content is a conflict', () => {
  const subject = channel()
  expect(arrive(subject, 0, 0, 0)).toEqual(['next', 'retransmission', 'retransmission'])
  expect(subject.retransmissions).toBe(2)
  expect(subject.arrive(0, 99, 4, 0)).toBe('conflict')
})

test('what its receiver has is known by its number and its content', () => {
  const subject = channel()
  arrive(subject, 0, 1, 3)
  const asked: number[] = []
  const hasSeen = (ns: number, digest: number) =>
    subject.hasSeen(ns, () => {
      asked.push(ns)
      return digest
    })
  expect([hasSeen(0, 0), hasSeen(1, 7), hasSeen(1, 8)]).toEqual([true, true, false])
  // What is due, what is held, and what was missed.
  expect([hasSeen(2, 14), hasSeen(3, 21), hasSeen(0xffff, 7)]).toEqual([false, false, false])
  expect(asked).toEqual([0, 1, 1])
  expect(subject.retransmissions).toBe(0)
})

test('a message after a gap waits for it to be filled', () => {
  const subject = channel()
  expect(arrive(subject, 0, 3, 2)).toEqual(['next', 'held', 'held'])
  expect(released(subject)).toEqual([])
  expect(arrive(subject, 1)).toEqual(['next'])
  expect(released(subject)).toEqual([2, 3])
  expect(subject.gaps).toBe(0)
  expect(arrive(subject, 2, 3)).toEqual(['retransmission', 'retransmission'])
})

test('or for the receiver to acknowledge it: then the capture missed what stood before', () => {
  const subject = channel()
  arrive(subject, 0, 2)
  expect(subject.acknowledge(1)).toBe(true)
  expect(released(subject)).toEqual([])
  expect(subject.acknowledge(3)).toBe(true)
  expect(released(subject)).toEqual([2])
  expect(subject.gaps).toBe(1)
  expect(arrive(subject, 1)).toEqual(['late'])
  expect(subject.gaps).toBe(0)
})

test('a number that was claimed too early ends no gap that has been filled', () => {
  const subject = channel(5)
  expect(arrive(subject, 17)).toEqual(['beyond_window'])
  expect(subject.acknowledge(17)).toBe(false)
  arrive(subject, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
  expect(released(subject)).toEqual([17])
  expect(subject.arrive(17, 99, 4, 17)).toBe('conflict')
  expect([subject.expectedNs, subject.gaps]).toEqual([18, 0])
})

test('a held message again is a retransmission; with other content a conflict, and the later one counts', () => {
  const subject = channel()
  expect(arrive(subject, 2, 2)).toEqual(['held', 'retransmission'])
  expect(subject.arrive(2, 1234, 4, 77)).toBe('conflict')
  subject.acknowledge(3)
  expect(released(subject)).toEqual([77])
})

test('beyond the window, until it is acknowledged', () => {
  const subject = channel()
  expect(arrive(subject, 0, 9)).toEqual(['next', 'beyond_window'])
  expect(subject.expectedNs).toBe(1)
  expect(subject.acknowledge(10)).toBe(true)
  expect(released(subject)).toEqual([9])
})

test('a wide window that the receiver announced is believed, up to what is remembered', () => {
  const subject = channel()
  expect(subject.arrive(20, 1, 32, 0)).toBe('held')
  expect(subject.arrive(40, 1, 60_000, 0)).toBe('beyond_window')
})

test('an acknowledgement of what was never sent is refused; a small capture gap is not', () => {
  const subject = channel()
  arrive(subject, 0)
  expect(subject.acknowledge(5)).toBe(true)
  expect(subject.gaps).toBe(4)
  expect(subject.acknowledge(100)).toBe(false)
  expect(subject.expectedNs).toBe(5)
})

test('so many as fit the smallest window may have been missed, and not one more', () => {
  const subject = channel()
  expect(subject.acknowledge(9)).toBe(false)
  expect(subject.acknowledge(8)).toBe(true)
  expect([subject.expectedNs, subject.gaps]).toEqual([8, 8])
  subject.reset(0)
  expect([subject.expectedNs, subject.gaps]).toEqual([0, 0])
})

test('old acknowledgements say nothing', () => {
  const subject = channel()
  arrive(subject, 0, 1, 2)
  expect([3, 2, 1, 0].map((nr) => subject.acknowledge(nr))).toEqual([true, true, true, true])
  expect(subject.expectedNs).toBe(3)
})

test('after a long gap of the capture both ends together tell where they are', () => {
  const subject = channel()
  arrive(subject, 0)
  expect(subject.acknowledge(50)).toBe(false)
  subject.announce(50)
  expect(subject.expectedNs).toBe(50)
  expect(subject.gaps).toBe(49)
  expect(arrive(subject, 50)).toEqual(['next'])
})

test('a channel that was joined takes the first number it sees', () => {
  const arrived = channel(-1)
  expect(arrive(arrived, 700, 701)).toEqual(['next', 'next'])
  const acknowledged = channel(-1)
  expect(acknowledged.acknowledge(700)).toBe(true)
  expect(arrive(acknowledged, 700, 699)).toEqual(['next', 'retransmission'])
})

test('a sender that goes on without acknowledgements in sight is followed after all', () => {
  const subject = channel()
  const numbers = Array.from({ length: 16 }, (_, i) => i + 1)
  arrive(subject, ...numbers)
  expect(released(subject)).toEqual(numbers)
})

describe('over a restart of the sensor', () => {
  const heard = () => {
    const channel = new ControlChannel<string>(new SeenMessages(), 0)
    channel.reset(0)
    for (let ns = 0; ns < 5; ns++) channel.arrive(ns, 100 + ns, 4, `m${ns}`)
    return channel
  }
  const resumed = (isLater: boolean) => {
    const channel = new ControlChannel<string>(new SeenMessages(), 0)
    channel.restore(JSON.parse(JSON.stringify(heard().save())), isLater)
    return channel
  }

  test('what was seen before is a retransmission, and another content a conflict', () => {
    for (const isLater of [false, true]) {
      expect(resumed(isLater).arrive(3, 103, 4, 'again')).toBe('retransmission')
      expect(resumed(isLater).hasSeen(3, () => 103)).toBe(!isLater)
      expect(resumed(isLater).arrive(3, 999, 4, 'forged')).toBe('conflict')
      expect(resumed(isLater).arrive(5, 105, 4, 'next')).toBe('next')
    }
  })

  test('without a pause a jump is held; after one it is what was missed, once', () => {
    expect(resumed(false).arrive(500, 1, 4, 'far')).toBe('beyond_window')
    const later = resumed(true)
    expect(later.arrive(500, 1, 4, 'far')).toBe('next')
    expect(later.gaps).toBe(495)
    expect(later.arrive(900, 2, 4, 'farther')).toBe('beyond_window')
    const acknowledged = resumed(true)
    expect(acknowledged.acknowledge(700)).toBe(true)
    expect(acknowledged.arrive(700, 1, 4, 'next')).toBe('next')
  })
})
