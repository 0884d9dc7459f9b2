import { describe, expect, test } from 'vitest'
import { Assembler } from '../../../src/capture/live/bpf.ts'
import { decodeProgram, runProgram } from '../../support/bpf.ts'

const run = (code: Assembler, ...packet: number[]) =>
  runProgram(decodeProgram(code.assemble()), Uint8Array.from(packet))

describe('instructions', () => {
  test('are encoded as struct sock_filter', () => {
    // What tcpdump -dd prints for the same.
    const program = decodeProgram(
      new Assembler()
        .setX(12)
        .half(2)
        .ifEqual(0x800, 'yes', 'no')
        .label('no')
        .keep(0)
        .label('yes')
        .keep(65_535)
        .assemble(),
    )
    expect(program).toEqual([
      { code: 0x01, jt: 0, jf: 0, k: 12 },
      { code: 0x48, jt: 0, jf: 0, k: 2 },
      { code: 0x15, jt: 1, jf: 0, k: 0x800 },
      { code: 0x06, jt: 0, jf: 0, k: 0 },
      { code: 0x06, jt: 0, jf: 0, k: 65_535 },
    ])
  })

  test('read bytes, halves and words at X, and refuse what is not there', () => {
    expect(run(new Assembler().setX(1).byte(1).ifEqual(3, 'yes').keep(0).label('yes').keep(1), 1, 2, 3)).toBe(1)
    expect(run(new Assembler().setX(1).half(0).ifEqual(0x0203, 'yes').keep(0).label('yes').keep(1), 1, 2, 3)).toBe(1)
    const word = () => new Assembler().setX(1).word(0).ifEqual(0x02030405, 'yes').keep(2).label('yes').keep(1)
    expect(run(word(), 1, 2, 3, 4, 5)).toBe(1)
    expect(run(word(), 1, 2, 3, 4)).toBe(0)
  })

  test('calculate', () => {
    // The length of an IPv4 header, added to X.
    const code = new Assembler().setX(1).byte(0).and(0x0f).shiftLeft(2).addX().aToX().byte(0)
    expect(run(code.ifEqual(9, 'yes').keep(0).label('yes').keep(1), 0, 0x41, 0, 0, 0, 9)).toBe(1)
    expect(
      run(new Assembler().setX(0).byte(0).shiftRight(4).ifEqual(4, 'yes').keep(0).label('yes').keep(1), 0x45),
    ).toBe(1)
    expect(
      run(new Assembler().setX(0).advance(2).byte(0).ifEqual(7, 'yes').keep(0).label('yes').keep(1), 0, 0, 7),
    ).toBe(1)
  })

  test('branch on equal, at least, and any bit', () => {
    const at = (code: Assembler, byte: number) => run(code.keep(0).label('yes').keep(1), byte)
    for (const [byte, equal, atLeast, bit] of [
      [4, 0, 0, 1],
      [5, 1, 1, 1],
      [6, 0, 1, 1],
      [8, 0, 1, 0],
    ]) {
      expect(at(new Assembler().setX(0).byte(0).ifEqual(5, 'yes'), byte)).toBe(equal)
      expect(at(new Assembler().setX(0).byte(0).ifAtLeast(5, 'yes'), byte)).toBe(atLeast)
      expect(at(new Assembler().setX(0).byte(0).ifAnyBit(4, 'yes'), byte)).toBe(bit)
    }
  })
})

describe('jumps', () => {
  /** Branches over so many instructions, on yes and on no. */
  const over = (count: number) => {
    const code = new Assembler().setX(0).byte(0).ifEqual(1, 'one', 'other')
    for (let i = 0; i < count; i++) code.keep(100)
    return code.label('other').keep(2).label('one').keep(1)
  }

  test.each([0, 1, 253, 254, 255, 256, 257, 600])('reach over %i instructions', (count) => {
    expect(run(over(count), 1)).toBe(1)
    expect(run(over(count), 0)).toBe(2)
  })

  test('go on past the jumps that help others', () => {
    const code = new Assembler().setX(0).byte(0).ifEqual(1, 'far').keep(3)
    for (let i = 0; i < 300; i++) code.keep(100)
    code.label('far').keep(1)
    expect(run(code, 1)).toBe(1)
    expect(run(code, 0)).toBe(3)
  })

  test('that lead backwards or nowhere are refused, as are programs that the kernel would not take', () => {
    expect(() => new Assembler().label('a').keep(0).goto('a').assemble()).toThrow(/a, which is not ahead/)
    expect(() => new Assembler().ifEqual(1, 'b').keep(0).assemble()).toThrow(/b, which is not ahead/)
    const long = new Assembler()
    for (let i = 0; i < 4097; i++) long.keep(0)
    expect(() => long.assemble()).toThrow(/4097 instructions is too long/)
  })
})
