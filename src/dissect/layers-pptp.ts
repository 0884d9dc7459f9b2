/** The layers of a TCP segment on the port of PPTP: the messages of the control connection that stand in it. */
import { describePptp, PPTP_HEADER_LENGTH, PptpCursor } from '../wire/pptp.ts'
import type { Layer, Window } from './layer.ts'

/** More messages than this in one segment are an attack. */
const MESSAGES_MAX = 16

/**
 * Empty when the segment begins in the middle of a message, or with something else. A message that goes on in another segment
 * is told as far as it stands here.
 */
export function pptpLayers({ bytes, start, end, wireEnd }: Window): Layer[] {
  const layers: Layer[] = []
  const cursor = new PptpCursor().over(bytes, start, end)
  while (layers.length < MESSAGES_MAX && cursor.next()) {
    const { messageFlaw } = cursor
    layers.push({
      layer: 'pptp',
      ...describePptp(cursor.view),
      ...(messageFlaw === null ? {} : { flaw: messageFlaw }),
    })
  }
  const { flaw, restStart, view } = cursor
  const available = end - restStart
  if (flaw === 'pptp.length' || flaw === 'pptp.message_type')
    layers.push({ layer: 'pptp', ...describePptp(view, end), flaw })
  else if (flaw === 'pptp.truncated' && available >= PPTP_HEADER_LENGTH) {
    const cut = wireEnd > end ? { isSnapped: true } : { isContinued: true }
    layers.push({ layer: 'pptp', ...describePptp(view, end), ...cut })
  } else if (layers.length > 0 && wireEnd > restStart) layers.push({ layer: 'data', length: wireEnd - restStart })
  return layers
}
