/**
 * Draws what a command prints on a terminal as an SVG: `node scripts/picture.ts OUT.svg COMMAND…`. The README's picture is
 * made so: `npm run picture`.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'

const [out, program, ...options] = process.argv.slice(2)
const { stdout } = spawnSync(program, options, { encoding: 'utf8', env: { ...process.env, FORCE_COLOR: '1' } })

const COLOURS: Readonly<Record<number, string>> = {
  31: '#f47067',
  32: '#57ab5a',
  33: '#daaa3f',
  36: '#56d4dd',
  90: '#768390',
}
const LINE = 17
const CHARACTER = 7.85
const MARGIN = 16
const LINES_MAX = 64

interface Span {
  readonly text: string
  readonly colour: string | undefined
  readonly isBold: boolean
  readonly isDim: boolean
}

/** One line with SGR escape sequences, as spans of one look each. */
function spans(line: string): Span[] {
  const found: Span[] = []
  let colour: string | undefined
  let isBold = false
  let isDim = false
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is looked for
  for (const part of line.split(/(\u001b\[\d+m)/)) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: as above
    const code = /^\u001b\[(\d+)m$/.exec(part)
    if (code === null) {
      if (part !== '') found.push({ text: part, colour, isBold, isDim })
      continue
    }
    const number = Number(code[1])
    if (number === 1) isBold = true
    else if (number === 2) isDim = true
    else if (number === 22) isBold = isDim = false
    else if (number === 39) colour = undefined
    else colour = COLOURS[number]
  }
  return found
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

const lines = stdout.trimEnd().split('\n').slice(0, LINES_MAX).map(spans)
const columns = Math.max(...lines.map((line) => line.reduce((sum, { text }) => sum + [...text].length, 0)))
const width = Math.ceil(columns * CHARACTER + 2 * MARGIN)
const height = lines.length * LINE + 2 * MARGIN
const rows = lines.map((line, index) => {
  const drawn = line.map(({ text, colour, isBold, isDim }) => {
    const style = [
      colour === undefined ? '' : ` fill="${colour}"`,
      isBold ? ' font-weight="bold"' : '',
      isDim ? ' opacity="0.6"' : '',
    ].join('')
    return `<tspan${style}>${escaped(text)}</tspan>`
  })
  return `<text x="${MARGIN}" y="${MARGIN + (index + 1) * LINE - 4}" xml:space="preserve">${drawn.join('')}</text>`
})
writeFileSync(
  out,
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<rect width="100%" height="100%" rx="8" fill="#22272e"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13" fill="#adbac7">
${rows.join('\n')}
</g>
</svg>
`,
)
