import { afterEach, describe, expect, test, vi } from 'vitest'
import { barChart, printHistogram } from '../../src/commands/histogram.ts'

const HOUR_MS = 3_600_000
const at = (hour: number, count: number) => ({
  from: `2026-03-01T${String(hour).padStart(2, '0')}:00:00.000000Z`,
  count,
})

async function printed(found: Parameters<typeof printHistogram>[0], intervalMs: number, format: 'json' | 'csv') {
  let text = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((part) => {
    text += part
    return true
  })
  await printHistogram(found, intervalMs, format)
  return text
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe('a histogram', () => {
  test('has a bar for each interval, the longest as wide as there is room', () => {
    expect(barChart([at(9, 1600), at(10, 0), at(11, 1), at(12, 800)], HOUR_MS, 45)).toEqual([
      '2026-03-01 09:00  1,600  ████████████████████',
      '2026-03-01 10:00      0',
      '2026-03-01 11:00      1  ▏',
      '2026-03-01 12:00    800  ██████████',
    ])
    expect(barChart([at(9, 3)], HOUR_MS, 10)[0]).toMatch(/ {2}3 {2}█{8}$/)
    expect(barChart([at(9, 0)], HOUR_MS)).toEqual(['2026-03-01 09:00  0'])
    expect(barChart([], HOUR_MS)).toEqual([])
  })

  test('tells as much of the time as its intervals need', () => {
    expect(barChart([at(0, 1)], 24 * HOUR_MS, 20)[0]).toMatch(/^2026-03-01 {2}1/)
    expect(barChart([at(0, 1)], 30_000, 20)[0]).toMatch(/^2026-03-01 00:00:00 {2}1/)
    expect(barChart([at(0, 1)], 250, 20)[0]).toMatch(/^2026-03-01 00:00:00\.000 {2}1/)
  })

  test('shows the intervals without events', async () => {
    expect(await printed([at(9, 2), at(12, 1)], HOUR_MS, 'csv')).toBe(
      [
        'from,count',
        ...[at(9, 2), at(10, 0), at(11, 0), at(12, 1)].map(({ from, count }) => `${from},${count}`),
        '',
      ].join('\n'),
    )
    expect(JSON.parse(await printed([], HOUR_MS, 'json'))).toEqual([])
  })

  test('is refused where it would have no end', async () => {
    await expect(printHistogram([at(0, 1), at(23, 1)], 1000, 'csv')).rejects.toThrow(/82,801 intervals, .* --every/)
  })
})
