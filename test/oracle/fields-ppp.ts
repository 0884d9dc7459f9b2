/** The oracle's names for PPTP, GRE and PPPoE, and how what Borescope dissected reads under them. */
import type { Layer } from '../../src/dissect/layer.ts'

type Add = (name: string, value: unknown) => void
type Names = Readonly<Record<string, string>>

export const NEIGHBOUR_FIELDS = {
  'pppoe.version': 'number',
  'pppoe.type': 'number',
  'pppoe.code': 'number',
  'pppoe.session_id': 'number',
  'pppoe.payload_length': 'number',
  'pppoed.tags.service_name': 'text',
  'pppoed.tags.ac_name': 'text',
  'pppoed.tags.host_uniq': 'octets',
  'pppoed.tags.ac_cookie': 'octets',
  'pppoed.tags.vendor_id': 'number',
  'pppoed.tags.vendor_unspecified': 'octets',
  'pppoed.tags.circuit_id': 'text',
  'pppoed.tags.remote_id': 'text',
  'pppoed.tags.act_data_rate_up': 'number',
  'pppoed.tags.act_data_rate_down': 'number',
  'pppoed.tags.min_data_rate_up': 'number',
  'pppoed.tags.min_data_rate_down': 'number',
  'pppoed.tags.attainable_data_rate_up': 'number',
  'pppoed.tags.attainable_data_rate_down': 'number',
  'pppoed.tags.max_data_rate_up': 'number',
  'pppoed.tags.max_data_rate_down': 'number',
  'pppoed.tags.min_data_rate_up_lp': 'number',
  'pppoed.tags.min_data_rate_down_lp': 'number',
  'pppoed.tags.max_int_delay_up': 'number',
  'pppoed.tags.act_int_delay_up': 'number',
  'pppoed.tags.max_int_delay_down': 'number',
  'pppoed.tags.act_int_delay_down': 'number',
  'pppoed.tags.access_loop_encap.data_link': 'number',
  'pppoed.tags.access_loop_encap.encap_1': 'number',
  'pppoed.tags.access_loop_encap.encap_2': 'number',
  'pppoed.tags.credits.fcn': 'number',
  'pppoed.tags.credits.bcn': 'number',
  'pppoed.tags.metrics.r': 'number',
  'pppoed.tags.metrics.mdr_units': 'number',
  'pppoed.tags.metrics.cdr_units': 'number',
  'pppoed.tags.metrics.rlq': 'number',
  'pppoed.tags.metrics.resource': 'number',
  'pppoed.tags.metrics.latency': 'number',
  'pppoed.tags.metrics.curr_drate': 'number',
  'pppoed.tags.metrics.max_drate': 'number',
  'pppoed.tags.seq_num': 'number',
  'pppoed.tags.credit_scale': 'number',
  'pppoed.tags.relay_session_id': 'octets',
  'pppoed.tags.hurl': 'text',
  'pppoed.tags.motm': 'text',
  'pppoed.tags.max_payload': 'octets',
  'pppoed.tags.ip_route_add': 'octets',
  'pppoed.tags.service_name_error': 'text',
  'pppoed.tags.ac_system_error': 'text',
  'pppoed.tags.generic_error': 'text',
  'pppoed.tag': 'number',
  'pppoed.tag_length': 'number',
  'pppoed.tag.unknown_data': 'octets',
  'pppoes.tags.credits.fcn': 'number',
  'pppoes.tags.credits.bcn': 'number',
  'gre.flags_and_version': 'number',
  'gre.flags.version': 'number',
  'gre.proto': 'number',
  'gre.checksum': 'number',
  'gre.key': 'number',
  'gre.key.payload_length': 'number',
  'gre.key.call_id': 'number',
  'gre.sequence_number': 'number',
  'gre.ack_number': 'number',
  'gre.routing.address_family': 'number',
  'gre.routing.sre_offset': 'number',
  'gre.routing.src_length': 'number',
  'gre.routing.information': 'octets',
  'pptp.length': 'number',
  'pptp.type': 'number',
  'pptp.control_message_type': 'number',
  'pptp.protocol_version': 'number',
  'pptp.framing_capabilities': 'number',
  'pptp.bearer_capabilities': 'number',
  'pptp.maximum_channels': 'number',
  'pptp.firmware_revision': 'number',
  'pptp.host_name': 'text',
  'pptp.vendor_name': 'text',
  'pptp.control_result': 'number',
  'pptp.error': 'number',
  'pptp.reason': 'number',
  'pptp.stop_result': 'number',
  'pptp.identifier': 'number',
  'pptp.echo_result': 'number',
  'pptp.call_id': 'number',
  'pptp.call_serial_number': 'number',
  'pptp.minimum_bps': 'number',
  'pptp.maximum_bps': 'number',
  'pptp.framing_type': 'number',
  'pptp.bearer_type': 'number',
  'pptp.packet_receive_window_size': 'number',
  'pptp.packet_processing_delay': 'number',
  'pptp.phone_number_length': 'number',
  'pptp.phone_number': 'text',
  'pptp.subaddress': 'text',
  'pptp.peer_call_id': 'number',
  'pptp.out_result': 'number',
  'pptp.cause': 'number',
  'pptp.connect_speed': 'number',
  'pptp.physical_channel_id': 'number',
  'pptp.dialed_number_length': 'number',
  'pptp.dialed_number': 'text',
  'pptp.dialing_number_length': 'number',
  'pptp.dialing_number': 'text',
  'pptp.in_result': 'number',
  'pptp.disc_result': 'number',
  'pptp.call_Statistics': 'text',
  'pptp.crc_errors': 'number',
  'pptp.framing_errors': 'number',
  'pptp.hardware_overruns': 'number',
  'pptp.buffer_overruns': 'number',
  'pptp.timeout_errors': 'number',
  'pptp.alignment_errors': 'number',
  'pptp.send_accm': 'number',
  'pptp.receive_accm': 'number',
} as const

