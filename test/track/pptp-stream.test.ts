import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isPptpStart, PptpStream, type PptpStreamFinding } from '../../src/track/pptp-stream.ts'
import { concat, utf8 } from '../support/craft.ts'
import { echoReply, echoRequest, everyPptpMessage, pptpControl, startReply, stopRequest } from '../support/pptp.ts'

class Bench {
  readonly stream = new PptpStream()
  readonly names: string[] = []
  readonly findings: (PptpStreamFinding | null)[] = []

  push(sequence: number, bytes: Uint8Array, missing = 0): this {
    const finding = this.stream.push(sequence, bytes, 0, bytes.length, missing, ({ messageName }, flaw) =>
      this.names.push(flaw ?? messageName),
    )
    if (finding !== null) this.findings.push(finding)
    return this
  }
}

const REQUEST = 'Echo-Request'
const REPLY = 'Echo-Reply'
const STOP = 'Stop-Control-Connection-Request'

test('messages come out in order, however they are cut', () => {
  const messages = everyPptpMessage()
  const whole = concat(...messages)
  fc.assert(
    fc.property(fc.array(fc.nat(whole.length), { maxLength: 40 }), fc.nat(0xffff_ffff), (cuts, base) => {
      const bench = new Bench()
      const edges = [12, ...cuts.filter((cut) => cut > 12)].toSorted((a, b) => a - b)
      let from = 0
      for (const to of [...edges, whole.length]) {
        bench.push((base + from) >>> 0, whole.subarray(from, to))
        from = to
      }
      expect(bench.names).toHaveLength(messages.length)
      expect(bench.findings).toEqual([])
    }),
    { seed: 1723, numRuns: 200 },
  )
})

test('what comes again is passed over, also in part', () => {
  const bench = new Bench().push(100, echoRequest(1)).push(100, echoRequest(1))
  bench.push(100, concat(echoRequest(9), echoReply(1)))
  expect(bench.names).toEqual([REQUEST, REPLY])
})

test('segments that overtook others wait', () => {
  const bench = new Bench().push(0, echoRequest(1))
  bench.push(36, stopRequest()).push(36, stopRequest()).push(16, echoReply(1))
  expect(bench.names).toEqual([REQUEST, REPLY, STOP])
  expect(bench.findings).toEqual([])
})

test('a segment that does not come is given up', () => {
  const bench = new Bench().push(0, echoRequest(1))
  for (let i = 0; i < 9; i++) bench.push(100 + i * 16, echoRequest(i))
  expect(bench.names).toHaveLength(10)
  expect(bench.findings).toEqual(['pptp.gap'])
  const lost = new Bench().push(0, echoRequest(1))
  for (let i = 0; i < 9; i++) lost.push(100 + i * 10, utf8('0123456789'))
  expect(lost.findings).toEqual(['pptp.gap'])
  expect(lost.push(999, stopRequest()).names).toEqual([REQUEST, STOP])
})

test('a stream begins where a message does, and goes on behind what is none', () => {
  const bench = new Bench().push(0, startReply().subarray(50)).push(106, echoRequest(1))
  expect(bench.names).toEqual([REQUEST])
  bench.push(122, utf8('SSH-2.0-something'))
  expect(bench.findings).toEqual(['pptp.magic'])
  bench.push(139, utf8('more of it, more of it')).push(500, stopRequest())
  expect(bench.names).toEqual([REQUEST, STOP])
})

test('a message of an unknown type is told, and the next one read', () => {
  const bench = new Bench().push(0, concat(pptpControl(99, new Uint8Array(4)), echoRequest(1)))
  expect(bench.names).toEqual(['pptp.control_type', REQUEST])
})

test('a segment far away is of another connection, unless it begins with a message', () => {
  const bench = new Bench().push(0, echoRequest(1)).push(0x4000_0000, utf8('not a message, not at all'))
  expect(bench.names).toEqual([REQUEST])
  bench.push(0x4000_0000, echoReply(1))
  expect(bench.names).toEqual([REQUEST, REPLY])
  expect(bench.findings).toEqual(['pptp.gap'])
})

test('of a segment that the capture cut the message is told as far as it stands', () => {
  const bench = new Bench().push(0, startReply().subarray(0, 60), 96).push(156, echoRequest(1))
  expect(bench.names).toEqual(['Start-Control-Connection-Reply', REQUEST])
  expect(new Bench().push(0, startReply().subarray(0, 12), 144).names).toEqual(['Start-Control-Connection-Reply'])
})

test('only a header tells a message', () => {
  expect(isPptpStart(echoRequest(1), 0, 11)).toBe(false)
  expect(isPptpStart(echoRequest(1), 0, 12)).toBe(true)
  expect(isPptpStart(pptpControl(5, new Uint8Array(4), { length: 15 }), 0, 16)).toBe(false)
})
