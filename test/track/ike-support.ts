/** Single messages of IKE, as they arrive in a datagram. */
import { Defragmenter } from '../../src/dissect/defragment.ts'
import { Dissector } from '../../src/dissect/dissector.ts'
import { Frame } from '../../src/dissect/frame.ts'
import type { Arrival } from '../../src/track/ike-exchange.ts'
import { LINKTYPE } from '../../src/wire/link.ts'
import { datagram } from '../support/craft.ts'
import { CLIENT, SERVER, START_US } from '../support/ike-tap.ts'

/** The message on its way between two hosts; from the client to the server unless told otherwise. */
export function arrival(message: Uint8Array, source = CLIENT, target = SERVER, port = 500): Arrival {
  const frame = new Frame()
  const bytes = datagram(message, { source, target, sourcePort: port, targetPort: port })
  const { length } = bytes
  Object.assign(frame, { bytes, start: 0, end: length, timeUs: START_US, linkType: LINKTYPE.ETHERNET })
  frame.originalLength = length
  new Dissector(new Defragmenter({ datagramsMax: 1, piecesMax: 1, timeoutSeconds: 1 }, () => undefined)).dissect(frame)
  return { frame, sourcePort: port, destinationPort: port, isTcp: false }
}