export const NEIGHBOURS_PASSED_OVER: readonly { readonly names: RegExp; readonly reason: string }[] = [
  {
    names: /^pppoed\.(tags|tags\.vendorspecific\.tags|tags\.access_loop_encap)$|^pppoes\.tags$|^gre\.routing$/,
    reason: 'headings; their parts are compared',
  },
  { names: /^gre\.flags\./, reason: 'bits of a field that is compared' },
  { names: /^gre\.(checksum\.status|checksum\.incorrect)$|^pppoe\.payload_length\.bad$/, reason: 'opinions' },
  { names: /^gre\.offset$/, reason: 'where a router on the way reads the routes' },
  { names: /^pptp\.(magic_cookie|reserved)$/, reason: 'fixed values: others are a flaw or a finding' },
]

function add(layer: Readonly<Record<string, unknown>>, names: Names, entry: Add): void {
  for (const [name, ours] of Object.entries(names)) entry(name, layer[ours])
}

// --- PPTP

const PPTP: Names = {
  'pptp.length': 'length',
  'pptp.type': 'messageType',
  'pptp.control_message_type': 'controlType',
  'pptp.maximum_channels': 'maximumChannels',
  'pptp.firmware_revision': 'firmwareRevision',
  'pptp.host_name': 'hostName',
  'pptp.vendor_name': 'vendorName',
  'pptp.error': 'errorCode',
  'pptp.reason': 'reason',
  'pptp.identifier': 'identifier',
  'pptp.call_id': 'callId',
  'pptp.call_serial_number': 'callSerialNumber',
  'pptp.minimum_bps': 'minimumBps',
  'pptp.maximum_bps': 'maximumBps',
  'pptp.packet_receive_window_size': 'receiveWindowSize',
  'pptp.packet_processing_delay': 'processingDelay',
  'pptp.phone_number_length': 'phoneNumberLength',
  'pptp.phone_number': 'phoneNumber',
  'pptp.subaddress': 'subaddress',
  'pptp.peer_call_id': 'peerCallId',
  'pptp.cause': 'causeCode',
  'pptp.connect_speed': 'connectSpeed',
  'pptp.physical_channel_id': 'physicalChannelId',
  'pptp.dialed_number_length': 'dialedNumberLength',
  'pptp.dialed_number': 'dialedNumber',
  'pptp.dialing_number_length': 'dialingNumberLength',
  'pptp.dialing_number': 'dialingNumber',
  'pptp.call_Statistics': 'callStatistics',
  'pptp.crc_errors': 'crcErrors',
  'pptp.framing_errors': 'framingErrors',
  'pptp.hardware_overruns': 'hardwareOverruns',
  'pptp.buffer_overruns': 'bufferOverruns',
  'pptp.timeout_errors': 'timeoutErrors',
  'pptp.alignment_errors': 'alignmentErrors',
  'pptp.send_accm': 'sendAccm',
  'pptp.receive_accm': 'receiveAccm',
}

