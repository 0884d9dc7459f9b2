import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  agreementOf,
  disconnectReason,
  hassh,
  hasshServer,
  looksLikeSsh,
  readBanner,
  readKexInit,
  type SshKexInit,
  SshPacketView,
  sshClearLengthTag,
  sshMessageName,
  sshWireLength,
} from '../../src/wire/ssh.ts'
import { be32, concat, fromHex, utf8 } from '../support/craft.ts'
import { type KexLists, kexInit, sshPacket } from '../support/ssh.ts'
import { inWindow } from '../support/window.ts'

const view = new SshPacketView()

function banner(words: string) {
  return readBanner(utf8(words), 0, utf8(words).length)
}

function kex(lists: KexLists): SshKexInit {
  const packet = sshPacket(kexInit(lists))
  expect(view.decode(packet, 0, packet.length)).toBeNull()
  return readKexInit(view)
}

describe('readBanner', () => {
  test('takes an identification apart', () => {
    expect(banner('SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n\0\0')).toEqual({
      banner: {
        line: 'SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7',
        protocolVersion: '2.0',
        software: 'OpenSSH_9.2p1',
        comment: 'Debian-2+deb12u7',
      },
      next: 40,
    })
    expect(banner('SSH-1.99-x\n')).toMatchObject({ banner: { protocolVersion: '1.99', software: 'x' }, next: 11 })
  })

  test('passes over what a server says before', () => {
    expect(banner('Welcome\r\nto the show\r\nSSH-2.0-x\r\n')).toMatchObject({ next: 33 })
  })

  test('every truncation asks for more', () => {
    const whole = 'hello\r\nSSH-2.0-OpenSSH_9.2p1 Debian\r\n'
    for (let length = 0; length < whole.length; length++) expect(banner(whole.slice(0, length))).toBe('more')
  })

  test('names what is none', () => {
    expect(banner('SSH-2.0\r\n')).toBe('ssh.banner')
    expect(banner('SSH--x\r\n')).toBe('ssh.banner')
    expect(banner(`SSH-2.0-${'x'.repeat(300)}`)).toBe('ssh.banner_length')
    expect(banner('x'.repeat(9000))).toBe('ssh.banner_length')
  })
})

describe('looksLikeSsh', () => {
  test('goes by the first four octets', () => {
    const looks = (words: string) => looksLikeSsh(utf8(words), 0, words.length)
    expect(['', 'SSH', 'SSH-', 'SSH-2', 'SSX', 'GET '].map(looks)).toEqual([
      undefined,
      undefined,
      true,
      true,
      false,
      false,
    ])
  })
})

describe('SshPacketView', () => {
  const packet = sshPacket(kexInit())

  test('reads a packet, whole or not', () => {
    expect(view.decode(packet, 0, packet.length)).toBeNull()
    expect(view).toMatchObject({ messageType: 20, packetEnd: packet.length, isWhole: true })
    expect(view.payloadEnd - view.payloadStart).toBe(kexInit().length)
    for (let length = 0; length < 6; length++) expect(view.decode(packet, 0, length)).toBe('ssh.truncated')
    for (let length = 6; length < packet.length; length++) {
      expect(view.decode(packet, 0, length)).toBeNull()
      expect(view.isWhole).toBe(false)
    }
  })

  test('refuses what cannot be one before encryption', () => {
    const flaw = (digits: string) => view.decode(fromHex(digits), 0, 16)
    expect(flaw('00000008 04 15 000000000000 00000000')).toBe('ssh.packet_length')
    expect(flaw('0000000d 04 15 000000000000 00000000')).toBe('ssh.packet_length')
    expect(flaw('0000000d 04 14 000000000000 00000000')).toBeNull()
    expect(flaw('00050004 04 15 000000000000 00000000')).toBe('ssh.packet_length')
    expect(flaw('0000000c 03 15 000000000000 00000000')).toBe('ssh.padding')
    expect(flaw('0000000c 0b 15 000000000000 00000000')).toBe('ssh.padding')
    expect(flaw('0000000c 0a 15 000000000000 00000000')).toBeNull()
  })
})

describe('readKexInit', () => {
  test('reads every list', () => {
    expect(kex({ kex: 'a,b', hostKey: 'c', encryption: ['d', 'e'], mac: ['f', 'g'], compression: ['h', 'i'] })).toEqual(
      {
        kexAlgorithms: 'a,b',
        hostKeyAlgorithms: 'c',
        encryptionClientToServer: 'd',
        encryptionServerToClient: 'e',
        macClientToServer: 'f',
        macServerToClient: 'g',
        compressionClientToServer: 'h',
        compressionServerToClient: 'i',
        languagesClientToServer: '',
        languagesServerToClient: '',
        firstKexPacketFollows: false,
      },
    )
  })

  test('every truncation is a flaw', () => {
    // Without the reserved octets at the end nothing is missing that is read.
    const whole = kexInit()
    for (let length = 1; length < whole.length - 4; length++) {
      const packet = sshPacket(whole.subarray(0, length))
      expect(view.decode(packet, 0, packet.length)).toBeNull()
      expect(readKexInit(view).flaw, `cut at ${length}`).toBe('ssh.kexinit')
    }
  })

  test('refuses lists longer than any', () => {
    const packet = sshPacket(kexInit({ kex: 'x'.repeat(9000) }))
    expect(view.decode(packet, 0, packet.length)).toBeNull()
    expect(readKexInit(view)).toMatchObject({ kexAlgorithms: '', hostKeyAlgorithms: '', flaw: 'ssh.kexinit' })
  })

  test('reads nothing outside its packet, whatever the octets', () => {
    const packet = sshPacket(kexInit())
    fc.assert(
      fc.property(
        fc.nat(packet.length),
        fc.array(fc.tuple(fc.nat(packet.length - 1), fc.nat(255)), { maxLength: 5 }),
        (length, changes) => {
          const octets = packet.slice()
          for (const [at, value] of changes) octets[at] = value
          const { among, elsewhere } = inWindow(octets.subarray(0, length), (bytes, start, end) => {
            const flaw = view.decode(bytes, start, end)
            if (flaw !== null || !view.isWhole) return flaw
            return [readKexInit(view), disconnectReason(view)]
          })
          expect(among).toEqual(elsewhere)
        },
      ),
      { seed: 4253, numRuns: 2000 },
    )
  })
})

