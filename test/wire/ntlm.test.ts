import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeNtlm, isNtlm, type NtlmRecord } from '../../src/wire/ntlm.ts'
import { concat, fromHex } from '../support/craft.ts'
import { ntlmAuthenticate, ntlmChallenge, ntlmNegotiate, RESPONSE_OCTET } from '../support/ntlm.ts'
import { inWindow } from '../support/window.ts'

/** [MS-NLMP] section 4.2.4.3, with the answers of version 2. */
const CHALLENGE = fromHex(
  '4e544c4d53535000020000000c000c003800000033828ae20123456789abcdef00000000000000002400240044000000060070170000000f' +
    '53006500720076006500720002000c0044006f006d00610069006e0001000c0053006500720076006500720000000000',
)
const AUTHENTICATE = fromHex(
  '4e544c4d5353500003000000180018006c00000054005400840000000c000c00480000000800080054000000100010005c00000010001000d8000000' +
    '358288e20501280a0000000f44006f006d00610069006e00550073006500720043004f004d005000550054004500520086c35097ac9cec102554764a' +
    '57cccc19aaaaaaaaaaaaaaaa68cd0ab851e51c96aabc927bebef6a1c01010000000000000000000000000000aaaaaaaaaaaaaaaa0000000002000c00' +
    '44006f006d00610069006e0001000c005300650072007600650072000000000000000000c5dad2544fc9799094ce1ce90bc9d03e',
)

function told(bytes: Uint8Array): NtlmRecord {
  return describeNtlm(bytes, 0, bytes.length)
}

describe('the vectors of the specification', () => {
  test('a challenge tells who the server is, and not what it asks', () => {
    const record = told(CHALLENGE)
    expect(record).toMatchObject({
      messageType: 2,
      messageName: 'CHALLENGE',
      targetName: 'Server',
      osVersion: '6.0.6000',
      target: { netbiosDomainName: 'Domain', netbiosComputerName: 'Server' },
    })
    expect(JSON.stringify(record)).not.toContain('0123456789abcdef')
  })

  test('an answer tells who logs in from where', () => {
    expect(told(AUTHENTICATE)).toMatchObject({
      messageName: 'AUTHENTICATE',
      domain: 'Domain',
      user: 'User',
      workstation: 'COMPUTER',
      ntlmVersion: 'NTLMv2',
      lmResponseLength: 24,
      ntResponseLength: 84,
      osVersion: '5.1.2600',
      target: { netbiosDomainName: 'Domain', netbiosComputerName: 'Server' },
    })
    expect(told(AUTHENTICATE).flagNames).toContain('extended session security')
  })
})

describe('a first message', () => {
  test('may name domain and workstation', () => {
    expect(told(ntlmNegotiate({ domain: 'CORP', workstation: 'PC7' }))).toMatchObject({
      messageName: 'NEGOTIATE',
      domain: 'CORP',
      workstation: 'PC7',
      osVersion: '10.0.19041',
    })
    expect(told(ntlmNegotiate())).not.toHaveProperty('domain')
  })

  test('of the oldest clients ends after its flags', () => {
    const record = told(fromHex('4e544c4d53535000 01000000 07820000'))
    expect(record).toEqual({
      messageType: 1,
      messageName: 'NEGOTIATE',
      flags: 0x8207,
      flagNames: ['NTLM', 'always sign'],
    })
  })
})

describe('an answer', () => {
  test('betrays which version of the protocol it uses', () => {
    expect(told(ntlmAuthenticate({ response: 'NTLMv2' })).ntlmVersion).toBe('NTLMv2')
    expect(told(ntlmAuthenticate({ response: 'NTLMv1' })).ntlmVersion).toBe('NTLMv1')
    expect(told(ntlmAuthenticate({ response: 'ESS' })).ntlmVersion).toBe('NTLMv1 with extended session security')
    expect(told(ntlmAuthenticate({ response: 'none', user: '', userDomain: '' }))).toMatchObject({
      ntlmVersion: 'anonymous',
      user: '',
    })
  })

  test('tells which service is meant, and whether the messages are protected', () => {
    const record = told(ntlmAuthenticate({ spn: 'cifs/files.corp.example', isProtected: true, domain: 'CORP' }))
    expect(record.target).toEqual({ netbiosDomainName: 'CORP', targetSpn: 'cifs/files.corp.example' })
    expect(record.hasMic).toBe(true)
    expect(told(ntlmAuthenticate({}))).not.toHaveProperty('hasMic')
  })

  test('never tells an octet of a response or a key', () => {
    const digits = RESPONSE_OCTET.toString(16)
    for (const response of ['NTLMv2', 'NTLMv1', 'ESS', 'none'] as const) {
      const text = JSON.stringify(told(ntlmAuthenticate({ response })))
      expect(text).not.toContain(digits + digits)
      expect(text).not.toContain(String.fromCharCode(RESPONSE_OCTET))
      expect(text).not.toContain('\ufffd')
    }
  })
})

describe('a malformed message', () => {
  test('has a named flaw', () => {
    expect(told(fromHex('4e544c4d53535000')).flaw).toBe('ntlm.truncated')
    expect(told(fromHex('4e544c4d53535001 01000000 07820000')).flaw).toBe('ntlm.signature')
    expect(told(fromHex('4e544c4d53535000 04000000 07820000')).flaw).toBe('ntlm.message_type')
    const lying = ntlmAuthenticate()
    lying[48] = 0xff
    lying[49] = 0xff
    expect(told(lying)).toMatchObject({ flaw: 'ntlm.field', user: 'alice' })
  })

  test('every truncation is a flaw, and of what the capture cut it is none', () => {
    for (const bytes of [
      ntlmNegotiate({ domain: 'CORP', workstation: 'PC7' }),
      ntlmChallenge({ domain: 'CORP' }),
      ntlmAuthenticate(),
    ]) {
      for (let end = 0; end < bytes.length; end++) {
        const cut = describeNtlm(bytes, 0, end, bytes.length)
        expect(cut.flaw).toBeUndefined()
        if (end > 40) expect(cut.isSnapped).toBe(true)
        const { flaw } = describeNtlm(bytes, 0, end)
        if (end < 16) expect(flaw).toBe('ntlm.truncated')
        // A first message of the oldest clients ends anywhere here.
        else if (end >= 32) expect(flaw).toMatch(/^ntlm\./)
      }
    }
  })

  test('is known by its signature', () => {
    expect(isNtlm(CHALLENGE, 0, CHALLENGE.length)).toBe(true)
    expect(isNtlm(CHALLENGE, 0, 7)).toBe(false)
    expect(isNtlm(CHALLENGE, 1, 20)).toBe(false)
  })

  test('whatever the octets, nothing outside the window is read', () => {
    fc.assert(
      fc.property(fc.constantFrom(1, 2, 3), fc.uint8Array({ maxLength: 160 }), (type, rest) => {
        const bytes = concat(fromHex('4e544c4d53535000'), Uint8Array.of(type, 0, 0, 0), rest)
        const { among, elsewhere } = inWindow(bytes, (buffer, start, end) => describeNtlm(buffer, start, end))
        expect(among).toEqual(elsewhere)
      }),
      { numRuns: 2000 },
    )
  })
})
