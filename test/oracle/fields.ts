/** The oracle's field names, and how what Borescope dissected reads under them. */
import type { Layer } from '../../src/dissect/layer.ts'
import { addAh, addEsp, ESP_FIELDS, ESP_PASSED_OVER } from './fields-esp.ts'
import { addCircuit, addFrameRelay, addV3Attribute, addV3Header, L2TPV3_FIELDS } from './fields-l2tpv3.ts'
import { addGre, addPppoe, addPptp, NEIGHBOUR_FIELDS, NEIGHBOURS_PASSED_OVER } from './fields-ppp.ts'
import type { OracleField } from './tshark.ts'

/**
 * How two spellings of a value become one. `number`: decimal or hexadecimal. `octets`: hex digits. `text`: the octets as UTF-8,
 * without the zeros that end C strings. `length`: only how many octets, of secrets. `shown`: as tshark shows it.
 * `either`: text if it is text, else octets.
 */
type Kind = 'number' | 'octets' | 'text' | 'length' | 'shown' | 'either' | 'present'

/** Every field that is compared. */
export const FIELDS: Readonly<Record<string, Kind>> = {
  // Link
  'eth.dst': 'shown',
  'eth.src': 'shown',
  'eth.type': 'number',
  'eth.len': 'number',
  'vlan.id': 'number',
  'vlan.priority': 'number',
  'vlan.dei': 'number',
  'vlan.etype': 'number',
  'ieee8021ad.priority': 'number',
  'ieee8021ad.dei': 'number',
  'ieee8021ad.id': 'number',
  'ieee8021ah.etype': 'number',
  'sll.pkttype': 'number',
  'sll.hatype': 'number',
  'sll.etype': 'number',
  ...NEIGHBOUR_FIELDS,
  'mpls.label': 'number',
  'mpls.exp': 'number',
  'mpls.bottom': 'number',
  'mpls.ttl': 'number',
  // IP and what it carries
  'ip.version': 'number',
  'ip.hdr_len': 'number',
  'ip.dsfield': 'number',
  'ip.len': 'number',
  'ip.id': 'number',
  'ip.flags.df': 'number',
  'ip.flags.mf': 'number',
  'ip.frag_offset': 'number',
  'ip.ttl': 'number',
  'ip.proto': 'number',
  'ip.checksum': 'number',
  'ip.src': 'shown',
  'ip.dst': 'shown',
  'ipv6.tclass': 'number',
  'ipv6.flow': 'number',
  'ipv6.plen': 'number',
  'ipv6.hlim': 'number',
  'ipv6.src': 'shown',
  'ipv6.dst': 'shown',
  'udp.srcport': 'number',
  'udp.dstport': 'number',
  'udp.length': 'number',
  'udp.checksum': 'number',
  'tcp.srcport': 'number',
  'tcp.dstport': 'number',
  'tcp.seq': 'number',
  'tcp.ack': 'number',
  'tcp.hdr_len': 'number',
  'tcp.window_size_value': 'number',
  'tcp.checksum': 'number',
  'tcp.len': 'number',
  'icmp.type': 'number',
  'icmp.code': 'number',
  'icmp.checksum': 'number',
  'icmp.ident': 'number',
  'icmp.seq': 'number',
  'icmpv6.type': 'number',
  'icmpv6.code': 'number',
  'icmpv6.checksum': 'number',
  'icmpv6.echo.identifier': 'number',
  'icmpv6.echo.sequence_number': 'number',
  ...ESP_FIELDS,
  // L2TP
  'l2tp.type': 'number',
  'l2tp.length_bit': 'number',
  'l2tp.seq_bit': 'number',
  'l2tp.offset_bit': 'number',
  'l2tp.priority': 'number',
  'l2tp.version': 'number',
  'l2tp.length': 'number',
  'l2tp.tunnel': 'number',
  'l2tp.session': 'number',
  'l2tp.Ns': 'number',
  'l2tp.Nr': 'number',
  'l2tp.offset': 'number',
  'l2tp.zero_length_body_message': 'present',
  'l2tp.avp.mandatory': 'number',
  'l2tp.avp.hidden': 'number',
  'l2tp.avp.length': 'number',
  'l2tp.avp.vendor_id': 'number',
  'l2tp.avp.type': 'number',
  'l2tp.avp.ciscotype': 'number',
  'l2tp.avp.ericssontype': 'number',
  'l2tp.avp.broadbandtype': 'number',
  'l2tp.avp.cablelabstype': 'number',
  'l2tp.avp.message_type': 'number',
  'l2tp.result_code': 'number',
  'l2tp.avp.error_code': 'number',
  'l2tp.avp.error_message': 'text',
  'l2tp.avp.protocol_version': 'number',
  'l2tp.avp.protocol_revision': 'number',
  'l2tp.avp.async_framing_supported': 'number',
  'l2tp.avp.sync_framing_supported': 'number',
  'l2tp.avp.analog_access_supported': 'number',
  'l2tp.avp.digital_access_supported': 'number',
  'l2tp.tie_breaker': 'octets',
  'l2tp.avp.firmware_revision': 'number',
  'l2tp.avp.host_name': 'text',
  'l2tp.avp.vendor_name': 'text',
  'l2tp.avp.assigned_tunnel_id': 'number',
  'l2tp.avp.receive_window_size': 'number',
  'l2tp.avp.chap_challenge': 'octets',
  'l2tp.avp.cause_code': 'number',
  'l2tp.avp.cause_msg': 'number',
  'l2tp.avp.advisory_msg': 'text',
  'l2tp.avp.chap_challenge_response': 'octets',
  'l2tp.avp.assigned_session_id': 'number',
  'l2tp.avp.call_serial_number': 'number',
  'l2tp.avp.minimum_bps': 'number',
  'l2tp.avp.maximum_bps': 'number',
  'l2tp.avp.analog_bearer_type': 'number',
  'l2tp.avp.digital_bearer_type': 'number',
  'l2tp.avp.async_framing_type': 'number',
  'l2tp.avp.sync_framing_type': 'number',
  'l2tp.avp.called_number': 'text',
  'l2tp.avp.calling_number': 'text',
  'l2tp.avp.sub_address': 'text',
  'l2tp.avp.connect_speed': 'number',
  'l2tp.avp.physical_channel': 'number',
  'l2tp.avp.initial_received_lcp_confreq': 'octets',
  'l2tp.avp.last_sent_lcp_confreq': 'octets',
  'l2tp.avp.last_received_lcp_confreq': 'octets',
  'l2tp.avp.proxy_authen_type': 'number',
  'l2tp.avp.proxy_authen_name': 'text',
  'l2tp.avp.proxy_authen_challenge': 'octets',
  'l2tp.avp.proxy_authen_id': 'number',
  'l2tp.avp.proxy_authen_response': 'length',
  'l2tp.avp.crc_errors': 'number',
  'l2tp.avp.framing_errors': 'number',
  'l2tp.avp.hardware_overruns': 'number',
  'l2tp.avp.buffer_overruns': 'number',
  'l2tp.avp.time_out_errors': 'number',
  'l2tp.avp.alignment_errors': 'number',
  'l2tp.avp.send_accm': 'number',
  'l2tp.avp.receive_accm': 'number',
  'l2tp.avp.random_vector': 'octets',
  'l2tp.avp.private_group_id': 'either',
  'l2tp.avp.rx_connect_speed': 'number',
  'l2tp.avp.disconnect_code': 'number',
  'l2tp.avp.control_protocol_number': 'number',
  'l2tp.avp.cause_code_direction': 'number',
  'l2tp.avp.cause_code_message': 'text',
  'l2tp.avp.message_digest': 'octets',
  'l2tp.avp.router_id': 'number',
  'l2tp.avp.assigned_control_conn_id': 'number',
  'l2tp.avp.pw_type': 'number',
  'l2tp.avp.local_session_id': 'number',
  'l2tp.avp.remote_session_id': 'number',
  'l2tp.avp.assigned_cookie': 'octets',
  'l2tp.avp.remote_end_id': 'either',
  'l2tp.avp.pseudowire_type': 'number',
  'l2tp.avp.layer2_specific_sublayer': 'number',
  'l2tp.avp.data_sequencing': 'number',
  'l2tp.avp.preferred_language': 'text',
  'l2tp.avp.nonce': 'octets',
  'l2tp.avp.tx_connect_speed_v3': 'number',
  'l2tp.avp.rx_connect_speed_v3': 'number',
  'l2tp.vendor_specific_avp_data': 'octets',
  'l2tp.cisco.assigned_control_connection_id': 'number',
  'l2tp.cisco.local_session_id': 'number',
  'l2tp.cisco.remote_session_id': 'number',
  'l2tp.cisco.assigned_cookie': 'octets',
  'l2tp.cisco.remote_end_id': 'either',
  'l2tp.cisco.pseudowire_type': 'number',
  'l2tp.cisco.pw_type': 'number',
  'l2tp.cisco.tie_breaker': 'octets',
  'l2tp.cisco.draft_avp_version': 'number',
  'l2tp.cisco.message_digest': 'octets',
  'l2tp.cisco.nonce': 'octets',
  'l2tp.cisco.interface_mtu': 'number',
  ...L2TPV3_FIELDS,
  // PPP
  'ppp.direction': 'number',
  'ppp.address': 'number',
  'ppp.control': 'number',
  'ppp.protocol': 'number',
  'ppp.code': 'number',
  'ppp.identifier': 'number',
  'ppp.length': 'number',
  'ppp.data': 'octets',
  'ppp.magic_number': 'number',
  'ppp.oui': 'octets',
  'ppp.kind': 'number',
  'mp.first': 'number',
  'mp.last': 'number',
  'mp.seq': 'number',
  'mp.sequence_num_cls': 'number',
  'vjc.change_mask': 'number',
  'vjc.connection_number': 'number',
  'vjc.checksum': 'number',
  'vjc.delta_window': 'number',
  'vjc.delta_ack': 'number',
  'vjc.delta_seq': 'number',
  'lcp.magic_number': 'number',
  'lcp.data': 'octets',
  'lcp.message': 'either',
  'lcp.rej_proto': 'number',
  'lcp.secs_remaining': 'number',
  'lcp.opt.type': 'number',
  'lcp.opt.length': 'number',
  'lcp.opt.mru': 'number',
  'lcp.opt.asyncmap': 'number',
  'lcp.opt.auth_protocol': 'number',
  'lcp.opt.algorithm': 'number',
  'lcp.opt.quality_protocol': 'number',
  'lcp.opt.reporting_period': 'number',
  'lcp.opt.magic_number': 'number',
  'lcp.opt.fcs_alternatives': 'number',
  'lcp.opt.maximum': 'number',
  'lcp.opt.window': 'number',
  'lcp.opt.operation': 'number',
  'lcp.opt.message': 'either',
  'lcp.opt.mrru': 'number',
  'lcp.opt.ep_disc_class': 'number',
  'lcp.opt.ip_address': 'shown',
  'lcp.opt.802_1_address': 'shown',
  'lcp.opt.magic_block': 'octets',
  'lcp.opt.psndn': 'either',
  'lcp.opt.data': 'either',
  'lcp.opt.link_discrim': 'number',
  'lcp.opt.oui': 'octets',
  'lcp.opt.kind': 'number',
  'lcp.opt.code': 'number',
  'lcp.opt.max_susp_classes': 'number',
  'lcp.opt.MIBenum': 'number',
  'lcp.opt.language_tag': 'text',
  'ipcp.opt.type': 'number',
  'ipcp.opt.length': 'number',
  'ipcp.opt.src_address': 'shown',
  'ipcp.opt.dst_address': 'shown',
  'ipcp.opt.ip_address': 'shown',
  'ipcp.opt.mobilenodehomeaddress': 'shown',
  'ipcp.opt.pri_dns_address': 'shown',
  'ipcp.opt.sec_dns_address': 'shown',
  'ipcp.opt.pri_nbns_address': 'shown',
  'ipcp.opt.sec_nbns_address': 'shown',
  'ipcp.opt.compress_proto': 'number',
  'ipcp.opt.max_slot_id': 'number',
  'ipcp.opt.comp_slot_id': 'number',
  'ipcp.opt.tcp_space': 'number',
  'ipcp.opt.non_tcp_space': 'number',
  'ipcp.opt.f_max_period': 'number',
  'ipcp.opt.f_max_time': 'number',
  'ipcp.opt.max_header': 'number',
  'ipcp.opt.max_cid': 'number',
  'ipcp.opt.mrru': 'number',
  'ipv6cp.opt.type': 'number',
  'ipv6cp.opt.length': 'number',
  'ipv6cp.interface_identifier': 'octets',
  'osinlcp.opt.type': 'number',
  'osinlcp.opt.length': 'number',
  'osinlcp.opt.alignment': 'number',
  'ccp.opt.type': 'number',
  'ccp.opt.length': 'number',
  'ccp.opt.supported_bits': 'number',
  'ccp.opt.supported_bits.h': 'number',
  'ccp.opt.supported_bits.m': 'number',
  'ccp.opt.supported_bits.s': 'number',
  'ccp.opt.supported_bits.l': 'number',
  'ccp.opt.supported_bits.c': 'number',
  'ccp.opt.window': 'number',
  'ccp.opt.method': 'number',
  'ccp.opt.chk': 'number',
  'ccp.opt.fe': 'number',
  'ccp.opt.p': 'number',
  'ccp.opt.History': 'number',
  'ccp.opt.contexts': 'number',
  'ccp.opt.vd.vers': 'number',
  'ccp.opt.vd.dict': 'number',
  'ccp.opt.history_count': 'number',
  'ccp.opt.check_mode': 'number',
  'ccp.opt.cm.check_mode': 'number',
  'cbcp.address': 'text',
  'bcp_bpdu.mac_type': 'number',
  'l2tp.broadband.actual_dr_up': 'number',
  'l2tp.broadband.actual_dr_down': 'number',
  'l2tp.broadband.minimum_dr_up': 'number',
  'l2tp.broadband.minimum_dr_down': 'number',
  'l2tp.broadband.attainable_dr_up': 'number',
  'l2tp.broadband.attainable_dr_down': 'number',
  'l2tp.broadband.maximum_dr_up': 'number',
  'l2tp.broadband.maximum_dr_down': 'number',
  'l2tp.broadband.minimum_dr_up_low_power': 'number',
  'l2tp.broadband.minimum_dr_down_low_power': 'number',
  'l2tp.broadband.maximum_interleaving_delay_up': 'number',
  'l2tp.broadband.actual_interleaving_delay_up': 'number',
  'l2tp.broadband.maximum_interleaving_delay_down': 'number',
  'l2tp.broadband.actual_interleaving_delay_down': 'number',
  'l2tp.broadband.ancp_access_line_type': 'number',
  'l2tp.broadband.iwf_session': 'number',
  'l2tp.broadband.agent_circuit_id': 'text',
  'l2tp.broadband.agent_remote_id': 'text',

  'ccp.opt.process_mode': 'number',
  'ccp.opt.oui': 'octets',
  'ccp.opt.subtype': 'number',
  'ccp.opt.data': 'octets',
  'cbcp.opt.type': 'number',
  'cbcp.opt.length': 'number',
  'cbcp.callback_delay': 'number',
  'bacp.opt.type': 'number',
  'bacp.opt.length': 'number',
  'bacp.magic_number': 'number',
  'bcp_ncp.lcp.opt.type': 'number',
  'bcp_ncp.lcp.opt.length': 'number',
  'bcp_ncp.lcp.mac_addres': 'shown',
  // Authentication
  'pap.code': 'number',
  'pap.identifier': 'number',
  'pap.length': 'number',
  'pap.peer_id.length': 'number',
  'pap.peer_id': 'text',
  'pap.password.length': 'number',
  'pap.password': 'length',
  'pap.message.length': 'number',
  'pap.message': 'text',
  'chap.code': 'number',
  'chap.identifier': 'number',
  'chap.length': 'number',
  'chap.value_size': 'number',
  'chap.value': 'octets',
  'chap.name': 'text',
  'chap.message': 'text',
  'eap.code': 'number',
  'eap.id': 'number',
  'eap.len': 'number',
  'eap.type': 'number',
  'eap.identity': 'text',
  'eap.notification': 'text',
  'eap.desired_type': 'number',
  'eap.md5.value_size': 'number',
  'eap.md5.value': 'octets',
  'eap.md5.extra_data': 'text',
  'eap.ms_chap_v2.opcode': 'number',
  'eap.ms_chap_v2.id': 'number',
  'eap.ms_chap_v2.challenge': 'octets',
  'eap.ms_chap_v2.peer_challenge': 'octets',
  'eap.ms_chap_v2.nt_response': 'octets',
  'eap.ms_chap_v2.flags': 'number',
  'eap.ms_chap_v2.name': 'text',
  'eap.ms_chap_v2.message': 'text',
  'eap.tls.flags.len_included': 'number',
  'eap.tls.flags.more_fragments': 'number',
  'eap.tls.flags.start': 'number',
  'eap.tls.len': 'number',
}

