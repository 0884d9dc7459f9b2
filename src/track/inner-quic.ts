/** QUIC inside flows: its name, and nothing more. */
import { quicVersion } from '../wire/quic.ts'
import type { DatagramProtocol, DatagramReader } from './inner-protocol.ts'

const NAMED: DatagramReader = {
  read: () => false,
  end: () => undefined,
}

export const QUIC: DatagramProtocol = {
  name: 'quic',
  recognise: (bytes, start, end) => quicVersion(bytes, start, end, end) !== null,
  open: () => NAMED,
}
