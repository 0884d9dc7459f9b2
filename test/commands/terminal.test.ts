import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { csv } from '../../src/commands/formats.ts'
import { type Column, print, table } from '../../src/commands/terminal.ts'

interface Row {
  readonly name: string
  readonly why: string
  readonly size: number
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'name', value: ({ name }) => name },
  { title: 'why', value: ({ why }) => why },
  { title: 'size', value: ({ size }) => size, right: true },
]
const ROWS: readonly Row[] = [
  { name: 'a'.repeat(30), why: 'b'.repeat(50), size: 123_456_789 },
  { name: 'c', why: 'd', size: 1 },
]

function widths(widthMax: number): number[] {
  return table(COLUMNS, ROWS, '', widthMax)
    .split('\n')
    .map((line) => line.length)
}

test('a table that fits is as wide as its contents', () => {
  expect(Math.max(...widths(200))).toBe(30 + 2 + 50 + 2 + 9)
  expect(table(COLUMNS, ROWS, '', 93)).toBe(table(COLUMNS, ROWS))
})

test.each([92, 80, 60, 40])(
  'on a terminal of %i columns every row fits: the widest texts are cut, numbers never',
  (columns) => {
    expect(Math.max(...widths(columns))).toBe(columns)
    const drawn = table(COLUMNS, ROWS, '', columns)
    expect(drawn).toContain('123456789')
    expect(drawn).toContain('…')
  },
)

test('nothing becomes so narrow that it says nothing', () => {
  const [, first] = table(COLUMNS, ROWS, '', 10).split('\n')
  expect(first).toBe(`${'a'.repeat(11)}…  ${'b'.repeat(11)}…  123456789`)
})

describe('what a terminal is shown', () => {
  const shown: string[] = []
  const { isTTY } = process.stdout

  beforeEach(() => {
    shown.length = 0
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => shown.push(String(text)) > 0)
  })

  afterEach(() => {
    vi.restoreAllMocks()
    process.stdout.isTTY = isTTY
  })

  const hostile = { name: 'a\u009b31m\u007f\u202eb\u2066\u{e0041}' }

  test('is the same JSON without a character that nobody sees, and files get it as it is', async () => {
    process.stdout.isTTY = true
    await print(JSON.stringify(hostile, null, 2))
    process.stdout.isTTY = false
    await print(JSON.stringify(hostile))
    expect(shown[0]).toMatch(/^[\n -~]*$/)
    expect(JSON.parse(shown[0])).toEqual(hostile)
    expect(shown[1]).toBe(`${JSON.stringify(hostile)}\n`)
  })

  test('is CSV without control characters', () => {
    const text = '\u001b[31mred\u001b[0m\nx'
    process.stdout.isTTY = true
    expect(csv(text)).toBe('\\u001b[31mred\\u001b[0m\\u000ax')
    process.stdout.isTTY = false
    expect(csv(text)).toBe(`"${text}"`)
  })
})
