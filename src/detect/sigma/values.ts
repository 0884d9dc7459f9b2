/** What the modifiers of an item make of its values: places in a text, encodings, dashes. */
import type { DetectionItem } from './parse.ts'
import { anyDash, literalPattern, openEnd, openStart, type Pattern, plainText, writeDashes } from './pattern.ts'
import { SigmaError } from './problem.ts'

export const PLACES = ['contains', 'startswith', 'endswith'] as const
export const ENCODINGS = ['base64', 'base64offset', 'utf16', 'utf16le', 'utf16be', 'wide', 'windash'] as const

const ENCODED_VARIANTS_MAX = 625

/** Applies the modifiers that change a value, in the order in which they are written. Throws SigmaError. */
export function transform(item: DetectionItem, pattern: Pattern): readonly Pattern[] {
  let variants: readonly Pattern[] = [pattern]
  let bytes: Buffer[] | null = null
  for (const modifier of item.modifiers) {
    const encoding = UTF16[modifier]
    if (encoding !== undefined) {
      bytes = writeOut(item, modifier, variants).map(encoding)
      variants = bytes.map((encoded) => literalPattern(encoded.toString('latin1')))
    } else if (modifier === 'base64' || modifier === 'base64offset') {
      const plain: Buffer[] = bytes ?? writeOut(item, modifier, variants).map((text) => Buffer.from(text, 'utf8'))
      variants = plain
        .flatMap(modifier === 'base64' ? (part) => part.toString('base64') : base64Offsets)
        .map(literalPattern)
      bytes = null
    } else if (modifier === 'windash') variants = variants.map(anyDash)
    else if (modifier === 'startswith') variants = variants.map(openEnd)
    else if (modifier === 'endswith') variants = variants.map(openStart)
    else if (modifier === 'contains') variants = variants.map((variant) => openStart(openEnd(variant)))
  }
  // A keyword is looked for inside of the values.
  return item.field === null ? variants.map((variant) => openStart(openEnd(variant))) : variants
}

function writeOut(item: DetectionItem, modifier: string, variants: readonly Pattern[]): string[] {
  return variants.flatMap((variant) => {
    const written =
      writeDashes(variant, ENCODED_VARIANTS_MAX) ?? fail(item, 'windash makes too many variants to encode')
    return written.map((plain) => plainText(plain) ?? fail(item, `${modifier} cannot encode a value with wildcards`))
  })
}

const BYTE_ORDER_MARK = Buffer.of(0xff, 0xfe)
const littleEndian = (text: string): Buffer => Buffer.from(text, 'utf16le')

const UTF16: Readonly<Record<string, (text: string) => Buffer>> = {
  wide: littleEndian,
  utf16le: littleEndian,
  utf16be: (text) => littleEndian(text).swap16(),
  utf16: (text) => Buffer.concat([BYTE_ORDER_MARK, littleEndian(text)]),
}

/** What stays the same of the encoded value wherever it stands in a longer text: one form for each place modulo 3. */
function base64Offsets(bytes: Buffer): string[] {
  const forms: string[] = []
  for (let offset = 0; offset < 3; offset++) {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
    // The first characters hold bits of what stands before; the last ones, and the padding, of what comes behind.
    const from = [0, 2, 3][offset]
    const cut = [0, 3, 2][(bytes.length + offset) % 3]
    forms.push(encoded.slice(from, encoded.length - cut))
  }
  return forms
}

/** Refuses the rule of the item. */
export function fail(item: DetectionItem, message: string): never {
  throw new SigmaError(item.key, item.line, message)
}
