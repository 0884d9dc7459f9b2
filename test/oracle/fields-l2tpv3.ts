/** L2TPv3 under the oracle's names, and the options without which tshark cannot know how its data is laid out. */
import type { Layer } from '../../src/dissect/layer.ts'

type Add = (name: string, value: unknown) => void

/** Fields that only version 3 has. */
export const L2TPV3_FIELDS = {
  'l2tp.sid': 'number',
  'l2tp.ccid': 'number',
  'l2tp.res': 'number',
  'l2tp.cookie': 'octets',
  'l2tp.l2_spec_s': 'number',
  'l2tp.l2_spec_t': 'number',
  'l2tp.l2_spec_g': 'number',
  'l2tp.l2_spec_c': 'number',
  'l2tp.l2_spec_u': 'number',
  'l2tp.l2_spec_sequence': 'number',
  'l2tp.avp.circuit_status': 'number',
  'l2tp.avp.circuit_type': 'number',
  'l2tp.cisco.circuit_status': 'number',
  'l2tp.cisco.circuit_type': 'number',
  'l2tp.avp.csu.res': 'number',
  'l2tp.avp.csu.remote_session_id': 'number',
  'l2tp.avp.csu.current_tx_speed': 'number',
  'l2tp.avp.csu.current_rx_speed': 'number',
  'l2tp.avp.csu.current_tx_speed64': 'number',
  'l2tp.avp.csu.current_rx_speed64': 'number',
  'fr.dlci': 'number',
  'fr.cr': 'number',
  'fr.fecn': 'number',
  'fr.becn': 'number',
  'fr.de': 'number',
  'fr.control': 'number',
  'fr.nlpid': 'number',
  'chdlc.address': 'number',
  'chdlc.control': 'number',
  'chdlc.protocol': 'number',
} as const

const CSU_LENGTH_V3 = 26
const DEFAULT = 1
const ATM = 2

/** The header of either transport, and cookie and sublayer of data. */
export function addV3Header(layer: Layer, add: Add): void {
  const flags = layer['flags'] as number | undefined
  const isControl = layer['type'] === 'control'
  if (layer['transport'] === 'ip') add('l2tp.sid', layer['sessionId'] ?? 0)
  if (flags !== undefined) {
    add('l2tp.type', isControl)
    add('l2tp.length_bit', (flags & 0x4000) !== 0)
    add('l2tp.seq_bit', (flags & 0x0800) !== 0)
    add('l2tp.version', layer['version'])
  }
  if (isControl) {
    add('l2tp.length', layer['length'])
    add('l2tp.ccid', layer['controlConnectionId'])
    add('l2tp.Ns', layer['ns'])
    add('l2tp.Nr', layer['nr'])
    return
  }
  if (layer['transport'] === 'udp') {
    add('l2tp.res', 0)
    add('l2tp.sid', layer['sessionId'])
  }
  addV3Data(layer, add)
}

function addV3Data(layer: Layer, add: Add): void {
  add('l2tp.cookie', layer['cookie'])
  const sublayer = layer['sublayer']
  if (sublayer !== DEFAULT && sublayer !== ATM) return
  add('l2tp.l2_spec_s', layer['hasSequence'])
  if (sublayer === ATM) {
    add('l2tp.l2_spec_t', layer['isCell'])
    add('l2tp.l2_spec_g', layer['isCongested'])
    add('l2tp.l2_spec_c', layer['isLossPriority'])
    add('l2tp.l2_spec_u', layer['commandResponse'])
  }
  add('l2tp.l2_spec_sequence', layer['sequence'])
}

export function addFrameRelay(layer: Layer, add: Add): void {
  add('fr.cr', layer['commandResponse'])
  add('fr.fecn', layer['fecn'])
  add('fr.becn', layer['becn'])
  add('fr.de', layer['discardEligible'])
  add('fr.dlci', layer['dlci'])
  add('fr.control', layer['control'])
  add('fr.nlpid', layer['nlpid'])
}

/** Values with a structure of their own, of an AVP so long; false if the attribute is none of these. */
export function addV3Attribute(type: number, value: unknown, length: number, add: Add): boolean {
  if (type === 71) {
    addCircuit('l2tp.avp', value as readonly string[], add)
    return true
  }
  if (type !== 97) return false
  const update = value as Readonly<Record<string, number>>
  const { updatedSessionId, currentTxSpeed, currentRxSpeed } = update
  if (length < CSU_LENGTH_V3) {
    add('l2tp.avp.csu.res', 0)
    add('l2tp.avp.csu.remote_session_id', updatedSessionId)
    add('l2tp.avp.csu.current_tx_speed', currentTxSpeed)
    add('l2tp.avp.csu.current_rx_speed', currentRxSpeed)
  } else {
    // tshark names the session of version 3 as the reserved octets of version 2, in whose place it stands.
    add('l2tp.avp.csu.res', updatedSessionId)
    add('l2tp.avp.csu.current_tx_speed64', currentTxSpeed)
    add('l2tp.avp.csu.current_rx_speed64', currentRxSpeed)
  }
  return true
}

/** Circuit Status of the IETF or of Cisco: A and N. */
export function addCircuit(prefix: string, status: readonly string[], add: Add): void {
  add(`${prefix}.circuit_status`, status.includes('active'))
  add(`${prefix}.circuit_type`, status.includes('new'))
}

const COOKIES: Readonly<Record<number, string>> = { 0: 'None', 4: '4 Byte Cookie', 8: '8 Byte Cookie' }
const SUBLAYERS: Readonly<Record<number, string>> = { 0: 'None', 1: 'Default L2-Specific', 2: 'ATM-Specific' }
const DISSECTORS: Readonly<Record<number, string>> = {
  1: 'fr',
  2: 'l2tp',
  4: 'eth',
  5: 'eth',
  6: 'chdlc',
  7: 'ppp',
  11: 'ip',
}
const PORT = 1701

/**
 * The options with which tshark reads a packet of L2TPv3 as its session is laid out; null for a packet without. Packets
 * with the same options can be asked about in one run.
 */
export function v3Options(layers: readonly Layer[]): readonly string[] | null {
  const at = layers.findIndex(({ layer }) => layer === 'l2tpv3')
  if (at === -1) return null
  const { cookieLength, sublayer, pseudowireType, layout, transport } = layers[at] as unknown as Record<string, number>
  const udp = layers.slice(0, at).findLast(({ layer }) => layer === 'udp')
  const ports = [udp?.['sourcePort'], udp?.['destinationPort']] as (number | undefined)[]
  const isElsewhere = String(transport) === 'udp' && !ports.includes(PORT)
  const options = isElsewhere ? ['-d', `udp.port==${ports[1]},l2tp`] : []
  if (String(layout) !== 'inferred') return isElsewhere ? options : null
  return [
    ...options,
    '-o',
    `l2tp.cookie_size:${COOKIES[cookieLength]}`,
    '-o',
    `l2tp.l2_specific:${SUBLAYERS[sublayer]}`,
    '-d',
    `l2tp.pw_type==0,${DISSECTORS[pseudowireType]}`,
  ]
}
