/**
 * What users of a laboratory did inside their tunnels, as its log has it, against what the sensor tells of it.
 *
 * The captures are not part of the project. They are looked for beside it, or where BORESCOPE_CAPTURES says.
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { EventDocument } from '../src/events/fields.ts'
import { eventsOfFile, named } from './support/sensor.ts'

const FOLDER = resolve(process.env['BORESCOPE_CAPTURES'] ?? join(import.meta.dirname, '../../shared/captures'))
const isAbsent = !existsSync(FOLDER)
if (isAbsent) {
  process.stderr.write(
    `\nSKIPPED test/inner-ground-truth.test.ts: no captures at ${FOLDER}; set BORESCOPE_CAPTURES to a folder of them\n\n`,
  )
}

function lab(name: string): Promise<readonly EventDocument[]> {
  return eventsOfFile(join(FOLDER, 'lab', `${name}.pcap`))
}

describe.skipIf(isAbsent)('inside a tunnel of the laboratory', () => {
  test('a user asks for names, fetches files, logs in by SSH and pings', async () => {
    const events = await lab('l2tp-inner')
    expect(
      named(events, 'dns.answered').map((event) => [
        event['dns.question.name'],
        event['dns.question.type'],
        event['dns.response_code'],
      ]),
    ).toEqual([
      ['intranet.corp.example', 'A', 'NOERROR'],
      ['dc01.corp.example', 'A', 'NOERROR'],
      ['corp.example', 'TXT', 'NOERROR'],
      ['nosuch.corp.example', 'A', 'REFUSED'],
    ])
    expect(named(events, 'dns.queried')).toEqual([])
    expect(
      named(events, 'http.requested').map((event) => [
        event['url.path'],
        event['http.response.status_code'],
        event['http.response.body.bytes'],
      ]),
    ).toEqual([
      ['/', 200, 56],
      ['/report.pdf', 200, 200_000],
    ])
    const [ssh, ...more] = named(events, 'ssh.authentication.inferred')
    expect(more).toEqual([])
    expect(ssh).toMatchObject({ 'event.outcome': 'success', 'ssh.authentication.attempts': 1, 'user.name': 'alice' })
    expect(named(events, 'icmp.echo.observed')).toEqual([])
    expect(named(events, 'protocol.anomaly')).toEqual([])
  })

  test('another guesses a password by SSH, eleven times, and takes a file away', async () => {
    const events = await lab('l2tp-inner-attack')
    const logins = named(events, 'ssh.authentication.inferred')
    const attempts = logins.reduce((sum, event) => sum + (event['ssh.authentication.attempts'] ?? 0), 0)
    expect(attempts).toBe(11)
    expect(logins.filter((event) => event['event.outcome'] === 'success').length).toBe(1)
    expect(new Set(named(events, 'ssh.negotiated').map((event) => event['ssh.client.hassh'])).size).toBe(1)
    expect(named(events, 'http.requested')).toMatchObject([
      { 'http.request.method': 'PUT', 'http.request.body.bytes': 2_000_000, 'user.name': 'bob', 'url.port': 8080 },
    ])
    // A scan opens hundreds of flows, and none of them carries anything.
    expect(named(events, 'flow.closed').filter((event) => event['network.protocol'] !== undefined).length).toBe(8)
  })

  test.each(['l2tp-pap', 'l2tp-mschapv2', 'l2tp-chap', 'l2tp-seq', 'l2tp-frag', 'l2tp-pap-any'])(
    'a file is fetched by HTTP, once (%s)',
    async (name) => {
      const events = await lab(name)
      expect(named(events, 'http.requested').map((event) => event['http.response.body.bytes'])).toEqual([200_000])
      expect(named(events, 'icmp.echo.observed')).toEqual([])
    },
  )
})
