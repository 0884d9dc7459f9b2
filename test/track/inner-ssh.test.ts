import { describe, expect, test } from 'vitest'
import { sshWireLength } from '../../src/wire/ssh.ts'
import { be32, concat, fromHex, utf8 } from '../support/craft.ts'
import { type KexLists, kexInit, sshPacket } from '../support/ssh.ts'
import { type Connection, Talk } from './inner-talk.ts'

const CHACHA: KexLists = { encryption: ['chacha20-poly1305@openssh.com', 'chacha20-poly1305@openssh.com'] }
const GCM: KexLists = { encryption: ['aes256-gcm@openssh.com', 'aes256-gcm@openssh.com'] }
const REFUSAL = 24
const NEWKEYS = sshPacket(fromHex('15'))

/** Up to the keys. */
function negotiated(talk: Talk, lists: KexLists): Connection {
  return talk
    .tcp(22)
    .say('server', 'SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n')
    .say('client', 'SSH-2.0-libssh_0.10.6\r\n')
    .say('client', sshPacket(kexInit(lists)))
    .say('server', sshPacket(kexInit({ ...lists, kex: 'x,curve25519-sha256' })))
    .say('client', concat(sshPacket(fromHex('1e')), NEWKEYS))
    .say('server', concat(sshPacket(fromHex('1f')), NEWKEYS))
}

/** A packet of so many octets of payload, encrypted. With GCM its length stands before it. */
function encrypted(payload: number, lists: KexLists): Uint8Array {
  const cipher = lists.encryption?.[1] ?? ''
  const length = sshWireLength(payload, cipher, '') ?? 0
  const octets = new Uint8Array(length).fill(0xa7)
  if (lists === GCM) octets.set(be32(length - 4 - 16))
  return octets
}

/** A login in which the server answers so. */
function login(talk: Talk, lists: KexLists, ...answers: readonly number[]): Connection {
  const connection = negotiated(talk, lists)
  connection.say('server', encrypted(120, lists))
  for (const answer of answers) connection.say('client', encrypted(60, lists)).say('server', encrypted(answer, lists))
  return connection
}

describe('an SSH connection', () => {
  test('tells what both ends are and what they agree on', () => {
    const talk = new Talk()
    negotiated(talk, CHACHA)
    expect(talk.only('ssh.negotiated')).toMatchObject({
      message: 'SSH from libssh_0.10.6 to OpenSSH_9.2p1',
      'network.protocol': 'ssh',
      'ssh.version': '2.0',
      'ssh.client.software': 'libssh_0.10.6',
      'ssh.server.software': 'OpenSSH_9.2p1 Debian-2',
      'ssh.client.hassh': expect.stringMatching(/^[0-9a-f]{32}$/),
      'ssh.server.hassh': expect.stringMatching(/^[0-9a-f]{32}$/),
      'ssh.kex_algorithm': 'curve25519-sha256',
      'ssh.host_key_algorithm': 'ssh-ed25519',
      'ssh.cipher': 'chacha20-poly1305@openssh.com',
    })
    expect(talk.only('ssh.negotiated')['ssh.mac']).toBeUndefined()
  })

  test('tells what it knows when it ends before', () => {
    const talk = new Talk()
    talk.tcp(22).say('server', 'SSH-2.0-x\r\n').close()
    talk.finish()
    expect(talk.only('ssh.negotiated')).toMatchObject({ 'ssh.server.software': 'x' })
    expect(talk.told('ssh.authentication.inferred')).toEqual([])
  })

  test('of version 1 is told by its lines', () => {
    const talk = new Talk()
    talk.tcp(22).say('server', 'SSH-1.5-Cisco-1.25\n')
    expect(talk.only('ssh.negotiated')['ssh.version']).toBe('1.5')
  })

  test('is told once, though it breaks the rules after that', () => {
    const talk = new Talk()
    talk
      .tcp(22)
      .say('server', concat(utf8('SSH-2.0-x\r\n'), sshPacket(kexInit())))
      .say('client', concat(utf8('SSH-2.0-y\r\n'), sshPacket(kexInit()), new Uint8Array(20)))
    talk.finish()
    expect(talk.told('ssh.negotiated').length).toBe(1)
    expect(talk.findings).toEqual(['ssh.packet_length'])
  })

  test('that breaks the rules has a finding', () => {
    const talk = new Talk()
    talk.tcp(22).say('client', 'SSH-2.0\r\n')
    talk.tcp(22, 50_001).say('client', `SSH-2.0-x\r\n${'y'.repeat(20)}`)
    const disconnect = sshPacket(concat(fromHex('01'), be32(2), be32(0), be32(0)))
    talk.tcp(22, 50_002).say('client', 'SSH-2.0-x\r\n').say('server', 'SSH-2.0-y\r\n').say('server', disconnect)
    expect(talk.findings).toEqual(['ssh.banner', 'ssh.packet_length', 'ssh.disconnected'])
    expect(talk.told('ssh.negotiated').length).toBe(2)
  })
})

describe('a login over SSH', () => {
  test.each([
    ['chacha20', CHACHA],
    ['GCM', GCM],
  ])('that succeeds is told at once (%s)', (_, lists) => {
    const talk = new Talk()
    const connection = login(talk, lists, 17, REFUSAL, REFUSAL, 1)
    expect(talk.only('ssh.authentication.inferred')).toMatchObject({
      'event.outcome': 'success',
      'ssh.authentication.refusals': 2,
      'ssh.authentication.attempts': 2,
      'ssh.client.software': 'libssh_0.10.6',
    })
    connection.say('server', new Uint8Array(28)).close()
    talk.finish()
    expect(talk.told('ssh.authentication.inferred').length).toBe(1)
  })

  test('that fails is told at its end', () => {
    const talk = new Talk()
    login(talk, CHACHA, 17, REFUSAL, REFUSAL, REFUSAL, REFUSAL).close()
    talk.finish()
    expect(talk.only('ssh.authentication.inferred')).toMatchObject({
      'event.outcome': 'failure',
      'ssh.authentication.refusals': 4,
      'ssh.authentication.attempts': 3,
    })
  })

  test('is read across packets that arrive together, where lengths stand in clear', () => {
    const talk = new Talk()
    const connection = login(talk, GCM, 17, REFUSAL)
    const both = concat(encrypted(1, GCM), encrypted(300, GCM))
    connection.say('client', encrypted(60, GCM)).say('server', both.subarray(0, 20)).say('server', both.subarray(20))
    expect(talk.only('ssh.authentication.inferred')['event.outcome']).toBe('success')
  })

  test('is not guessed where nothing can be known', () => {
    const lost = new Talk()
    const connection = login(lost, CHACHA, 17, REFUSAL)
    connection.next.server += 52
    connection.say('server', encrypted(1, CHACHA)).say('client', new Uint8Array(52)).close()
    lost.finish()
    expect(lost.only('ssh.authentication.inferred')['event.outcome']).toBe('unknown')

    const endless = new Talk()
    login(endless, CHACHA, 17, ...Array.from({ length: 70 }, (_, i) => 40 + i))
    expect(endless.only('ssh.authentication.inferred')).toMatchObject({ 'event.outcome': 'unknown' })

    const compressed = new Talk()
    login(compressed, { ...CHACHA, compression: ['zlib', 'zlib'] }, 17, REFUSAL).close()
    compressed.finish()
    expect(compressed.told('ssh.authentication.inferred')).toEqual([])
  })
})
