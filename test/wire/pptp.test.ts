import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  describePptp,
  PPTP_MESSAGE_BYTES_MAX,
  type PptpMessage,
  PptpCursor,
  pptpMessageName,
  PptpView,
} from '../../src/wire/pptp.ts'
import { concat, fromHex, utf8 } from '../support/craft.ts'
import {
  callDisconnectNotify,
  echoReply,
  echoRequest,
  everyPptpMessage,
  pptpControl,
  startReply,
  startRequest,
  stopRequest,
} from '../support/pptp.ts'
import { inWindow } from '../support/window.ts'

const view = new PptpView()

function described(bytes: Uint8Array): PptpMessage | string {
  const { among, elsewhere } = inWindow(bytes, (buffer, start, end) => {
    const flaw = view.decode(buffer, start, end)
    return flaw ?? describePptp(view)
  })
  expect(among).toEqual(elsewhere)
  return among
}

const EVERY = everyPptpMessage()

const EXPECTED: readonly Partial<PptpMessage>[] = [
  {
    length: 156,
    messageName: 'Start-Control-Connection-Request',
    protocolVersion: '1.0',
    framingCapabilities: ['asynchronous', 'synchronous'],
    bearerCapabilities: ['analog', 'digital'],
    maximumChannels: 65535,
    firmwareRevision: 1,
    hostName: 'pac.example',
    vendorName: 'Example',
  },
  {
    length: 156,
    messageName: 'Start-Control-Connection-Reply',
    protocolVersion: '1.0',
    resultCode: 3,
    resultName: 'Command channel already exists',
    errorCode: 0,
    errorName: 'None',
    framingCapabilities: ['asynchronous', 'synchronous'],
    bearerCapabilities: ['analog', 'digital'],
    maximumChannels: 65535,
    firmwareRevision: 1,
    hostName: 'pns.example',
    vendorName: 'vendor',
  },
  { length: 16, messageName: 'Stop-Control-Connection-Request', reason: 3, reasonName: 'Stop local shutdown' },
  {
    length: 16,
    messageName: 'Stop-Control-Connection-Reply',
    resultCode: 2,
    resultName: 'General error',
    errorCode: 6,
    errorName: 'PAC error',
  },
  { length: 16, messageName: 'Echo-Request', identifier: 0xdeadbeef },
  {
    length: 20,
    messageName: 'Echo-Reply',
    identifier: 0xdeadbeef,
    resultCode: 1,
    resultName: 'OK',
    errorCode: 0,
    errorName: 'None',
  },
  {
    length: 168,
    messageName: 'Outgoing-Call-Request',
    callId: 1,
    callSerialNumber: 1,
    minimumBps: 2400,
    maximumBps: 10_000_000,
    bearerType: ['analog', 'digital'],
    framingType: ['asynchronous', 'synchronous'],
    receiveWindowSize: 64,
    processingDelay: 5,
    phoneNumberLength: 7,
    phoneNumber: '5551234',
    subaddress: 'sub',
  },
  {
    length: 32,
    messageName: 'Outgoing-Call-Reply',
    callId: 2,
    peerCallId: 1,
    resultCode: 4,
    resultName: 'Busy',
    errorCode: 0,
    errorName: 'None',
    causeCode: 17,
    connectSpeed: 100_000_000,
    receiveWindowSize: 64,
    processingDelay: 0,
    physicalChannelId: 9,
  },
  {
    length: 220,
    messageName: 'Incoming-Call-Request',
    callId: 1,
    callSerialNumber: 1,
    bearerType: ['digital'],
    physicalChannelId: 7,
    dialedNumberLength: 7,
    dialingNumberLength: 7,
    dialedNumber: '5551234',
    dialingNumber: '5554321',
    subaddress: 'sub',
  },
  {
    length: 24,
    messageName: 'Incoming-Call-Reply',
    callId: 2,
    peerCallId: 1,
    resultCode: 1,
    resultName: 'Connect',
    errorCode: 0,
    errorName: 'None',
    receiveWindowSize: 16,
    processingDelay: 3,
  },
  {
    length: 28,
    messageName: 'Incoming-Call-Connected',
    peerCallId: 2,
    connectSpeed: 64_000,
    receiveWindowSize: 8,
    processingDelay: 2,
    framingType: ['asynchronous'],
  },
  { length: 16, messageName: 'Call-Clear-Request', callId: 7 },
  {
    length: 148,
    messageName: 'Call-Disconnect-Notify',
    callId: 1,
    resultCode: 3,
    resultName: 'Admin shutdown',
    errorCode: 0,
    errorName: 'None',
    causeCode: 16,
    callStatistics: 'minutes: 3',
  },
  {
    length: 40,
    messageName: 'WAN-Error-Notify',
    peerCallId: 7,
    crcErrors: 1,
    framingErrors: 2,
    hardwareOverruns: 3,
    bufferOverruns: 4,
    timeoutErrors: 5,
    alignmentErrors: 6,
  },
  { length: 24, messageName: 'Set-Link-Info', peerCallId: 7, sendAccm: '0x000a0000', receiveAccm: '0xffffffff' },
]

