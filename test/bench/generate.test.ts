import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { generateMix, type Mix } from './generate.ts'
import { walk } from './walk.ts'

const OPTIONS = { packets: 20_000, tunnels: 20, seed: 7 }

let folder = ''
let mix: Mix

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-mix-'))
  mix = generateMix(join(folder, 'mix.pcap'), OPTIONS)
})

afterAll(() => rmSync(folder, { recursive: true }))

function framesOf(path: string): Buffer[] {
  const bytes = readFileSync(path)
  const frames = []
  for (let at = 24; at < bytes.length; at += 16 + bytes.readUInt32LE(at + 8)) {
    frames.push(bytes.subarray(at + 16, at + 16 + bytes.readUInt32LE(at + 8)))
  }
  return frames
}

test('the file is as long as its packets say, and no two packets are equal', () => {
  const frames = framesOf(mix.path)
  expect(frames).toHaveLength(OPTIONS.packets)
  expect(24 + frames.reduce((bytes, frame) => bytes + 16 + frame.length, 0)).toBe(mix.bytes)
  expect(new Set(frames.map((frame) => frame.toString('latin1'))).size).toBe(frames.length)
})

test('the same seed gives the same bytes, another seed others', () => {
  const again = generateMix(join(folder, 'again.pcap'), OPTIONS)
  expect(again.sha256).toBe(mix.sha256)
  expect(readFileSync(again.path).equals(readFileSync(mix.path))).toBe(true)
  expect(generateMix(join(folder, 'other.pcap'), { ...OPTIONS, seed: 8 }).sha256).not.toBe(mix.sha256)
})

test('the mix has the shares it promises', () => {
  const frames = framesOf(mix.path)
  const isL2tp = (frame: Buffer) =>
    frame.readUInt16BE(12) === 0x0800 &&
    frame[23] === 17 &&
    (frame.readUInt16BE(34) === 1701 || frame.readUInt16BE(36) === 1701)
  const l2tp = frames.filter(isL2tp)
  const data = l2tp.filter((frame) => (frame[42] & 0x80) === 0)
  expect(l2tp).toHaveLength(mix.l2tp)
  expect(1 - l2tp.length / frames.length).toBeCloseTo(0.05, 1)
  expect(data.length / l2tp.length).toBeGreaterThan(0.95)
  const mean = frames.reduce((bytes, frame) => bytes + frame.length, 0) / frames.length
  expect(Math.abs(mean - 370)).toBeLessThan(40)
  expect(new Set(data.map((frame) => frame.readUInt16BE(42))).size).toBeGreaterThan(1)
})

test('the walk counts every packet, and the L2TP packets by their tunnel numbers', () => {
  const seen = walk(mix.path)
  expect(seen).toMatchObject({ packets: mix.packets, l2tp: mix.l2tp, bytes: mix.bytes - 24 - 16 * mix.packets })
  expect(seen.tunnels).toBeGreaterThanOrEqual(2 * OPTIONS.tunnels)
})

test('a number of tunnels that the servers cannot tell apart is refused', () => {
  expect(() => generateMix(join(folder, 'no.pcap'), { tunnels: 20_001 })).toThrow('tunnels: 1 to 20000')
})