/** Fields of the compared protocols that hold nothing of their own, by why. */
export const PASSED_OVER: readonly { readonly names: RegExp; readonly reason: string }[] = [
  { names: /^$|^filtered$|^_ws\.|^data$/, reason: 'headings, opinions, and what -J leaves out' },
  ESP_PASSED_OVER,
  { names: /^(num|len|caplen|timestamp)$/, reason: 'the record of the capture' },
  {
    names: /^(eth|vlan|ieee8021a[dh]|sll|ip|ipv6|udp|tcp|icmp|icmpv6|mpls|frame|igmp|arp|pw|pwethcw)\./,
    reason: 'details of carriers beyond their headers (resolved names, streams, times, options, payloads as octets)',
  },
  {
    names: /^l2tp\.broadband\.access_loop_encapsulation|^l2tp\.(avp\.csu$|ericsson|cablel)/,
    reason: 'AVPs whose octets are told, not taken apart',
  },
  {
    names:
      /^(lcp\.opt\.(vendor|fcs_alternatives_bytes|self_desc_pad|numbered_mode|multilink_ssnh|link_discrim_bytes|multilink_hdr_fmt|internationalization)|ipcp\.opt\.mobileipv4|ccp\.opt_oui|ccp\.opt\.(predict1|predict2|cm|lzsdcp)|bcp_ncp\.opt\.\w+|bacp\.opt\.favored_peer|cbcp\.opt\.callback_\w+|cbcp\.address_type|eap\.tls\.flags|bcp_ncp\.lcp\.(mac_l|mac_addre))$/,
    reason: 'a whole option or its parts in another form; the parts are compared',
  },
  { names: /^eap\.ms_chap_v2\.(length|value_size|reserved)$/, reason: 'fixed values: others are a flaw' },
  { names: /^data\.|^l2tp\.offset_padding$/, reason: 'octets of the payload' },
  {
    names: /^vjc\.(compressed|no_direction|no_connection|no_connection_id|delta_ipid|special\.|change_mask\.)/,
    reason: 'opinions, bits of a field that is compared, and what tshark computes',
  },
  { names: /^l2tp\.flags$/, reason: 'its bits are compared one by one' },
  { names: /^l2tp\.l2_spec_(def|atm)$|^(fr|chdlc)\./, reason: 'headings, and parts of a field that is compared' },
  {
    names:
      /^(lcp\.opt\.(mtu_bytes|asyncmap_bytes|auth_protocol_bytes|auth_protocol|quality_protocol_bytes|magic_number_bytes|field_compress|addr_field_compress|callback|multilink_mrru|multilink_ep_disc)|ipcp\.opt\.(addr|addrs|compress|pri_dns|sec_dns|pri_nbns|sec_nbns)|ipv6cp\.opt\.interface_identifier|ccp\.opt\.(mppe|deflate|mvrca|bsdcomp|stac|vd)|osinlcp\.opt\.def_pid)$/,
    reason: 'a whole option; its parts are compared',
  },
  { names: /^lcp\.opt\.(asyncmap|fcs_alternatives|flags)\./, reason: 'bits of a field that is compared' },
  { names: /^ccp\.opt\.(mbz|supported_bits\.d|cm\.reserved)$/, reason: 'reserved bits' },
  { names: /^(chap|pap)\.data$/, reason: 'a heading; its parts are compared' },
  { names: /^eap\.(mitm_attacks|dictionary_attacks|retransmission|ms_chap_v2\.length\.invalid)$/, reason: 'opinions' },
  ...NEIGHBOURS_PASSED_OVER,
  { names: /^mp\.(frag|payload|fragments|sequence_num_reserved)$/, reason: 'a heading, or octets of the payload' },
  {
    names: /^mp\.(fragment|fragment\.count|reassembled\.length)$/,
    reason: 'how tshark put a frame together; what is in the frame is compared',
  },
]

