/**
 * What the readers of applications make of whole TCP connections, compared with tshark, which puts segments together in its
 * own way: the fingerprints of TLS and SSH, and the requests of HTTP, over every connection of all captures.
 */
import { spawnSync } from 'node:child_process'
import { basename } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openCapture } from '../../src/capture/sources.ts'
import { Defragmenter } from '../../src/dissect/defragment.ts'
import { Dissector } from '../../src/dissect/dissector.ts'
import { Frame } from '../../src/dissect/frame.ts'
import type { RaisedEvent } from '../../src/events/catalogue.ts'
import { InnerProtocols } from '../../src/track/inner-protocols.ts'
import { addressText } from '../../src/base/address.ts'
import { u16 } from '../../src/base/bytes.ts'
import { capturesIn, MISSING, warnIfMissing } from './compare.ts'

/** What was made to be wrong, and what tshark finds inside other carriers. */
const PASSED_OVER = /-mut\d*\b|-fuzz\b|\/(?:malformed|robustness)\/|fuzz|geneve|vxlan/i
const TCP = 6
const LIMITS = {
  conversationsMax: 65_536,
  streamBytesMax: 1 << 28,
  streamWindowBytes: 65_536,
}

type Event = RaisedEvent & { readonly fields: Readonly<Record<string, unknown>> }

/** Every TCP connection of a capture that stands in plain IP, read as if it were an inner flow. */
async function eventsOf(path: string): Promise<readonly Event[]> {
  const events: Event[] = []
  const tell = (name: string, timeUs: number, message: string, fields: object) =>
    events.push({ name, timeUs, message, fields } as unknown as Event)
  const protocols = new InnerProtocols(
    {
      said: (_, { name, timeUs, message, protocolName, own }) =>
        tell(name, timeUs, message, { 'network.protocol': protocolName, ...own }),
      found: (_, { name, timeUs, detail }) =>
        tell('protocol.anomaly', timeUs, detail, { 'anomaly.name': name, 'anomaly.detail': detail }),
      raise: (event) => events.push(event as Event),
      isByInitiator: () => true,
    },
    LIMITS,
  )
  const dissector = new Dissector(
    new Defragmenter({ datagramsMax: 1024, piecesMax: 64, timeoutSeconds: 30 }, () => undefined),
  )
  const frame = new Frame()
  const flows = new Map<string, { readonly flow: number; readonly opener: string; isWanted: boolean }>()
  const source = await openCapture(path)
  let nowUs = 0
  try {
    while (await source.fill()) {
      while (source.next(frame)) {
        nowUs = frame.timeUs
        if (dissector.dissect(frame) === 'fragment' || frame.flaw !== null) continue
        const { ip } = frame
        if (ip.protocol !== TCP || ip.isFragment || ip.payloadEnd - ip.payloadStart < 20) continue
        if (frame.inner.decode(ip.bytes, ip.headerStart, ip.payloadEnd) !== null) continue
        const source = `${addressText(ip.bytes, ip.sourceAt, ip.addressLength)}:${u16(ip.bytes, ip.payloadStart)}`
        const target = `${addressText(ip.bytes, ip.destinationAt, ip.addressLength)}:${u16(ip.bytes, ip.payloadStart + 2)}`
        const key = [source, target].sort().join()
        const flags = ip.bytes[ip.payloadStart + 13] & 0x12
        const known = flags === 2 ? undefined : flows.get(key)
        if (flags === 2) end(protocols, flows.get(key), nowUs)
        const opener = flags === 0x12 ? target : source
        const flow = known ?? { flow: flows.size + events.length + frame.number, opener, isWanted: true }
        flows.set(key, flow)
        if (flow.isWanted) {
          const side = source === flow.opener ? 0 : 1
          flow.isWanted = (protocols.observe(flow.flow, frame, side, 1) & 1) !== 0
        }
      }
    }
  } finally {
    await source.close()
  }
  for (const flow of flows.values()) end(protocols, flow, nowUs)
  return events
}

function end(protocols: InnerProtocols, flow: { readonly flow: number } | undefined, nowUs: number): void {
  if (flow !== undefined) protocols.closed(flow.flow, nowUs)
}

/** The first value of a field in each connection, or all of them, as tshark puts the connection together. */
function ask(path: string, filter: string, fields: readonly string[], isFirst: boolean): readonly string[] {
  const { stdout } = spawnSync(
    'tshark',
    ['-n', '-r', path, '-Y', `${filter} && tcp && !icmp && !gre && !l2tp && !udp`, '-T', 'fields']
      .concat(['-e', 'tcp.stream', ...fields.flatMap((field) => ['-e', field])])
      .concat(['-E', 'occurrence=f', '-E', 'separator=\x1f']),
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  )
  const lines = stdout.split('\n').filter((line) => line !== '')
  const seen = new Set<string>()
  return lines
    .map((line) => line.split('\x1f'))
    .filter(([stream]) => !isFirst || (!seen.has(stream) && seen.add(stream)))
    .map(([, ...values]) => values.join(' '))
    .filter((words) => words.trim() !== '')
    .sort()
}

function told(events: readonly Event[], names: readonly string[], fields: readonly string[]): readonly string[] {
  return events
    .filter(({ name }) => names.includes(name))
    .map((event) => fields.map((field) => event.fields[field] ?? '').join(' '))
    .filter((words) => words.trim() !== '')
    .sort()
}

const TLS_EVENTS = ['tls.established', 'tls.failed']
const HTTP_EVENTS = ['http.requested', 'winrm.requested']

const COMPARED = [
  ['JA3', 'tls.handshake.ja3', ['tls.handshake.ja3'], true, TLS_EVENTS, ['tls.client.ja3']],
  ['JA3S', 'tls.handshake.ja3s', ['tls.handshake.ja3s'], true, TLS_EVENTS, ['tls.server.ja3s']],
  ['HASSH', 'ssh.kex.hassh', ['ssh.kex.hassh'], true, ['ssh.negotiated'], ['ssh.client.hassh']],
  ['HASSHServer', 'ssh.kex.hasshserver', ['ssh.kex.hasshserver'], true, ['ssh.negotiated'], ['ssh.server.hassh']],
  [
    'HTTP',
    'http.request',
    ['http.request.method', 'http.request.uri'],
    false,
    HTTP_EVENTS,
    ['http.request.method', 'url.original'],
  ],
] as const

warnIfMissing('The comparison of streams with tshark')

describe.skipIf(MISSING !== null)('connections', () => {
  it('are read as tshark reads them', { timeout: 900_000 }, async () => {
    const totals = new Map<string, number>()
    const differences: string[] = []
    for (const path of (await capturesIn(['.'])).filter((capture) => !PASSED_OVER.test(capture))) {
      const events = await eventsOf(path)
      for (const [what, filter, fields, isFirst, names, own] of COMPARED) {
        const ours = told(events, names, own)
        if (ours.length === 0 && what !== 'JA3') continue
        const theirs = ask(path, filter, fields, isFirst)
        totals.set(what, (totals.get(what) ?? 0) + ours.length)
        if (ours.join('\n') !== theirs.join('\n'))
          differences.push(
            `${basename(path)} ${what}: ours only [${ours.filter((v) => !theirs.includes(v))}] ${ours.length}, tshark only [${theirs.filter((v) => !ours.includes(v))}] ${theirs.length}`,
          )
      }
    }
    process.stdout.write(`whole connections: ${[...totals].map(([what, count]) => `${what} ${count}`).join(', ')}\n`)
    expect(differences.join('\n')).toBe('')
  })
})
