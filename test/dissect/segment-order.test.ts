import { expect, test } from 'vitest'
import { SegmentOrder, type SegmentReader } from '../../src/dissect/segment-order.ts'
import { utf8 } from '../support/craft.ts'

/** A stream of words that begin with a capital letter; a digit is no word. */
class Words implements SegmentReader<'gap' | 'lost' | 'digit'> {
  readonly gap = 'gap'
  readonly lost = 'lost'
  readonly order = new SegmentOrder<'gap' | 'lost' | 'digit'>(this, { segmentsMax: 3, bytesMax: 20 })
  readonly findings: string[] = []
  /** What came, `|` where the stream was lost, `~` where it was cut. */
  text = ''

  push(sequence: number, words: string, missing?: number): this {
    const bytes = utf8(`..${words}.`)
    const finding = this.order.push(sequence, bytes, 2, bytes.length - 1, missing)
    if (finding !== null) this.findings.push(finding)
    return this
  }

  mayBegin(bytes: Uint8Array, start: number): boolean {
    return isCapital(bytes[start])
  }

  mayGoOn(bytes: Uint8Array, start: number): boolean {
    return isCapital(bytes[start]) && bytes[start] !== 0x58
  }

  append(bytes: Uint8Array, start: number, end: number): 'digit' | null {
    const words = Buffer.from(bytes.subarray(start, end)).toString()
    if (/\d/.test(words)) return 'digit'
    this.text += words
    return null
  }

  cut(): void {
    this.text += '~'
  }

  lose(): void {
    this.text += '|'
  }
}

const isCapital = (octet: number) => octet >= 0x41 && octet <= 0x5a

test('a stream that nobody saw begin begins where a message does', () => {
  const words = new Words().push(10, 'middle').push(16, 'One').push(19, 'Two')
  expect(words.text).toBe('OneTwo')
  expect(words.order.isInStep).toBe(true)
})

test('one whose beginning is known takes what comes there', () => {
  const words = new Words()
  words.order.begin(0xffff_fffe)
  expect(words.push(0xffff_fffe, 'abc').push(1, 'def').text).toBe('|abcdef')
})

test('of two versions of an octet the first counts, whichever came early', () => {
  const words = new Words().push(0, 'One').push(5, 'ee').push(5, 'EE').push(2, 'XYZW').push(0, 'never')
  expect(words.text).toBe('OneYZWe')
  expect(words.findings).toEqual([])
})

test('too many early segments, or too large ones, give the gap before them up', () => {
  const many = new Words().push(0, 'One').push(30, 'Four').push(10, 'two').push(20, 'Three').push(34, 'Five')
  expect(many.text).toBe('One|Three')
  expect(many.findings).toEqual(['gap'])
  expect(many.push(25, 'Again').text).toBe('One|ThreeAgainFourFive')
  const large = new Words().push(0, 'One').push(100, 'Twenty-one and a little')
  expect(large.text).toBe('One|Twenty-one and a little')
  expect(large.findings).toEqual(['gap'])
})

test('behind a gap the reader says where it may go on, and nowhere is a loss', () => {
  const words = new Words().push(0, 'One').push(10, 'X-ray').push(20, 'two').push(30, 'three').push(40, 'four')
  expect(words.text).toBe('One|')
  expect(words.findings).toEqual(['lost'])
  expect(words.order.isInStep).toBe(false)
  expect(words.push(50, 'five').push(60, 'Six').text).toBe('One|Six')
})

test('far away only a beginning is believed', () => {
  const words = new Words().push(0, 'One').push(0x4000_0000, 'far').push(3, 'Two')
  expect(words.text).toBe('OneTwo')
  expect(words.push(0x4000_0000, 'Far').text).toBe('OneTwo|Far')
  expect(words.findings).toEqual(['gap'])
})

test('a finding of the reader is a loss, and early segments go with it', () => {
  const words = new Words().push(0, 'One').push(6, 'Three').push(3, '222').push(11, 'four').push(15, 'Five')
  expect(words.text).toBe('One|Five')
  expect(words.findings).toEqual(['digit'])
})

test('a segment that the capture cut ends what can be followed, in its turn only', () => {
  const early = new Words().push(0, 'One').push(9, 'Three', 5).push(3, 'Secnd.')
  expect(early.text).toBe('OneSecnd.Three')
  expect(early.push(14, 'Fo', 2).push(18, 'five').push(22, 'Six').text).toBe('OneSecnd.ThreeFo~|Six')
})

test('without octets nothing happens', () => {
  expect(new Words().push(7, '').text).toBe('')
})