/** A field of either side, in the common spelling. */
export interface Entry {
  readonly name: string
  readonly value: string
}

/** What tshark says, of the fields that are compared. */
export function entriesOfOracle(fields: readonly OracleField[]): Entry[] {
  const entries: Entry[] = []
  for (const { name, show, value } of fields) {
    const kind = FIELDS[name]
    // What tshark remembers of a session it shows in its data, too, where no octets are.
    if (kind === undefined || (name === 'l2tp.avp.pseudowire_type' && value === '')) continue
    // A field without octets says nothing that the length before it does not say.
    const spelt = oracleValue(kind, show, value)
    if (spelt !== '') entries.push({ name, value: spelt })
  }
  return entries
}

function oracleValue(kind: Kind, show: string, value: string): string {
  switch (kind) {
    case 'number':
      return show === 'True' ? '1' : show === 'False' ? '0' : BigInt(show === '' ? 0 : show).toString()
    case 'octets':
      return value
    case 'either':
      return readable(value)
    case 'text':
      return Buffer.from(value, 'hex').toString('utf8').replace(/\0+$/, '')
    case 'length':
      return String(value.length / 2)
    case 'present':
      return 'present'
    default:
      return show
  }
}

/** Octets, in hex digits, as text where they are text: how Borescope shows what may be either. */
function readable(octets: string): string {
  const words = Buffer.from(octets, 'hex').toString('utf8').replace(/\0+$/, '')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they tell octets from text
  return /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ufffd]/.test(words) || words === '' ? octets : words
}

