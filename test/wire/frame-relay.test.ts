import { describe, expect, test } from 'vitest'
import { describeFrameRelay, FrameRelayView } from '../../src/wire/frame-relay.ts'
import { fromHex } from '../support/craft.ts'
import { inWindow } from '../support/window.ts'

const IETF_IP = fromHex('1841 03cc 4500')
const CISCO_IP = fromHex('184b 0800 4500')
const SNAP = fromHex('1841 0300 80 0080c2 0007 aabb')
const SNAP_TYPED = fromHex('1841 0300 80 000000 0800 4500')

function read(bytes: Uint8Array): { view: FrameRelayView; flaw: string | null } {
  const view = new FrameRelayView()
  return { view, flaw: view.decode(bytes, 0, bytes.length) }
}

describe('FrameRelayView', () => {
  test('reads the encapsulation of RFC 2427', () => {
    const { view, flaw } = read(IETF_IP)
    expect(flaw).toBeNull()
    expect(view).toMatchObject({ dlci: 100, control: 3, nlpid: 0xcc, etherType: 0x0800, payloadStart: 4 })
    expect(describeFrameRelay(view, IETF_IP)).toMatchObject({ nlpidName: 'IPv4' })
  })

  test('reads Cisco’s encapsulation and the bits of the address', () => {
    const { view, flaw } = read(CISCO_IP)
    expect(flaw).toBeNull()
    expect(view).toMatchObject({
      dlci: 100,
      control: 0,
      etherType: 0x0800,
      fecn: true,
      becn: false,
      discardEligible: true,
      commandResponse: false,
    })
  })

  test('reads SNAP behind padding, and an EtherType only where the organization allows one', () => {
    expect(read(SNAP).view).toMatchObject({ nlpid: 0x80, etherType: 0, payloadStart: 10 })
    expect(describeFrameRelay(read(SNAP).view, SNAP)).toMatchObject({ oui: '0080c2', protocol: 7 })
    expect(read(SNAP_TYPED).view).toMatchObject({ etherType: 0x0800, payloadStart: 10 })
  })

  test('reads addresses of three and four octets', () => {
    expect(read(fromHex('1840 05 03cc 45')).view).toMatchObject({ addressLength: 3, dlci: (100 << 6) | 1 })
    expect(read(fromHex('1840 0205 03cc 45')).view).toMatchObject({
      addressLength: 4,
      dlci: (((100 << 7) | 1) << 6) | 1,
    })
  })

  test('refuses an address that does not end, or ends at once', () => {
    expect(read(fromHex('18404040 03cc')).flaw).toBe('fr.address')
    expect(read(fromHex('19410300cc45')).flaw).toBe('fr.address')
  })

  test('every truncation of the header is a flaw with an empty payload', () => {
    for (const [frame, header] of [
      [IETF_IP, 4],
      [CISCO_IP, 4],
      [SNAP, 10],
    ] as const) {
      for (let length = 0; length < header; length++) {
        const { view, flaw } = read(frame.subarray(0, length))
        expect(flaw, `${length} octets`).toBe('fr.truncated')
        expect(view.payloadStart).toBe(view.payloadEnd)
      }
    }
  })

  test('never reads outside its window', () => {
    for (let length = 0; length <= SNAP.length; length++) {
      const { among, elsewhere } = inWindow(SNAP.subarray(0, length), (buffer, start, end) => {
        const view = new FrameRelayView()
        const flaw = view.decode(buffer, start, end)
        return { flaw, dlci: view.dlci, etherType: view.etherType, payload: view.payloadStart - start }
      })
      expect(among).toEqual(elsewhere)
    }
  })
})
