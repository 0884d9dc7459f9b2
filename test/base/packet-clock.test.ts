import { describe, expect, test } from 'vitest'
import { PacketClock } from '../../src/base/packet-clock.ts'

const SECOND = 1_000_000
const HOUR = 3600 * SECOND
const START = 1_700_000_000 * SECOND

function ticked(...timesUs: number[]): { clock: PacketClock; answers: boolean[] } {
  const clock = new PacketClock()
  return { clock, answers: timesUs.map((timeUs) => clock.tick({ timeUs })) }
}

describe('the clock of the packets', () => {
  test('begins with the first packet, and tells each new second once', () => {
    const { clock, answers } = ticked(START, START + 1, START + SECOND, START + SECOND + 5, START + 3 * SECOND)
    expect(answers).toEqual([true, false, true, false, true])
    expect(clock.firstUs).toBe(START)
    expect(clock.nowUs).toBe(START + 3 * SECOND)
  })

  test('is not turned back by a packet that comes late', () => {
    const { clock, answers } = ticked(START + 10 * SECOND, START)
    expect(answers).toEqual([true, false])
    expect(clock.nowUs).toBe(START + 10 * SECOND)
  })

  test('is not moved by a lone packet from the far future, or from the far past', () => {
    const { clock } = ticked(START, START + 1e6 * HOUR, START + SECOND, 0, START + 2 * SECOND)
    expect(clock.nowUs).toBe(START + 2 * SECOND)
  })

  test('follows a silence of more than an hour with the second packet after it', () => {
    const { clock, answers } = ticked(START, START + 5 * HOUR, START + 5 * HOUR + SECOND)
    expect(answers).toEqual([true, false, true])
    expect(clock.nowUs).toBe(START + 5 * HOUR + SECOND)
  })

  test('follows a machine whose clock was set back with the second packet after it', () => {
    const { clock } = ticked(START, START - 5 * HOUR, START - 5 * HOUR + SECOND)
    expect(clock.nowUs).toBe(START - 5 * HOUR + SECOND)
    expect(clock.firstUs).toBe(START)
  })
})