/** What Borescope says, in the oracle's names. */
export function entriesOf(layers: readonly Layer[]): Entry[] {
  const entries = new Entries()
  for (const layer of layers) READERS[layer.layer]?.(layer, entries)
  return entries.list
}

class Entries {
  readonly list: Entry[] = []

  /** Adds a value in the common spelling; undefined is not there. */
  add(name: string, value: unknown): void {
    if (value === undefined || name === '') return
    const spelt = spell(FIELDS[name], value)
    if (spelt !== '') this.list.push({ name, value: spelt })
  }
}

function spell(kind: Kind | undefined, value: unknown): string {
  if (kind === 'number')
    return typeof value === 'boolean' ? String(Number(value)) : BigInt(value as string | number).toString()
  if (kind === 'present') return 'present'
  return String(value)
}

type Reader = (layer: Layer, entries: Entries) => void

/** Adds fields under other names, in their order. */
function renamed(names: Readonly<Record<string, string>>): Reader {
  return (layer, entries) => {
    for (const [name, ours] of Object.entries(names)) entries.add(name, layer[ours])
  }
}

const TCP: Reader = (layer, entries) => {
  renamed({
    'tcp.srcport': 'sourcePort',
    'tcp.dstport': 'destinationPort',
    'tcp.seq': 'sequence',
    'tcp.ack': 'acknowledgement',
    'tcp.hdr_len': 'headerLength',
    'tcp.window_size_value': 'window',
    'tcp.checksum': 'checksum',
  })(layer, entries)
  if (layer.quoted !== true && layer.flaw === undefined) entries.add('tcp.len', layer['payloadLength'])
}

const NCP: Reader = (layer, entries) => {
  renamed({ 'ppp.code': 'code', 'ppp.identifier': 'identifier', 'ppp.length': 'length' })(layer, entries)
  const code = layer['code']
  if (code === 5 || code === 6) entries.add('ppp.data', dataOf(layer))
}

/** Terminate messages, as octets. */
function dataOf(layer: Layer): string | undefined {
  if (typeof layer['message'] === 'string') return Buffer.from(layer['message']).toString('hex')
  if (typeof layer['rasError'] === 'number')
    return `${String(layer['magicNumber']).slice(2)}003ccd74${layer['rasError'].toString(16).padStart(8, '0')}`
  return typeof layer['data'] === 'string' ? layer['data'] : undefined
}

type Option = Readonly<Record<string, unknown>>

function optionReader(prefix: string, values: (option: Option, entries: Entries) => void): Reader {
  return (layer, entries) => {
    NCP(layer, entries)
    addOptions(prefix, layer['options'], entries, values)
  }
}

function addOptions(
  prefix: string,
  options: unknown,
  entries: Entries,
  values: (option: Option, entries: Entries) => void,
): void {
  for (const option of (options as readonly Option[] | undefined) ?? []) {
    entries.add(`${prefix}.type`, option['type'])
    entries.add(`${prefix}.length`, option['length'])
    values(option, entries)
  }
}

