/** Remote Desktop inside flows: who asks, and what protects the connection. After that TLS begins. */
import { describeRdp, looksLikeRdp, RDP_PORT, type RdpDescription, TpktView } from '../wire/rdp.ts'
import { CLIENT, DONE, type InnerFlow, type Side, type StreamProtocol, type StreamReader } from './inner-protocol.ts'
import { TLS } from './inner-tls.ts'

/** What is sent in TLS; RDP's own security goes on in the TPKTs. */
const IN_TLS = new Set(['TLS', 'CredSSP', 'CredSSP_EX', 'RDSTLS', 'RDSAAD'])

const view = new TpktView()

class Rdp implements StreamReader {
  readonly #flow: InnerFlow
  #request: RdpDescription | null = null
  #isTold = false

  constructor(flow: InnerFlow) {
    this.#flow = flow
  }

  read(side: Side, bytes: Uint8Array, start: number, end: number): number {
    const flaw = view.decode(bytes, start, end)
    if (flaw === 'rdp.truncated') return 0
    if (flaw !== null) {
      this.#flow.report(flaw, 'rdp', '')
      return DONE
    }
    if (!view.isWhole) return 0
    const told = describeRdp(view)
    if (side === CLIENT) {
      if (this.#request !== null) return DONE
      this.#request = told
      return view.packetEnd - start
    }
    this.#tell(told)
    if (!IN_TLS.has(told.negotiation?.selectedProtocol ?? '')) return DONE
    this.#flow.handOver(TLS)
    return view.packetEnd - start
  }

  gap(): boolean {
    return false
  }

  end(): void {
    if (this.#request !== null) this.#tell(undefined)
  }

  #tell(answer: RdpDescription | undefined): void {
    if (this.#isTold) return
    this.#isTold = true
    const { user, negotiation } = this.#request ?? {}
    const failure = answer?.negotiation?.failureName
    // Without an answer to its negotiation the server speaks the oldest protocol.
    const selected =
      answer === undefined || failure !== undefined ? undefined : (answer.negotiation?.selectedProtocol ?? 'RDP')
    const outcome = answer === undefined ? 'unknown' : failure === undefined ? 'success' : 'failure'
    this.#flow.tell(
      'rdp.requested',
      `Remote Desktop${user === undefined ? '' : ` as ${user}`}: ${failure ?? selected ?? 'no answer'}`,
      {
        'event.outcome': outcome,
        'event.reason': failure,
        'rdp.user': user,
        'rdp.requested_protocols': negotiation?.requestedProtocols,
        'rdp.selected_protocol': selected,
        'rdp.failure': failure,
      },
    )
  }
}

export const RDP: StreamProtocol = {
  name: 'rdp',
  recognise: (bytes, start, end, side, { serverPort }) => {
    if (side !== CLIENT) return 'no'
    const verdict = looksLikeRdp(bytes, start, end, serverPort === RDP_PORT)
    return verdict === undefined ? 'more' : verdict ? 'yes' : 'no'
  },
  open: (flow) => new Rdp(flow),
}
