/**
 * Every field that an event may carry, declared once: its kind, whether ECS defines it, and what it says.
 *
 * TypeScript types, the embedded store's columns, index mappings, the query language's checks, the rules' field check and
 * the field reference of the README follow from this table. Names are dotted and flat: an event is one flat record in
 * memory, and becomes a nested document when it leaves the process.
 */

/** `[]` marks a field that holds a list. A `date` is an ISO 8601 text with microseconds; `ip` is a textual address. */
export type FieldKind = 'keyword' | 'keyword[]' | 'text' | 'ip' | 'ip[]' | 'long' | 'float' | 'boolean' | 'date'

export interface FieldDeclaration {
  readonly kind: FieldKind
  /** True for a field of the Elastic Common Schema; a test compares the name with `@elastic/ecs`. */
  readonly ecs: boolean
  readonly says: string
}

const ecs = <K extends FieldKind>(kind: K, says: string) => ({ kind, ecs: true, says }) as const
const own = <K extends FieldKind>(kind: K, says: string) => ({ kind, ecs: false, says }) as const

export const FIELDS = {
  // Base
  '@timestamp': ecs('date', 'When it happened, by the clock of the capture.'),
  message: ecs('text', 'The event in one English sentence.'),
  'ecs.version': ecs('keyword', 'The ECS version whose names are used.'),
  'event.id': ecs('keyword', 'A hash of the content: the same capture gives the same ids.'),
  'event.kind': ecs('keyword', '`event`, `alert` or `metric`.'),
  'event.category': ecs('keyword[]', 'ECS categories.'),
  'event.type': ecs('keyword[]', 'ECS types.'),
  'event.action': ecs('keyword', 'The name of the event in this catalogue.'),
  'event.dataset': ecs('keyword', '`borescope.<family>`.'),
  'event.module': ecs('keyword', 'Always `borescope`.'),
  'event.outcome': ecs('keyword', '`success`, `failure` or `unknown`.'),
  'event.reason': ecs('keyword', 'Why it ended or failed, in words.'),
  'event.start': ecs('date', 'First packet of the thing the event is about.'),
  'event.end': ecs('date', 'Last packet of the thing the event is about.'),
  'event.duration': ecs('long', 'From start to end, in nanoseconds.'),
  'event.severity': ecs('long', 'Of an alert: 10 informational, 21 low, 47 medium, 73 high, 99 critical.'),
  'event.risk_score': ecs('float', 'Of an alert: 0 to 100.'),
  'observer.name': ecs('keyword', 'The name of the sensor, from the configuration.'),
  'observer.product': ecs('keyword', 'Always `Borescope`.'),
  'observer.type': ecs('keyword', 'Always `ids`.'),
  'observer.version': ecs('keyword', 'The version of the sensor.'),

  // Where the evidence is
  'borescope.capture': own('keyword', 'The base name of the capture file, or the interface.'),
  'borescope.frame.number': own('long', 'The packet that caused the event: its number in the capture, from 1.'),
  'borescope.frame.offset': own('long', 'The byte offset of that packet in the (uncompressed) capture file.'),
  'borescope.lineage': own(
    'keyword[]',
    'The ids of everything the event belongs to, outermost first: tunnel, session, flow.',
  ),

  // Network
  'source.ip': ecs('ip', 'The initiator of the thing, or the sender of the message, that the event is about.'),
  'source.port': ecs('long', 'UDP or TCP port of the source.'),
  'source.bytes': ecs('long', 'Bytes sent by the source.'),
  'source.packets': ecs('long', 'Packets sent by the source.'),
  'destination.ip': ecs('ip', 'The other end.'),
  'destination.port': ecs('long', 'UDP or TCP port of the destination.'),
  'destination.bytes': ecs('long', 'Bytes sent by the destination.'),
  'destination.packets': ecs('long', 'Packets sent by the destination.'),
  'network.transport': ecs('keyword', '`udp`, `tcp`, `icmp`, `ipv6-icmp`, or the number of the IP protocol.'),
  'network.protocol': ecs('keyword', '`l2tp`, `l2tpv3`, `l2f`, `ppp`, `ike`, `esp`, or an inner application protocol.'),
  'network.type': ecs('keyword', '`ipv4` or `ipv6`.'),
  'network.bytes': ecs('long', 'Bytes in both directions.'),
  'network.packets': ecs('long', 'Packets in both directions.'),
  'network.community_id': ecs('keyword', 'Community ID v1 of the flow (seed 0).'),
  'network.vlan.id': ecs('keyword', 'VLAN of the packet.'),
  'outer.source.ip': own('ip', 'For what happens inside a session: the outer address of the tunnel initiator.'),
  'outer.destination.ip': own('ip', 'For what happens inside a session: the outer address of the tunnel responder.'),
  'related.ip': ecs('ip[]', 'Every address in the event.'),
  'related.user': ecs('keyword[]', 'Every user name in the event.'),
  'related.hosts': ecs('keyword[]', 'Every host name in the event.'),
  'user.name': ecs('keyword', 'Who logged in, or tried to, over PPP.'),

  // L2TP control connection
  'l2tp.version': own('long', '2 or 3.'),
  'l2tp.tunnel.uid': own('keyword', 'Our id of the tunnel, stable over replays.'),
  'l2tp.tunnel.state': own('keyword', '`opening`, `answered`, `established` or `closed`.'),
  'l2tp.tunnel.initiator_id': own(
    'long',
    'Tunnel id assigned by the initiator (it stands in messages to the initiator).',
  ),
  'l2tp.tunnel.responder_id': own('long', 'Tunnel id assigned by the responder.'),
  'l2tp.tunnel.target_id': own('long', 'Tunnel id in the header of the message that the event is about.'),
  'l2tp.tunnel.adopted': own('boolean', 'True if the tunnel was already open when the capture began.'),
  'l2tp.tunnel.sessions': own('long', 'Sessions that the tunnel carried.'),
  'l2tp.initiator.host_name': own('keyword', 'Host Name AVP of the initiator.'),
  'l2tp.initiator.vendor_name': own('keyword', 'Vendor Name AVP of the initiator.'),
  'l2tp.initiator.firmware': own('long', 'Firmware Revision AVP of the initiator.'),
  'l2tp.initiator.receive_window': own('long', 'Receive Window Size AVP of the initiator.'),
  'l2tp.responder.host_name': own('keyword', 'Host Name AVP of the responder.'),
  'l2tp.responder.vendor_name': own('keyword', 'Vendor Name AVP of the responder.'),
  'l2tp.responder.firmware': own('long', 'Firmware Revision AVP of the responder.'),
  'l2tp.responder.receive_window': own('long', 'Receive Window Size AVP of the responder.'),
  'l2tp.message.type': own('keyword', 'Control message: SCCRQ, ICRQ, CDN …, or ZLB.'),
  'l2tp.message.ns': own('long', 'Ns of the message.'),
  'l2tp.message.nr': own('long', 'Nr of the message.'),
  'l2tp.message.expected_ns': own('long', 'The Ns that was due from this sender.'),
  'l2tp.message.finding': own('keyword', 'What is wrong with a control message, by its number or its state.'),
  'l2tp.result.code': own('long', 'Result Code of StopCCN or CDN.'),
  'l2tp.result.text': own('keyword', 'The result code in words.'),
  'l2tp.error.code': own('long', 'General Error Code of StopCCN or CDN.'),
  'l2tp.error.text': own('keyword', 'The error code in words.'),
  'l2tp.error.message': own('keyword', 'The error message that the peer sent with the result code.'),
  'l2tp.closed_by': own('keyword', '`initiator`, `responder`, `silence`, `capacity` or `capture_end`.'),
  'l2tp.control.messages': own('long', 'Control messages that carried one (no ZLB, no retransmission).'),
  'l2tp.control.retransmissions': own('long', 'Control messages seen again with the same Ns and the same content.'),
  'l2tp.control.gaps': own('long', 'Control messages that the capture missed, by Ns.'),
  'l2tp.control.anomalies': own('long', 'Control messages out of window, in conflict, or against the state.'),
  'l2tp.authentication.method': own('keyword', '`none`, `challenge` (one way) or `mutual`.'),
  'l2tp.authentication.verdict': own('keyword', '`verified`, `wrong_secret` or `unverified` (no secret configured).'),
  'l2tp.avp.type': own('long', 'Attribute type of an AVP.'),
  'l2tp.avp.name': own('keyword', 'Name of that attribute.'),
  'l2tp.avp.vendor_id': own('long', 'Vendor id of the AVP; 0 is the IETF.'),
  'l2tp.avp.verdict': own('keyword', 'Of a hidden AVP: `recovered`, `wrong_secret`, `no_vector` or `no_secret`.'),
  'l2tp.avp.value': own('keyword', 'The recovered value, unless it is itself a secret.'),

  // L2TP session
  'l2tp.session.uid': own('keyword', 'Our id of the session, stable over replays.'),
  'l2tp.session.state': own('keyword', '`requested`, `answered`, `established` or `closed`.'),
  'l2tp.session.kind': own('keyword', '`incoming` (ICRQ) or `outgoing` (OCRQ) call.'),
  'l2tp.session.initiator_id': own('long', 'Session id assigned by the initiator of the tunnel.'),
  'l2tp.session.responder_id': own('long', 'Session id assigned by the responder of the tunnel.'),
  'l2tp.session.target_id': own('long', 'Session id in the header of the message that the event is about.'),
  'l2tp.session.adopted': own('boolean', 'True if the session was already open when the capture began.'),
  'l2tp.call.serial_number': own('long', 'Call Serial Number AVP.'),
  'l2tp.call.called_number': own('keyword', 'Called Number AVP.'),
  'l2tp.call.calling_number': own('keyword', 'Calling Number AVP.'),
  'l2tp.call.sub_address': own('keyword', 'Sub-Address AVP.'),
  'l2tp.call.tx_speed': own('long', '(Tx) Connect Speed, bits a second.'),
  'l2tp.call.rx_speed': own('long', 'Rx Connect Speed, bits a second.'),
  'l2tp.call.private_group': own('keyword', 'Private Group ID AVP.'),
  'l2tp.call.q931_cause': own('long', 'Q.931 cause code of the CDN.'),
  'l2tp.call.disconnect_cause': own('keyword', 'PPP disconnect cause (RFC 3145).'),
  'l2tp.call.proxy_authentication': own('keyword', 'Proxy Authen Type AVP: how the LAC authenticated the caller.'),
  'l2tp.session.sequenced': own('boolean', 'True if data messages carried Ns and Nr.'),
  'l2tp.session.lost': own('long', 'Data messages missing by their sequence numbers.'),
  'l2tp.session.reordered': own('long', 'Data messages that came late by their sequence numbers.'),

  // PPP
  'ppp.phase': own('keyword', 'How far the link came: `establish`, `authenticate`, `network` or `terminated`.'),
  'ppp.authentication.method': own(
    'keyword',
    '`PAP`, `CHAP-MD5`, `MS-CHAP`, `MS-CHAPv2`, `EAP-MD5`, `EAP-TLS` …, or `none`.',
  ),
  'ppp.authentication.server_name': own('keyword', 'The name that the authenticator gave in its challenge.'),
  'ppp.authentication.attempts': own('long', 'Answers that the peer sent, with their repetitions left out.'),
  'ppp.authentication.message': own('keyword', 'The message of the success or failure.'),
  'ppp.error.code': own('long', 'MS-CHAP error code (E=).'),
  'ppp.error.text': own('keyword', 'The MS-CHAP error in words.'),
  'ppp.error.retry': own('boolean', 'MS-CHAP R=1: the authenticator allows another try.'),
  'ppp.client.ip': own('ip', 'IPv4 address that IPCP gave to the client.'),
  'ppp.server.ip': own('ip', 'IPv4 address of the server end.'),
  'ppp.client.interface_id': own('keyword', 'IPV6CP interface identifier of the client.'),
  'ppp.server.interface_id': own('keyword', 'IPV6CP interface identifier of the server.'),
  'ppp.dns': own('ip[]', 'DNS servers given to the client.'),
  'ppp.nbns': own('ip[]', 'NetBIOS name servers given to the client.'),
  'ppp.client.mru': own('long', 'MRU that the client announced.'),
  'ppp.server.mru': own('long', 'MRU that the server announced.'),
  'ppp.compression': own('keyword[]', '`pfc`, `acfc`, `vj`, `deflate`, `mppc` …: what was agreed.'),
  'ppp.mppe.bits': own('long', 'MPPE key strength agreed: 40, 56 or 128.'),
  'ppp.mppe.stateless': own('boolean', 'MPPE changes its key with every packet.'),
  'ppp.protocols': own('keyword[]', 'PPP protocols that the link carried.'),
  'ppp.packets.encrypted': own('long', 'Packets encrypted or compressed by CCP (PPP protocol 0x00fd).'),
  'ppp.terminated_by': own('keyword', '`client`, `server`, or absent.'),

  // Inner flows
  'flow.uid': own('keyword', 'Our id of the inner flow, stable over replays.'),
  'flow.tcp.state': own('keyword', '`attempted`, `established`, `closed`, `reset`, `refused` or `partial`.'),
  'flow.icmp.type': own('long', 'ICMP type of the first packet.'),
  'flow.icmp.code': own('long', 'ICMP code of the first packet.'),

  // IKE
  'ike.uid': own('keyword', 'Our id of the IKE SA, stable over replays.'),
  'ike.version': own('keyword', '`1.0` or `2.0`.'),
  'ike.mode': own(
    'keyword',
    '`main`, `aggressive`, `base`, `authentication only`, `IKE_SA_INIT`, `IKE_SESSION_RESUME`; of an adopted SA the exchange seen first.',
  ),
  'ike.phase': own('keyword', 'The last message of the set-up that was seen.'),
  'ike.adopted': own('boolean', 'True if the beginning of the SA was not seen.'),
  'ike.initiator.cookie': own('keyword', 'Cookie (IKEv2: SPI) of the initiator, 16 hexadecimal digits.'),
  'ike.responder.cookie': own('keyword', 'Cookie (IKEv2: SPI) of the responder.'),
  'ike.proposal.offered': own('keyword[]', 'The suites that the initiator offered, in its order (the first 64).'),
  'ike.proposal.count': own('long', 'How many transforms the initiator offered.'),
  'ike.proposal.hash': own('keyword', 'A hash of all suites offered: alike for one program and configuration.'),
  'ike.proposal.chosen': own('keyword', 'The suite that the responder chose.'),
  'ike.encryption': own('keyword', 'Encryption of the chosen suite.'),
  'ike.integrity': own('keyword', 'Hash (IKEv2: integrity algorithm) of the chosen suite.'),
  'ike.prf': own('keyword', 'Pseudo-random function of the chosen suite (IKEv2).'),
  'ike.group': own('keyword', 'Key exchange method of the chosen suite: `modp1024`, `curve25519` …'),
  'ike.lifetime': own('keyword', 'Lifetime of the chosen suite, with its unit (IKEv1).'),
  'ike.authentication.method': own('keyword', '`PSK`, `RSA-SIG`, `XAUTH-INIT-PSK` …; IKEv2 does not show it.'),
  'ike.notification': own('keyword', 'The last error notification that was sent in the clear.'),
  'ike.initiator.vendors': own('keyword[]', 'Vendor ids of the initiator: names, texts, or hexadecimal digits.'),
  'ike.initiator.identity': own('keyword', 'Identity of the initiator, where it is sent in the clear.'),
  'ike.initiator.identity_type': own('keyword', '`ID_FQDN`, `ID_IPV4_ADDR`, `ID_KEY_ID` …'),
  'ike.initiator.certificate': own(
    'keyword',
    'Subject of the certificate of the initiator, where it is sent in the clear.',
  ),
  'ike.responder.vendors': own('keyword[]', 'Vendor ids of the responder.'),
  'ike.responder.identity': own('keyword', 'Identity of the responder, where it is sent in the clear.'),
  'ike.responder.identity_type': own('keyword', 'Type of that identity.'),
  'ike.responder.certificate': own(
    'keyword',
    'Subject of the certificate of the responder, where it is sent in the clear.',
  ),
  'ike.nat.detected': own(
    'keyword',
    '`none`, `initiator`, `responder` or `both`: who is behind a NAT, by the NAT detection hashes.',
  ),
  'ike.nat.floated': own('boolean', 'True if the exchange was seen on port 4500.'),
  'ike.hash_exposed': own(
    'boolean',
    'True if aggressive mode showed a hash made with the pre-shared key, which can be guessed offline.',
  ),
  'ike.failure.inferred': own('boolean', 'True if the reason follows from what was not, or not readably, sent.'),
  'ike.closed_by': own('keyword', '`initiator`, `responder`, `silence` or `capture_end`.'),
  'ike.messages': own('long', 'Messages, without repetitions.'),
  'ike.retransmissions': own('long', 'Messages sent again with the same bytes.'),
  'ike.child_exchanges': own('long', 'Quick modes or CREATE_CHILD_SA exchanges: child SAs and their rekeying.'),
  'ike.informational_exchanges': own('long', 'Protected informational exchanges: liveness checks, deletes.'),

  // Anomalies and the sensor itself
  'anomaly.name': own('keyword', 'The flaw or finding, for example `l2tp.avp_length`.'),
  'anomaly.layer': own('keyword', 'The protocol in which it was found.'),
  'anomaly.detail': own('keyword', 'What exactly was seen.'),
  'anomaly.suppressed': own('long', 'Findings of this name and source left out since the last one that was reported.'),
  'sensor.table': own('keyword', 'The table, cache or queue that reached its bound.'),
  'sensor.capacity': own('long', 'The bound, from the configuration.'),
  'capture.packets': own('long', 'Packets read.'),
  'capture.bytes': own('long', 'Bytes read, as captured.'),
  'capture.duplicates': own('long', 'Packets left out because the capture holds them twice (SPAN copies).'),
  'capture.l2tp': own('long', 'Packets of L2TP, control and data.'),
  'capture.foreign': own('long', 'Packets of protocols that the sensor does not follow.'),
  'capture.flawed': own('long', 'Packets with a flaw that stopped their decoding.'),
  'capture.fault.offset': own('long', 'Byte offset of the fault in the capture file.'),

  // Alerts
  'alert.entity': own('keyword', 'What the alert is about: the values of its grouping fields, joined.'),
  'alert.events': own('long', 'How many events led to the alert.'),
  'alert.values': own('long', 'How many distinct values led to the alert (value counts).'),
  'alert.evidence': own('keyword[]', 'Ids of events that led to the alert (the first ones, bounded).'),
  'rule.id': ecs('keyword', 'UUID of the rule.'),
  'rule.name': ecs('keyword', 'Title of the rule.'),
  'rule.description': ecs('keyword', 'What the rule finds, for the one who is called at night.'),
  'rule.reference': ecs('keyword', 'Where to read on.'),
  'rule.category': ecs('keyword', 'The folder of the rule.'),
  'rule.level': own('keyword', 'Sigma level: `informational`, `low`, `medium`, `high`, `critical`.'),
  'threat.framework': ecs('keyword', '`MITRE ATT&CK`.'),
  'threat.tactic.id': ecs('keyword[]', 'ATT&CK tactic ids.'),
  'threat.tactic.name': ecs('keyword[]', 'ATT&CK tactic names.'),
  'threat.technique.id': ecs('keyword[]', 'ATT&CK technique ids.'),
  'threat.technique.name': ecs('keyword[]', 'ATT&CK technique names.'),
  'threat.technique.reference': ecs('keyword[]', 'Links to the techniques.'),
  'threat.technique.subtechnique.id': ecs('keyword[]', 'ATT&CK sub-technique ids.'),
  'threat.technique.subtechnique.name': ecs('keyword[]', 'ATT&CK sub-technique names.'),
} as const satisfies Record<string, FieldDeclaration>