const LCP_SIMPLE: Readonly<Record<number, string>> = {
  1: 'lcp.opt.mru',
  2: 'lcp.opt.asyncmap',
  5: 'lcp.opt.magic_number',
  9: 'lcp.opt.fcs_alternatives',
  10: 'lcp.opt.maximum',
  17: 'lcp.opt.mrru',
  23: 'lcp.opt.link_discrim',
}
const ENDPOINT_FIELDS = [
  'lcp.opt.data',
  'lcp.opt.data',
  'lcp.opt.ip_address',
  'lcp.opt.802_1_address',
  'lcp.opt.magic_block',
  'lcp.opt.psndn',
]

function lcpOption(option: Option, entries: Entries): void {
  const type = option['type'] as number
  const simple = LCP_SIMPLE[type]
  if (simple !== undefined) entries.add(simple, option['value'])
  if (type === 3) {
    entries.add('lcp.opt.auth_protocol', option['protocol'])
    entries.add('lcp.opt.algorithm', option['algorithm'])
    if (typeof option['data'] === 'string') entries.add('lcp.opt.data', readable(option['data']))
  } else if (type === 4) {
    entries.add('lcp.opt.quality_protocol', option['protocol'])
    entries.add('lcp.opt.reporting_period', option['reportingPeriodCentiseconds'])
  } else if (type === 13) {
    entries.add('lcp.opt.operation', option['operation'])
    entries.add('lcp.opt.message', option['value'])
  } else if (type === 19) {
    entries.add('lcp.opt.ep_disc_class', option['classNumber'])
    const value = option['value']
    if (option['classNumber'] === 4) entries.add('lcp.opt.magic_block', value)
    if (option['classNumber'] !== 4)
      entries.add(ENDPOINT_FIELDS[option['classNumber'] as number] ?? 'lcp.opt.data', value)
    else for (const word of String(value).match(/.{8}/g) ?? []) entries.add('lcp.opt.magic_number', `0x${word}`)
  } else if (type === 0) {
    entries.add('lcp.opt.oui', option['oui'])
    entries.add('lcp.opt.kind', option['kind'])
    if (typeof option['data'] === 'string') entries.add('lcp.opt.data', readable(option['data']))
  } else if (type === 11) {
    entries.add('lcp.opt.window', option['window'])
  } else if (type === 27) {
    entries.add('lcp.opt.code', option['value'])
    entries.add('lcp.opt.max_susp_classes', option['classes'])
  } else if (type === 28) {
    entries.add('lcp.opt.MIBenum', option['mibEnum'])
    entries.add('lcp.opt.language_tag', option['language'])
  }
}

const IPCP_SIMPLE: Readonly<Record<number, string>> = {
  3: 'ipcp.opt.ip_address',
  4: 'ipcp.opt.mobilenodehomeaddress',
  129: 'ipcp.opt.pri_dns_address',
  130: 'ipcp.opt.pri_nbns_address',
  131: 'ipcp.opt.sec_dns_address',
  132: 'ipcp.opt.sec_nbns_address',
}
const IPCP_NAMED: Reader = renamed({
  'ipcp.opt.src_address': 'sourceAddress',
  'ipcp.opt.dst_address': 'destinationAddress',
  'ipcp.opt.compress_proto': 'protocol',
  'ipcp.opt.max_slot_id': 'maxSlotId',
  'ipcp.opt.comp_slot_id': 'compressSlotId',
  'ipcp.opt.tcp_space': 'tcpSpace',
  'ipcp.opt.non_tcp_space': 'nonTcpSpace',
  'ipcp.opt.f_max_period': 'fMaxPeriod',
  'ipcp.opt.f_max_time': 'fMaxTime',
  'ipcp.opt.max_cid': 'maxCid',
  'ipcp.opt.mrru': 'mrru',
  'ipcp.opt.max_header': 'maxHeader',
})

function ipcpOption(option: Option, entries: Entries): void {
  const simple = IPCP_SIMPLE[option['type'] as number]
  if (simple !== undefined) entries.add(simple, option['value'])
  IPCP_NAMED(option as Layer, entries)
}

function ccpOption(option: Option, entries: Entries): void {
  const type = option['type']
  if (type === 18) {
    const bits = Number(option['value'])
    entries.add('ccp.opt.supported_bits', option['value'])
    entries.add('ccp.opt.supported_bits.h', option['stateless'])
    entries.add('ccp.opt.supported_bits.m', (bits & 0x80) !== 0)
    entries.add('ccp.opt.supported_bits.s', (bits & 0x40) !== 0)
    entries.add('ccp.opt.supported_bits.l', (bits & 0x20) !== 0)
    entries.add('ccp.opt.supported_bits.c', option['mppc'])
  } else if (type === 26) {
    entries.add('ccp.opt.window', option['windowBits'] === undefined ? undefined : (option['windowBits'] as number) - 8)
    entries.add('ccp.opt.method', option['method'])
    entries.add('ccp.opt.chk', option['check'])
  } else if (type === 24) {
    renamed({
      'ccp.opt.fe': 'features',
      'ccp.opt.p': 'packetByPacket',
      'ccp.opt.History': 'historyCount',
      'ccp.opt.contexts': 'contexts',
    })(option as Layer, entries)
  } else if (type === 21) {
    renamed({ 'ccp.opt.vd.vers': 'version', 'ccp.opt.vd.dict': 'dictionaryBits' })(option as Layer, entries)
  } else if (type === 17 || type === 23) {
    renamed({
      'ccp.opt.history_count': 'historyCount',
      [type === 17 ? 'ccp.opt.cm.check_mode' : 'ccp.opt.check_mode']: 'checkMode',
      'ccp.opt.process_mode': 'processMode',
    })(option as Layer, entries)
  } else if (type === 0) {
    renamed({ 'ccp.opt.oui': 'oui', 'ccp.opt.subtype': 'kind', 'ccp.opt.data': 'data' })(option as Layer, entries)
  }
}