const RESULTS: Readonly<Record<number, string>> = {
  2: 'pptp.control_result',
  4: 'pptp.stop_result',
  6: 'pptp.echo_result',
  8: 'pptp.out_result',
  10: 'pptp.in_result',
  13: 'pptp.disc_result',
}

export function addPptp(layer: Layer, entry: Add): void {
  add(layer, PPTP, entry)
  entry(RESULTS[layer['controlType'] as number] ?? '', layer['resultCode'])
  const [major, minor] = String(layer['protocolVersion'] ?? '').split('.')
  if (minor !== undefined) entry('pptp.protocol_version', Number(major) * 256 + Number(minor))
  entry('pptp.framing_capabilities', bits(layer['framingCapabilities'], ['asynchronous', 'synchronous']))
  entry('pptp.framing_type', bits(layer['framingType'], ['asynchronous', 'synchronous']))
  entry('pptp.bearer_capabilities', bits(layer['bearerCapabilities'], ['analog', 'digital']))
  entry('pptp.bearer_type', bits(layer['bearerType'], ['analog', 'digital']))
}

function bits(set: unknown, names: readonly string[]): number | undefined {
  if (set === undefined) return undefined
  return names.reduce((sum, name, bit) => sum + ((set as readonly string[]).includes(name) ? 1 << bit : 0), 0)
}

// --- GRE

export function addGre(layer: Layer, entry: Add): void {
  add(
    layer,
    {
      'gre.flags_and_version': 'flags',
      'gre.flags.version': 'version',
      'gre.proto': 'protocol',
      'gre.checksum': 'checksum',
      'gre.key': 'key',
      'gre.key.payload_length': 'payloadLength',
      'gre.key.call_id': 'callId',
      'gre.sequence_number': 'sequence',
      'gre.ack_number': 'acknowledgement',
    },
    entry,
  )
  for (const route of (layer['routes'] as readonly Record<string, unknown>[] | undefined) ?? [])
    add(
      route,
      {
        'gre.routing.address_family': 'addressFamily',
        'gre.routing.sre_offset': 'offset',
        'gre.routing.src_length': 'length',
        'gre.routing.information': 'information',
      },
      entry,
    )
}

// --- PPPoE

const TAGS: Readonly<Record<number, string>> = {
  257: 'pppoed.tags.service_name',
  258: 'pppoed.tags.ac_name',
  259: 'pppoed.tags.host_uniq',
  260: 'pppoed.tags.ac_cookie',
  264: 'pppoed.tags.seq_num',
  265: 'pppoed.tags.credit_scale',
  272: 'pppoed.tags.relay_session_id',
  273: 'pppoed.tags.hurl',
  274: 'pppoed.tags.motm',
  513: 'pppoed.tags.service_name_error',
  514: 'pppoed.tags.ac_system_error',
  515: 'pppoed.tags.generic_error',
}
const LINE: Names = {
  agentCircuitId: 'circuit_id',
  agentRemoteId: 'remote_id',
  actualDataRateUpstream: 'act_data_rate_up',
  actualDataRateDownstream: 'act_data_rate_down',
  minimumDataRateUpstream: 'min_data_rate_up',
  minimumDataRateDownstream: 'min_data_rate_down',
  attainableDataRateUpstream: 'attainable_data_rate_up',
  attainableDataRateDownstream: 'attainable_data_rate_down',
  maximumDataRateUpstream: 'max_data_rate_up',
  maximumDataRateDownstream: 'max_data_rate_down',
  minimumDataRateUpstreamLowPower: 'min_data_rate_up_lp',
  minimumDataRateDownstreamLowPower: 'min_data_rate_down_lp',
  maximumInterleavingDelayUpstream: 'max_int_delay_up',
  actualInterleavingDelayUpstream: 'act_int_delay_up',
  maximumInterleavingDelayDownstream: 'max_int_delay_down',
  actualInterleavingDelayDownstream: 'act_int_delay_down',
}
const METRICS: Names = {
  'pppoed.tags.metrics.rlq': 'relativeLinkQuality',
  'pppoed.tags.metrics.resource': 'resources',
  'pppoed.tags.metrics.latency': 'latencyMs',
  'pppoed.tags.metrics.curr_drate': 'currentDataRate',
  'pppoed.tags.metrics.max_drate': 'maximumDataRate',
  'pppoed.tags.metrics.r': 'isReceiveOnly',
}
const UNITS = ['kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s']

