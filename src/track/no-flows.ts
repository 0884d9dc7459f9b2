/** Nobody follows flows: what packets carry is left alone. */
import type { FlowSink } from './carrier-flows.ts'

export const NO_FLOWS: FlowSink = {
  size: 0,
  conversations: 0,
  suppressed: 0,
  carrierNamed() {},
  observe() {},
  prefetch() {},
  carrierClosed() {},
  expire: () => [],
  suspend() {},
}