const EAP: Reader = (layer, entries) => {
  renamed({ 'eap.code': 'code', 'eap.id': 'identifier', 'eap.len': 'length', 'eap.type': 'type' })(layer, entries)
  const method = layer['method'] as (Layer & { readonly kind: string }) | undefined
  switch (method?.kind) {
    case 'identity-request':
      entries.add('eap.identity', method['message'] === '' ? undefined : method['message'])
      break
    case 'identity':
      entries.add('eap.identity', method['identity'])
      break
    case 'notification':
      entries.add('eap.notification', method['message'])
      break
    case 'nak':
      for (const { type } of method['desired'] as readonly { type: number }[]) entries.add('eap.desired_type', type)
      break
    case 'md5':
      renamed({ 'eap.md5.value_size': 'valueSize', 'eap.md5.value': 'value' })(method, entries)
      entries.add('eap.md5.extra_data', method['name'] === '' ? undefined : method['name'])
      break
    case 'mschapv2':
      renamed({
        'eap.ms_chap_v2.opcode': 'opCode',
        'eap.ms_chap_v2.id': 'msChapIdentifier',
        'eap.ms_chap_v2.challenge': 'challenge',
        'eap.ms_chap_v2.name': 'name',
        'eap.ms_chap_v2.message': 'message',
      })(method, entries)
      renamed({
        'eap.ms_chap_v2.peer_challenge': 'peerChallenge',
        'eap.ms_chap_v2.nt_response': 'ntResponse',
        'eap.ms_chap_v2.flags': 'flags',
      })((method['response'] ?? {}) as Layer, entries)
      break
    case 'tls':
      renamed({
        'eap.tls.flags.len_included': 'lengthIncluded',
        'eap.tls.flags.more_fragments': 'moreFragments',
        'eap.tls.flags.start': 'start',
        'eap.tls.len': 'tlsLength',
      })(method, entries)
      break
    default:
  }
}

/** Fields of simple AVPs of the IETF. */
const AVP_FIELDS: Readonly<Record<number, string>> = {
  0: 'l2tp.avp.message_type',
  5: 'l2tp.tie_breaker',
  6: 'l2tp.avp.firmware_revision',
  7: 'l2tp.avp.host_name',
  8: 'l2tp.avp.vendor_name',
  9: 'l2tp.avp.assigned_tunnel_id',
  10: 'l2tp.avp.receive_window_size',
  11: 'l2tp.avp.chap_challenge',
  13: 'l2tp.avp.chap_challenge_response',
  14: 'l2tp.avp.assigned_session_id',
  15: 'l2tp.avp.call_serial_number',
  16: 'l2tp.avp.minimum_bps',
  17: 'l2tp.avp.maximum_bps',
  21: 'l2tp.avp.called_number',
  22: 'l2tp.avp.calling_number',
  23: 'l2tp.avp.sub_address',
  24: 'l2tp.avp.connect_speed',
  25: 'l2tp.avp.physical_channel',
  26: 'l2tp.avp.initial_received_lcp_confreq',
  27: 'l2tp.avp.last_sent_lcp_confreq',
  28: 'l2tp.avp.last_received_lcp_confreq',
  29: 'l2tp.avp.proxy_authen_type',
  30: 'l2tp.avp.proxy_authen_name',
  31: 'l2tp.avp.proxy_authen_challenge',
  32: 'l2tp.avp.proxy_authen_id',
  33: 'l2tp.avp.proxy_authen_response',
  36: 'l2tp.avp.random_vector',
  37: 'l2tp.avp.private_group_id',
  38: 'l2tp.avp.rx_connect_speed',
  59: 'l2tp.avp.message_digest',
  60: 'l2tp.avp.router_id',
  61: 'l2tp.avp.assigned_control_conn_id',
  62: 'l2tp.avp.pw_type',
  63: 'l2tp.avp.local_session_id',
  64: 'l2tp.avp.remote_session_id',
  65: 'l2tp.avp.assigned_cookie',
  66: 'l2tp.avp.remote_end_id',
  68: 'l2tp.avp.pseudowire_type',
  69: 'l2tp.avp.layer2_specific_sublayer',
  70: 'l2tp.avp.data_sequencing',
  72: 'l2tp.avp.preferred_language',
  73: 'l2tp.avp.nonce',
  74: 'l2tp.avp.tx_connect_speed_v3',
  75: 'l2tp.avp.rx_connect_speed_v3',
}
const CISCO_FIELDS: Readonly<Record<number, string>> = {
  1: 'l2tp.cisco.assigned_control_connection_id',
  2: 'l2tp.cisco.pw_type',
  3: 'l2tp.cisco.local_session_id',
  4: 'l2tp.cisco.remote_session_id',
  5: 'l2tp.cisco.assigned_cookie',
  6: 'l2tp.cisco.remote_end_id',
  7: 'l2tp.cisco.pseudowire_type',
  9: 'l2tp.cisco.tie_breaker',
  10: 'l2tp.cisco.draft_avp_version',
  12: 'l2tp.cisco.message_digest',
  13: 'l2tp.cisco.nonce',
  14: 'l2tp.cisco.interface_mtu',
}
const BROADBAND_FIELDS: Readonly<Record<number, string>> = {
  1: 'l2tp.broadband.agent_circuit_id',
  2: 'l2tp.broadband.agent_remote_id',
  129: 'l2tp.broadband.actual_dr_up',
  130: 'l2tp.broadband.actual_dr_down',
  131: 'l2tp.broadband.minimum_dr_up',
  132: 'l2tp.broadband.minimum_dr_down',
  133: 'l2tp.broadband.attainable_dr_up',
  134: 'l2tp.broadband.attainable_dr_down',
  135: 'l2tp.broadband.maximum_dr_up',
  136: 'l2tp.broadband.maximum_dr_down',
  137: 'l2tp.broadband.minimum_dr_up_low_power',
  138: 'l2tp.broadband.minimum_dr_down_low_power',
  139: 'l2tp.broadband.maximum_interleaving_delay_up',
  140: 'l2tp.broadband.actual_interleaving_delay_up',
  141: 'l2tp.broadband.maximum_interleaving_delay_down',
  142: 'l2tp.broadband.actual_interleaving_delay_down',
  145: 'l2tp.broadband.ancp_access_line_type',
  254: 'l2tp.broadband.iwf_session',
}
const VENDOR_TYPES: Readonly<Record<number, string>> = {
  9: 'l2tp.avp.ciscotype',
  193: 'l2tp.avp.ericssontype',
  3561: 'l2tp.avp.broadbandtype',
  4491: 'l2tp.avp.cablelabstype',
}