describe('PptpView', () => {
  test('reads every field of every message', () => {
    expect(EVERY.length).toBe(15)
    EVERY.forEach((message, index) => {
      expect(described(message)).toEqual({ messageType: 1, controlType: index + 1, ...EXPECTED[index] })
    })
  })

  test('every truncation of every message waits for more', () => {
    for (const message of EVERY) {
      for (let length = 0; length < message.length; length++)
        expect(described(message.subarray(0, length)), `${length}`).toBe('pptp.truncated')
    }
  })

  test('names its other flaws', () => {
    const echo = (fields: object) => described(pptpControl(5, new Uint8Array(4), fields))
    expect(echo({ magic: 0x1a2b3c4e })).toBe('pptp.magic')
    expect(echo({ messageType: 3 })).toBe('pptp.message_type')
    expect(echo({ length: 15 })).toBe('pptp.length')
    expect(echo({ length: 11 })).toBe('pptp.length')
    expect(echo({ length: PPTP_MESSAGE_BYTES_MAX + 1 })).toBe('pptp.length')
    expect(described(pptpControl(16, new Uint8Array(4)))).toBe('pptp.control_type')
    expect(described(pptpControl(0, new Uint8Array(0)))).toBe('pptp.control_type')
    // What cannot become PPTP is not waited for.
    expect(described(utf8('GET / HT'))).toBe('pptp.magic')
  })

  test('tells what is odd, and reads the rest', () => {
    expect(described(concat(pptpControl(5, fromHex('00000001'), { length: 20 }), new Uint8Array(4)))).toMatchObject({
      identifier: 1,
      findings: ['pptp.length_excess'],
    })
    expect(described(pptpControl(5, fromHex('00000001'), { reserved: 1 }))).toMatchObject({
      findings: ['pptp.reserved'],
    })
    expect(described(pptpControl(3, fromHex('01000001')))).toMatchObject({ reason: 1, findings: ['pptp.reserved'] })
    expect(described(callDisconnectNotify({ result: 9, error: 9 }))).toMatchObject({
      resultName: 'unknown',
      errorName: 'unknown',
    })
    expect(described(stopRequest(9))).toMatchObject({ reasonName: 'unknown' })
  })

  test('knows management messages by their type alone', () => {
    expect(described(pptpControl(7, new Uint8Array(0), { messageType: 2 }))).toEqual({
      length: 12,
      messageType: 2,
      controlType: 7,
      messageName: 'Management',
    })
  })

  test('text that fills its field has no zero at its end', () => {
    expect(described(startRequest({ hostName: 'h'.repeat(80) }))).toMatchObject({ hostName: 'h'.repeat(64) })
  })

  test('the fields before the end of a cut message are told', () => {
    const message = startReply({ hostName: 'pns.example' })
    expect(view.decode(message, 0, 100)).toBe('pptp.truncated')
    const record = describePptp(view, 100)
    expect(record).toMatchObject({ protocolVersion: '1.0', resultCode: 1, hostName: 'pns.example' })
    expect(record).not.toHaveProperty('vendorName')
  })
})

describe('PptpCursor', () => {
  const cursor = new PptpCursor()

  function walked(bytes: Uint8Array): { types: number[]; rest: number; flaw: string | null } {
    const types: number[] = []
    cursor.over(bytes, 0, bytes.length)
    while (cursor.next()) types.push(cursor.view.controlType)
    return { types, rest: bytes.length - cursor.restStart, flaw: cursor.flaw }
  }

  test('walks message after message', () => {
    const stream = concat(echoRequest(1), echoReply(1), stopRequest())
    expect(walked(stream)).toEqual({ types: [5, 6, 3], rest: 0, flaw: null })
    expect(walked(new Uint8Array(0))).toEqual({ types: [], rest: 0, flaw: null })
  })

  test('leaves what goes on in the next piece', () => {
    const stream = concat(echoRequest(1), startRequest())
    for (let length = 17; length < stream.length; length++)
      expect(walked(stream.subarray(0, length))).toEqual({ types: [5], rest: length - 16, flaw: 'pptp.truncated' })
  })

  test('goes on past a type that it does not know, and stops where it is out of step', () => {
    const strange = pptpControl(99, new Uint8Array(8))
    expect(walked(concat(strange, echoRequest(1)))).toEqual({ types: [99, 5], rest: 0, flaw: null })
    cursor.over(strange, 0, strange.length)
    expect(cursor.next()).toBe(true)
    expect(cursor.messageFlaw).toBe('pptp.control_type')
    expect(walked(concat(echoRequest(1), utf8('something else')))).toEqual({ types: [5], rest: 14, flaw: 'pptp.magic' })
  })

  test('whatever the octets, it ends and stays inside them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom(...EVERY), fc.uint8Array({ maxLength: 30 })), { maxLength: 6 }),
        (parts) => {
          const bytes = concat(...parts)
          cursor.over(bytes, 0, bytes.length)
          let messages = 0
          while (cursor.next()) {
            messages++
            expect(cursor.view.messageEnd).toBeLessThanOrEqual(bytes.length)
            describePptp(cursor.view)
          }
          expect(messages).toBeLessThanOrEqual(bytes.length / 12)
          expect(cursor.restStart).toBeLessThanOrEqual(bytes.length)
        },
      ),
      { seed: 2637, numRuns: 500 },
    )
  })
})

test('types have names', () => {
  expect(pptpMessageName(13)).toBe('Call-Disconnect-Notify')
  expect(pptpMessageName(99)).toBe('unknown')
})