export function addPppoe(layer: Layer, entry: Add): void {
  add(
    layer,
    {
      'pppoe.version': 'version',
      'pppoe.type': 'type',
      'pppoe.code': 'code',
      'pppoe.session_id': 'sessionId',
      'pppoe.payload_length': 'length',
      'pppoes.tags.credits.fcn': 'forwardCredit',
      'pppoes.tags.credits.bcn': 'backwardCredit',
    },
    entry,
  )
  for (const tag of (layer['tags'] as readonly Record<string, unknown>[] | undefined) ?? []) addTag(tag, entry)
}

function addTag(tag: Readonly<Record<string, unknown>>, entry: Add): void {
  const value = tag['value']
  switch (tag['type']) {
    case 261:
      entry('pppoed.tags.vendor_id', tag['vendorId'])
      entry('pppoed.tags.vendor_unspecified', value)
      for (const subtag of (tag['subtags'] as readonly Record<string, unknown>[] | undefined) ?? [])
        addLine(subtag, entry)
      break
    case 262:
      add(tag, { 'pppoed.tags.credits.fcn': 'forwardCredit', 'pppoed.tags.credits.bcn': 'backwardCredit' }, entry)
      break
    case 263:
      add(tag, METRICS, entry)
      entry('pppoed.tags.metrics.mdr_units', UNITS.indexOf(String(tag['maximumRateUnit'])))
      entry('pppoed.tags.metrics.cdr_units', UNITS.indexOf(String(tag['currentRateUnit'])))
      break
    case 288:
      entry('pppoed.tags.max_payload', (value as number).toString(16).padStart(4, '0'))
      break
    case 289:
      entry('pppoed.tags.ip_route_add', routeOctets(tag))
      break
    case 0:
      break
    default:
      addPlainTag(tag, entry)
  }
}

/** Of a tag that it does not know tshark shows the header too. */
function addPlainTag(tag: Readonly<Record<string, unknown>>, entry: Add): void {
  const name = TAGS[tag['type'] as number]
  if (name === undefined) add(tag, { 'pppoed.tag': 'type', 'pppoed.tag_length': 'length' }, entry)
  entry(name ?? 'pppoed.tag.unknown_data', tag['value'])
}

function addLine({ name, value }: Readonly<Record<string, unknown>>, entry: Add): void {
  if (name !== 'accessLoopEncapsulation') {
    entry(`pppoed.tags.${LINE[String(name)]}`, value)
    return
  }
  const [dataLink, first, second] = Buffer.from(String(value), 'hex')
  entry('pppoed.tags.access_loop_encap.data_link', dataLink)
  entry('pppoed.tags.access_loop_encap.encap_1', first)
  entry('pppoed.tags.access_loop_encap.encap_2', second)
}

function routeOctets(tag: Readonly<Record<string, unknown>>): string {
  const addresses = ['destination', 'netmask', 'gateway'].flatMap((name) => String(tag[name]).split('.').map(Number))
  const metric = (tag['metric'] as number).toString(16).padStart(8, '0')
  return Buffer.from(addresses).toString('hex') + metric
}