const AVP_RECORDS = renamed({
  'l2tp.result_code': 'resultCode',
  'l2tp.avp.error_code': 'errorCode',
  'l2tp.avp.error_message': 'errorMessage',
  'l2tp.avp.cause_code': 'q931Cause',
  'l2tp.avp.cause_msg': 'q931Message',
  'l2tp.avp.advisory_msg': 'q931Advisory',
  'l2tp.avp.crc_errors': 'crcErrors',
  'l2tp.avp.framing_errors': 'framingErrors',
  'l2tp.avp.hardware_overruns': 'hardwareOverruns',
  'l2tp.avp.buffer_overruns': 'bufferOverruns',
  'l2tp.avp.time_out_errors': 'timeoutErrors',
  'l2tp.avp.alignment_errors': 'alignmentErrors',
  'l2tp.avp.send_accm': 'sendAccm',
  'l2tp.avp.receive_accm': 'receiveAccm',
  'l2tp.avp.disconnect_code': 'disconnectCode',
  'l2tp.avp.control_protocol_number': 'disconnectProtocol',
  'l2tp.avp.cause_code_direction': 'disconnectDirection',
  'l2tp.avp.cause_code_message': 'disconnectMessage',
})

function addAvp(avp: Option, entries: Entries): void {
  const [vendorId, type, value] = [avp['vendorId'] as number, avp['type'] as number, avp['value']]
  renamed({ 'l2tp.avp.mandatory': 'mandatory', 'l2tp.avp.hidden': 'hidden', 'l2tp.avp.length': 'length' })(
    avp as Layer,
    entries,
  )
  entries.add('l2tp.avp.vendor_id', vendorId)
  entries.add(VENDOR_TYPES[vendorId] ?? 'l2tp.avp.type', type)
  if (avp['hidden'] === true || value === undefined) return
  if (vendorId === 3561) entries.add(BROADBAND_FIELDS[type] ?? '', value)
  else if (vendorId === 9 && type === 8)
    addCircuit('l2tp.cisco', value as readonly string[], (name, one) => entries.add(name, one))
  else if (vendorId === 9) addValues(CISCO_FIELDS[type], value, entries)
  else if (vendorId !== 0) entries.add('l2tp.vendor_specific_avp_data', value)
  else addIetfAvp(type, value, avp, entries)
}

function addValues(name: string | undefined, value: unknown, entries: Entries): void {
  if (name === undefined) return
  for (const one of Array.isArray(value) ? value : [value]) entries.add(name, one)
}

function addIetfAvp(type: number, value: unknown, avp: Option, entries: Entries): void {
  const bits = value as readonly string[]
  switch (type) {
    case 2: {
      const [version, revision] = String(value).split('.')
      entries.add('l2tp.avp.protocol_version', version)
      entries.add('l2tp.avp.protocol_revision', revision)
      break
    }
    case 3:
    case 19: {
      const suffix = type === 3 ? 'supported' : 'type'
      entries.add(`l2tp.avp.async_framing_${suffix}`, bits.includes('asynchronous'))
      entries.add(`l2tp.avp.sync_framing_${suffix}`, bits.includes('synchronous'))
      break
    }
    case 4:
    case 18: {
      const suffix = type === 4 ? 'access_supported' : 'bearer_type'
      entries.add(`l2tp.avp.analog_${suffix}`, bits.includes('analog'))
      entries.add(`l2tp.avp.digital_${suffix}`, bits.includes('digital'))
      break
    }
    case 1:
    case 12:
    case 34:
    case 35:
    case 46:
      AVP_RECORDS(value as Layer, entries)
      break
    default:
      if (addV3Attribute(type, value, avp['length'] as number, (name, one) => entries.add(name, one))) break
      addValues(AVP_FIELDS[type], value, entries)
      addOptions('lcp.opt', avp['options'], entries, lcpOption)
  }
}

const L2TP: Reader = (layer, entries) => {
  const flags = layer['flags'] as number
  renamed({
    'l2tp.version': 'version',
    'l2tp.length': 'length',
    'l2tp.tunnel': 'tunnelId',
    'l2tp.session': 'sessionId',
    'l2tp.Ns': 'ns',
    'l2tp.Nr': 'nr',
    'l2tp.offset': 'offsetSize',
    'l2tp.priority': 'isPriority',
  })(layer, entries)
  entries.add('l2tp.type', layer['type'] === 'control')
  entries.add('l2tp.length_bit', (flags & 0x4000) !== 0)
  entries.add('l2tp.seq_bit', (flags & 0x0800) !== 0)
  entries.add('l2tp.offset_bit', (flags & 0x0200) !== 0)
  if (layer['messageName'] === 'ZLB') entries.add('l2tp.zero_length_body_message', true)
  for (const avp of (layer['avps'] as readonly Option[] | undefined) ?? []) addAvp(avp, entries)
}

const L2TPV3: Reader = (layer, entries) => {
  addV3Header(layer, (name, value) => entries.add(name, value))
  for (const avp of (layer['avps'] as readonly Option[] | undefined) ?? []) addAvp(avp, entries)
}

const PPPOE: Reader = (layer, entries) => addPppoe(layer, (name, value) => entries.add(name, value))

const IPV4: Reader = (layer, entries) => {
  entries.add('ip.version', 4)
  renamed({
    'ip.hdr_len': 'headerLength',
    'ip.dsfield': 'tos',
    'ip.len': 'totalLength',
    'ip.id': 'id',
    'ip.flags.df': 'dontFragment',
    'ip.ttl': 'ttl',
    'ip.proto': 'protocol',
    'ip.checksum': 'checksum',
    'ip.src': 'source',
    'ip.dst': 'destination',
  })(layer, entries)
  entries.add('ip.flags.mf', layer['moreFragments'] ?? false)
  entries.add('ip.frag_offset', ((layer['fragmentOffset'] as number | undefined) ?? 0) / 8)
}

const LCP: Reader = (layer, entries) => {
  optionReader('lcp.opt', lcpOption)(layer, entries)
  const code = layer['code']
  if (code === 5 || code === 6) return
  if (code === 8) entries.add('lcp.rej_proto', layer['rejectedProtocol'])
  else if (code === 0)
    renamed({ 'ppp.magic_number': 'magicNumber', 'ppp.oui': 'oui', 'ppp.kind': 'kind', 'ppp.data': 'data' })(
      layer,
      entries,
    )
  else if (code === 12) {
    entries.add('lcp.magic_number', layer['magicNumber'])
    entries.add('lcp.message', layer['message'] ?? layer['data'])
  } else
    renamed({
      'lcp.magic_number': 'magicNumber',
      'lcp.secs_remaining': 'secondsRemaining',
      'lcp.message': 'message',
      'lcp.data': 'data',
    })(layer, entries)
}

