/**
 * What people read: tables, numbers, colours. Colours only on a terminal that wants them (NO_COLOR and FORCE_COLOR are
 * honoured by node:util); names from the network never reach the terminal with control characters in them.
 */
import { styleText } from 'node:util'
import { printable, visible } from '../base/printable.ts'

export { printable }

type Style = Parameters<typeof styleText>[0]

/** `text` in a style, if stdout shows it. */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout })
}

const LEVEL_STYLES: Readonly<Record<string, Style>> = {
  critical: ['bold', 'red'],
  high: 'red',
  medium: 'yellow',
  low: 'cyan',
  informational: 'gray',
}

export function paintLevel(level: string, text = level): string {
  return paint(LEVEL_STYLES[level] ?? 'white', text)
}

export interface Column<Row> {
  readonly title: string
  /** What stands in the cell; undefined leaves it empty. */
  readonly value: (row: Row) => string | number | undefined
  readonly right?: boolean
  readonly paint?: (row: Row, text: string) => string
  /** Longer texts are cut with an ellipsis. */
  readonly widthMax?: number
}

/** No column becomes narrower than this for the sake of the others. */
const WIDTH_MIN = 12

/**
 * Rows under a head line, columns as wide as their contents; a column that is empty in every row is left out. On a terminal
 * the widest texts are cut until a row fits into a line.
 */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  indent = '',
  widthMax = process.stdout.columns ?? Number.POSITIVE_INFINITY,
): string {
  const drawn = columns
    .map((column) => {
      const cells = rows.map((row) => cut(printable(String(column.value(row) ?? '')), column.widthMax ?? 60))
      return { column, cells, width: Math.max(column.title.length, ...cells.map(width)) }
    })
    .filter(({ cells }) => cells.some((cell) => cell !== ''))
  narrow(drawn, widthMax - indent.length)
  const lines = [
    indent +
      drawn
        .map(({ column, width }) => paint('dim', pad(column.title, width, column.right)))
        .join('  ')
        .trimEnd(),
  ]
  for (const [index, row] of rows.entries()) {
    const cells = drawn.map(({ column, cells, width }) => {
      const padded = pad(cut(cells[index], width), width, column.right)
      return column.paint === undefined ? padded : column.paint(row, padded)
    })
    lines.push(indent + cells.join('  ').trimEnd())
  }
  return lines.join('\n')
}

/** Numbers keep their width: one that is cut is a wrong one. */
function narrow(drawn: { readonly column: Column<never>; width: number }[], widthMax: number): void {
  const total = () => drawn.reduce((sum, { width }) => sum + width + 2, -2)
  for (let excess = total() - widthMax; excess > 0; excess = total() - widthMax) {
    const texts = drawn.filter(({ column, width }) => column.right !== true && width > WIDTH_MIN)
    if (texts.length === 0) return
    const widest = texts.reduce((a, b) => (b.width > a.width ? b : a))
    const next = Math.max(WIDTH_MIN, ...texts.filter((text) => text !== widest).map(({ width }) => width))
    // Down to the next in width, or one below it where both are alike.
    widest.width = Math.max(WIDTH_MIN, widest.width - excess, Math.min(next, widest.width - 1))
  }
}

function width(text: string): number {
  return [...text].length
}

function pad(text: string, to: number, right = false): string {
  const space = ' '.repeat(Math.max(0, to - width(text)))
  return right ? space + text : text + space
}

function cut(text: string, most: number): string {
  const characters = [...text]
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`
}

const THOUSANDS = new Intl.NumberFormat('en')

export function number(value: number): string {
  return THOUSANDS.format(value)
}

/** `1 tunnel`, `2 tunnels`. */
export function counted(value: number, singular: string, plural = `${singular}s`): string {
  return `${number(value)} ${value === 1 ? singular : plural}`
}

export function bytes(value: number): string {
  if (value < 1000) return `${value} B`
  const units = ['kB', 'MB', 'GB', 'TB', 'PB']
  let scaled = value / 1000
  let unit = 0
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000
    unit++
  }
  return `${scaled < 10 ? scaled.toFixed(1) : Math.round(scaled)} ${units[unit]}`
}

/** Nanoseconds, as events hold a duration. */
export function duration(nanoseconds: number): string {
  const milliseconds = nanoseconds / 1e6
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  const seconds = milliseconds / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`
}

/** `2026-11-01 12:34:56` of an ISO 8601 text, with milliseconds if asked. */
export function when(iso: string, milliseconds = false): string {
  return iso.slice(0, milliseconds ? 23 : 19).replace('T', ' ')
}

/** Writes a line to stdout; a reader that has had enough (`| head`) is no error. */
export function print(text: string): Promise<void> {
  return write(`${text}\n`)
}

/** Writes to stdout, as fast as it is read. In JSON on a terminal, what is unseen is written as an escape, which means the same. */
export async function write(text: string): Promise<void> {
  if (process.stdout.write(process.stdout.isTTY ? visible(text) : text)) return
  await new Promise<void>((resolve) => process.stdout.once('drain', resolve))
}

/** A line on stderr. */
export function warn(message: string): void {
  process.stderr.write(`borescope: ${printable(message)}\n`)
}
