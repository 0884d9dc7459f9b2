import { expect, test } from 'vitest'
import { FLOW_PAIRS, FlowWords } from '../../src/evidence/flow-words.ts'
import { nameOf, type Thing, thingOf } from '../../src/evidence/things.ts'
import { flowUidIn } from '../../src/track/flow-name.ts'
import { FIRST_IS_LOW, FlowRecord, IS_IPV6 } from '../../src/track/flow-record.ts'

const CARRIER = 's-0123456789ab'

function record(state: number, length: 4 | 16): FlowRecord {
  const flow = new FlowRecord()
  flow.kind = length === 4 ? 6 : 17 | IS_IPV6
  // The highest bit as well: states are signed, words are not.
  flow.state = state | (3 << 30)
  flow.ports = (40_000 << 16) | 443
  flow.low = Uint8Array.from({ length }, (_, i) => i + 1)
  flow.high = Uint8Array.from({ length }, (_, i) => 255 - i)
  flow.firstUs = 1_760_000_000_123_456.5
  return flow
}

test('a flow that is told in words has the name that events give it', () => {
  const ours = new FlowWords()
  const theirs = new FlowWords()
  const told = new Uint32Array(6 + FLOW_PAIRS * 2)
  const names = new Set<string>()
  for (const length of [16, 4] as const) {
    for (const state of [0, FIRST_IS_LOW]) {
      const flow = record(state, length)
      ours.set(thingOf(CARRIER) as Thing, flow)
      told.set(ours.words, 6)
      const name = nameOf(theirs.thingAt(told, 6))
      expect(name).toBe(flowUidIn(CARRIER, flow))
      names.add(name)
    }
  }
  expect(names.size).toBe(4)
})