const TAG = renamed({
  'vlan.priority': 'priority',
  'vlan.dei': 'dropEligible',
  'vlan.id': 'id',
  'vlan.etype': 'etherType',
})
const SERVICE_TAG = renamed({
  'ieee8021ad.priority': 'priority',
  'ieee8021ad.dei': 'dropEligible',
  'ieee8021ad.id': 'id',
  'ieee8021ah.etype': 'etherType',
})
const SLL = renamed({ 'sll.pkttype': 'packetType', 'sll.hatype': 'hardwareType', 'sll.etype': 'protocol' })

const READERS: Readonly<Record<string, Reader>> = {
  ethernet: renamed({ 'eth.dst': 'destination', 'eth.src': 'source', 'eth.type': 'etherType', 'eth.len': 'length' }),
  vlan: (layer, entries) => (layer['tagProtocol'] === 0x88a8 ? SERVICE_TAG : TAG)(layer, entries),
  sll: SLL,
  sll2: SLL,
  'vj-uncompressed': renamed({ 'vjc.connection_number': 'connection' }),
  'vj-compressed': renamed({
    'vjc.change_mask': 'changeMask',
    'vjc.connection_number': 'connection',
    'vjc.checksum': 'checksum',
    'vjc.delta_window': 'windowChange',
    'vjc.delta_ack': 'acknowledgementChange',
    'vjc.delta_seq': 'sequenceChange',
  }),
  mpls: renamed({ 'mpls.label': 'label', 'mpls.exp': 'trafficClass', 'mpls.bottom': 'bottom', 'mpls.ttl': 'ttl' }),
  pppoe: PPPOE,
  'pppoe-discovery': PPPOE,
  'ppp-direction': (layer, entries) => entries.add('ppp.direction', layer['direction'] !== 'sent'),
  ipv4: IPV4,
  ipv6: renamed({
    'ipv6.tclass': 'trafficClass',
    'ipv6.flow': 'flowLabel',
    'ipv6.plen': 'payloadLength',
    'ipv6.hlim': 'hopLimit',
    'ipv6.src': 'source',
    'ipv6.dst': 'destination',
  }),
  udp: renamed({
    'udp.srcport': 'sourcePort',
    'udp.dstport': 'destinationPort',
    'udp.length': 'length',
    'udp.checksum': 'checksum',
  }),
  tcp: TCP,
  icmp: renamed({
    'icmp.type': 'type',
    'icmp.code': 'code',
    'icmp.checksum': 'checksum',
    'icmp.ident': 'identifier',
    'icmp.seq': 'sequence',
  }),
  icmpv6: renamed({
    'icmpv6.type': 'type',
    'icmpv6.code': 'code',
    'icmpv6.checksum': 'checksum',
    'icmpv6.echo.identifier': 'identifier',
    'icmpv6.echo.sequence_number': 'sequence',
  }),
  esp: (layer, entries) => addEsp(layer, (name, value) => entries.add(name, value)),
  ah: (layer, entries) => addAh(layer, (name, value) => entries.add(name, value)),
  gre: (layer, entries) => addGre(layer, (name, value) => entries.add(name, value)),
  pptp: (layer, entries) => addPptp(layer, (name, value) => entries.add(name, value)),
  l2tp: L2TP,
  l2tpv3: L2TPV3,
  'frame-relay': (layer, entries) => addFrameRelay(layer, (name, value) => entries.add(name, value)),
  chdlc: renamed({ 'chdlc.address': 'address', 'chdlc.control': 'control', 'chdlc.protocol': 'protocol' }),
  ppp: renamed({ 'ppp.address': 'address', 'ppp.control': 'control', 'ppp.protocol': 'protocol' }),
  mp: renamed({
    'mp.first': 'isFirst',
    'mp.last': 'isLast',
    'mp.sequence_num_cls': 'classNumber',
    'mp.seq': 'sequence',
  }),
  lcp: LCP,
  ipcp: optionReader('ipcp.opt', ipcpOption),
  ipv6cp: optionReader('ipv6cp.opt', (option, entries) => {
    if (option['type'] === 1 && typeof option['value'] === 'string')
      entries.add('ipv6cp.interface_identifier', option['value'].replaceAll(':', ''))
  }),
  ccp: optionReader('ccp.opt', ccpOption),
  osinlcp: optionReader('osinlcp.opt', (option, entries) => entries.add('osinlcp.opt.alignment', option['value'])),
  mplscp: NCP,
  cdpcp: NCP,
  bcp: optionReader('bcp_ncp.lcp.opt', (option, entries) => {
    if (option['type'] === 6) entries.add('bcp_ncp.lcp.mac_addres', option['value'])
    else if (option['type'] === 3) entries.add('bcp_bpdu.mac_type', option['value'])
  }),
  cbcp: optionReader('cbcp.opt', (option, entries) => {
    entries.add('cbcp.callback_delay', option['delaySeconds'])
    for (const phoneNumber of (option['phoneNumbers'] as readonly string[] | undefined) ?? [])
      entries.add('cbcp.address', phoneNumber)
  }),
  bacp: optionReader('bacp.opt', (option, entries) => entries.add('bacp.magic_number', option['value'])),
  pap: (layer, entries) => {
    renamed({
      'pap.code': 'code',
      'pap.identifier': 'identifier',
      'pap.length': 'length',
      'pap.peer_id': 'peerId',
      'pap.password.length': 'passwordLength',
      'pap.password': 'passwordLength',
      'pap.message': 'message',
    })(layer, entries)
    if (typeof layer['peerId'] === 'string') entries.add('pap.peer_id.length', Buffer.byteLength(layer['peerId']))
    if (typeof layer['message'] === 'string') entries.add('pap.message.length', Buffer.byteLength(layer['message']))
  },
  chap: renamed({
    'chap.code': 'code',
    'chap.identifier': 'identifier',
    'chap.length': 'length',
    'chap.value_size': 'valueSize',
    'chap.value': 'value',
    'chap.name': 'name',
    'chap.message': 'message',
  }),
  eap: EAP,
}