export type FieldName = keyof typeof FIELDS

interface KindValues {
  keyword: string
  'keyword[]': readonly string[]
  text: string
  ip: string
  'ip[]': readonly string[]
  long: number
  float: number
  boolean: boolean
  date: string
}

export type FieldValue<F extends FieldName> = KindValues[(typeof FIELDS)[F]['kind']]

/** An event as it crosses the waist: one flat record of declared fields. */
export type EventDocument = { readonly [F in FieldName]?: FieldValue<F> } & {
  readonly '@timestamp': string
  readonly 'event.id': string
  readonly 'event.action': string
}

export function isField(name: string): name is FieldName {
  return Object.hasOwn(FIELDS, name)
}

/** The document with its dots unfolded, as ECS writes it: `{ source: { ip: … } }`; time and sentence come first. */
export function nest(document: EventDocument): Record<string, unknown> {
  const root: Record<string, unknown> = { '@timestamp': document['@timestamp'], message: document.message }
  for (const [name, value] of Object.entries(document)) {
    if (value === undefined) continue
    const parts = name.split('.')
    const last = parts.length - 1
    let node = root
    for (let i = 0; i < last; i++) {
      node[parts[i]] ??= {}
      node = node[parts[i]] as Record<string, unknown>
    }
    node[parts[last]] = value
  }
  return root
}
