import { describe, expect, test } from 'vitest'
import { isPlausible, readAvp } from '../../src/wire/l2tp-attributes.ts'
import { L2TPV3_KINDS, meaningOf, pseudowireName, sublayerName } from '../../src/wire/l2tpv3-avp.ts'
import { fromHex } from '../support/craft.ts'
import { inWindow } from '../support/window.ts'

function read(type: number, octets: string): unknown {
  const value = fromHex(octets)
  return readAvp(0, type, value, 0, value.length)
}

describe('the attributes of version 3', () => {
  test('are read with their structure', () => {
    expect(read(58, '00012345 0007 aabb')).toEqual({
      extendedVendorId: 0x12345,
      extendedType: 7,
      extendedValue: 'aabb',
    })
    expect(read(60, 'c0000201')).toBe(0xc0000201)
    expect(read(71, '0065')).toEqual(['active', 'circuit receive fault', 'network transmit fault', 'standby'])
    expect(read(71, '8000')).toEqual(['0x8000'])
    expect(read(74, '00000002540be400')).toBe(10_000_000_000)
    expect(read(76, '0003 000003e8')).toEqual({ failover: ['data channel', 'control channel'], recoveryTimeMs: 1000 })
    expect(read(78, '0000 0007 0009')).toEqual({ suggestedNs: 7, suggestedNr: 9 })
    expect(read(85, '0004')).toBe(4)
    expect(read(86, '001d')).toBe(29)
    expect(read(88, '0002 0003')).toEqual({ circuitStatusReason: 2, alarm: 3 })
    expect(read(91, '05dc')).toBe(1500)
    expect(read(96, '0105')).toEqual({
      controlChannels: ['V bit'],
      connectivityChecks: ['ICMP ping', 'BFD over IP, fault detection'],
    })
    expect(read(102, '00000001 00000002')).toEqual([1, 2])
  })

  test('whose width depends on the version are read by their length', () => {
    expect(read(77, '0000 0001 0002')).toEqual({ id: 1, remoteId: 2 })
    expect(read(77, '0000 00000001 00000002')).toEqual({ id: 1, remoteId: 2 })
    expect(read(97, '0000 0007 00000064 00000065')).toEqual({
      updatedSessionId: 7,
      currentTxSpeed: 100,
      currentRxSpeed: 101,
    })
    expect(read(97, '00000007 0000000000000064 0000000000000065')).toEqual({
      updatedSessionId: 7,
      currentTxSpeed: 100,
      currentRxSpeed: 101,
    })
  })

  test('are not read when they are too short, and never outside themselves', () => {
    for (const [name, kind] of Object.entries(L2TPV3_KINDS)) {
      const whole = Uint8Array.from({ length: Math.min(kind.octets[1], 24) }, (_, index) => index + 1)
      for (let length = kind.octets[0]; length <= whole.length; length++) {
        const { among, elsewhere } = inWindow<object>(whole.subarray(0, length), kind.read)
        expect(among, `${name} of ${length}`).toEqual(elsewhere)
      }
    }
    for (const type of [58, 71, 76, 77, 78, 79, 88, 96, 97, 102]) {
      expect(read(type, '00')).toBeUndefined()
      expect(isPlausible(0, type, fromHex('00'), 0, 1)).toBe(false)
    }
  })
})

describe('the registries in words', () => {
  test('name pseudowires and sublayers', () => {
    expect(pseudowireName(5)).toBe('Ethernet')
    expect(pseudowireName(500)).toBe('type 500')
    expect(sublayerName(2)).toBe('ATM')
    expect(sublayerName(9)).toBe('type 9')
  })

  test('say nothing of what has no words', () => {
    expect(meaningOf('hostName', 'a')).toBeUndefined()
    expect(meaningOf('pseudowireType', undefined)).toBeUndefined()
    expect(meaningOf('dataSequencing', 1)).toBe('non-IP data')
  })
})