describe('HASSH', () => {
  test('gives the values of its description', () => {
    const server = kex({
      kex: 'curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group14-sha1',
      encryption: [
        'x',
        'chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com',
      ],
      mac: [
        'x',
        'umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-64@openssh.com,umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1',
      ],
      compression: ['x', 'none,zlib@openssh.com'],
    })
    expect(hasshServer(server)).toBe('d43d91bc39d5aaed819ad9f6b57b7348')
    const client = kex({
      kex: 'diffie-hellman-group-exchange-sha256,diffie-hellman-group-exchange-sha1,diffie-hellman-group14-sha1,diffie-hellman-group1-sha1',
      encryption: [
        'aes128-ctr,aes192-ctr,aes256-ctr,aes256-cbc,rijndael-cbc@lysator.liu.se,aes192-cbc,aes128-cbc,blowfish-cbc,arcfour128,arcfour,cast128-cbc,3des-cbc',
        'x',
      ],
      mac: [
        'hmac-sha2-256,hmac-sha2-512,hmac-sha1,hmac-sha1-96,hmac-md5,hmac-md5-96,hmac-ripemd160,hmac-ripemd160@openssh.com',
        'x',
      ],
      compression: ['none', 'x'],
    })
    expect(hassh(client)).toBe('a7a87fbe86774c2e40cc4a7ea2ab1b3c')
  })
})

describe('agreementOf', () => {
  test('is the first choice of the client that the server has too', () => {
    const client = kex({ kex: 'new,old', encryption: ['a,b', 'b'], mac: ['m', 'n'] })
    const server = kex({ kex: 'old,new', encryption: ['b,a', 'c'], mac: ['m', 'n'], hostKey: 'ssh-rsa' })
    expect(agreementOf(client, server)).toEqual({
      kexAlgorithm: 'new',
      encryptionClientToServer: 'a',
      macClientToServer: 'm',
      macServerToClient: 'n',
      compressionServerToClient: 'none',
    })
  })
})

describe('sshWireLength', () => {
  test('counts padding, length field and tag as each cipher wants them', () => {
    const of = (cipher: string, mac = '') => [1, 24].map((length) => sshWireLength(length, cipher, mac))
    expect(of('chacha20-poly1305@openssh.com')).toEqual([28, 52])
    expect(of('aes256-gcm@openssh.com')).toEqual([36, 52])
    expect(of('aes128-ctr', 'hmac-sha2-256-etm@openssh.com')).toEqual([52, 68])
    expect(of('aes128-ctr', 'hmac-sha2-256')).toEqual([48, 80])
    expect(of('3des-cbc', 'hmac-sha1')).toEqual([36, 60])
    expect(of('aes128-cbc', 'umac-64@openssh.com')).toEqual([24, 56])
    expect(of('rot13', 'hmac-sha1')).toEqual([undefined, undefined])
    expect(of('aes128-ctr', 'hmac-unknown')).toEqual([undefined, undefined])
  })
})

describe('sshClearLengthTag', () => {
  test('is known where the length of a packet stands in clear', () => {
    expect(sshClearLengthTag('aes128-gcm@openssh.com', '')).toBe(16)
    expect(sshClearLengthTag('aes128-ctr', 'hmac-sha2-512-etm@openssh.com')).toBe(64)
    expect(sshClearLengthTag('aes128-ctr', 'hmac-sha2-512')).toBeUndefined()
    expect(sshClearLengthTag('chacha20-poly1305@openssh.com', 'umac-64-etm@openssh.com')).toBeUndefined()
  })
})

describe('names', () => {
  test('of messages and of reasons to disconnect', () => {
    expect([1, 20, 21, 31, 99].map(sshMessageName)).toEqual(['DISCONNECT', 'KEXINIT', 'NEWKEYS', 'KEX_31', '99'])
    const packet = sshPacket(concat(fromHex('01'), be32(3), be32(0), be32(0)))
    expect(view.decode(packet, 0, packet.length)).toBeNull()
    expect(disconnectReason(view)).toBe('KEY_EXCHANGE_FAILED')
    const empty = sshPacket(fromHex('01'))
    expect(view.decode(empty, 0, empty.length)).toBeNull()
    expect(disconnectReason(view)).toBe('unknown')
  })
})
