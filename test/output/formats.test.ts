/** What goes over the wire in each format: goldens that a reviewer reads, and hostile fields that must not break out. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { EventDocument } from '../../src/events/fields.ts'
import { formatCef } from '../../src/output/cef.ts'
import { emailOf } from '../../src/output/email-message.ts'
import { formatLeef } from '../../src/output/leef.ts'
import { FACILITIES, formatSyslog, SYSLOG_FORMATS } from '../../src/output/syslog-message.ts'
import { pagerDutyBody, slackBody, teamsBody } from '../../src/output/webhook-bodies.ts'
import { alert, FULL_ALERT, HOSTILE, hostileAlert, notificationOf, notificationsOf } from '../support/alerts.ts'
import { parseCef, parseLeef, parseSyslog } from '../support/siem-parsers.ts'

const golden = (name: string) => join(import.meta.dirname, '../golden/alerts', name)
const ONE = notificationOf(FULL_ALERT)
/** Three alerts of one group, of which two had to wait. */
const SEVERAL = notificationsOf(
  [0, 30, 60].map((at, index) => ({
    ...FULL_ALERT,
    '@timestamp': `2026-01-31T12:0${at / 60 < 1 ? 0 : 1}:${String(at % 60).padStart(2, '0')}.000000Z`,
    'event.id': `${index}`.repeat(20),
    message: `Password guessing: alice (1${index} events)`,
  })),
  {
    deduplicateUs: 0,
    throttle: { notifications: 1, periodUs: 3600e6 },
    group: { by: ['rule.id', 'alert.entity'], waitUs: 0, repeatUs: 300e6 },
    groupsMax: 10,
    groupsBytesMax: 1e9,
  },
)[1]
const V6: EventDocument = notificationOf({
  ...FULL_ALERT,
  'source.ip': '2001:db8::7',
  'destination.ip': '2001:db8::1',
  'network.type': 'ipv6',
})

const SYSLOG = { facility: 'local0', maxBytes: 8192 } as const

function syslog(document: EventDocument, format: (typeof SYSLOG_FORMATS)[number], maxBytes = 8192): string {
  return formatSyslog(document, { ...SYSLOG, format, maxBytes })?.toString() ?? ''
}

describe('golden', () => {
  test.each(SYSLOG_FORMATS)('syslog as %s', async (format) => {
    const lines = [ONE, SEVERAL, V6].map((document) => syslog(document, format))
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(golden(`syslog-${format}.txt`))
  })

  test.each([
    ['slack', slackBody],
    ['teams', teamsBody],
    ['pagerduty', (document: EventDocument) => pagerDutyBody(document, 'R0UT1NGKEY')],
  ] as const)('the body for %s', async (name, bodyOf) => {
    const bodies = [ONE, SEVERAL].map(bodyOf)
    await expect(`${JSON.stringify(bodies, null, 2)}\n`).toMatchFileSnapshot(golden(`${name}.json`))
  })

  test('a mail, and a digest', async () => {
    const texts = [[ONE], [ONE, SEVERAL]].map((batch) => {
      const { text, html, ...head } = emailOf(batch, 'example.org', '[Borescope]')
      return `${JSON.stringify(head, null, 2)}\n\n${text}\n${html}`
    })
    await expect(texts.join(`\n${'='.repeat(80)}\n\n`)).toMatchFileSnapshot(golden('mail.txt'))
  })
})

describe('syslog (RFC 5424)', () => {
  test('PRI is eight times the facility and the severity of the level', () => {
    const levels = ['informational', 'low', 'medium', 'high', 'critical'] as const
    const priorities = levels.map((level) => parseSyslog(syslog(notificationOf(alert({ level })), 'rfc5424')).priority)
    expect(priorities).toEqual([134, 133, 132, 131, 130])
    for (const [facility, code] of Object.entries(FACILITIES)) {
      const bytes = formatSyslog(ONE, { ...SYSLOG, facility: facility as keyof typeof FACILITIES, format: 'rfc5424' })
      expect(parseSyslog(String(bytes)).priority).toBe(code * 8 + 3)
    }
  })

  test('a sentence that is not ASCII begins with a BOM, an ASCII one does not', () => {
    expect(parseSyslog(syslog(ONE, 'rfc5424')).message.charCodeAt(0)).toBe('P'.charCodeAt(0))
    const { message } = parseSyslog(syslog({ ...ONE, message: 'Müller' }, 'rfc5424'))
    expect(message).toBe('\ufeffMüller')
    expect(Buffer.from(syslog({ ...ONE, message: 'Müller' }, 'rfc5424')).includes(Buffer.from('efbbbf', 'hex'))).toBe(
      true,
    )
  })

  test('structured data carries the ids', () => {
    const { data } = parseSyslog(syslog(ONE, 'rfc5424'))
    expect(data['borescope@32473']).toMatchObject({
      id: ONE['event.id'],
      ruleId: FULL_ALERT['rule.id'],
      level: 'high',
      entity: 'alice',
      tunnel: 't-81dc9bdb52d04dc2',
    })
    expect(data['origin']).toEqual({ software: 'Borescope', swVersion: '1.2.3' })
  })

  test('JSON is the nested document', () => {
    const { message } = parseSyslog(syslog(ONE, 'json'))
    expect(JSON.parse(message)).toMatchObject({
      event: { id: ONE['event.id'] },
      rule: { level: 'high' },
      user: { name: 'alice' },
    })
  })

  test.each(SYSLOG_FORMATS)('%s fits into any size, whole characters only, JSON whole', (format) => {
    const document = notificationOf(hostileAlert('😀'.repeat(5000)))
    for (const maxBytes of [2048, 2049, 2050, 2051, 3000, 8192, 60_000]) {
      const bytes = formatSyslog(document, { ...SYSLOG, format, maxBytes })
      expect(bytes).not.toBeNull()
      expect(bytes?.length).toBeLessThanOrEqual(maxBytes)
      const { message } = parseSyslog(String(bytes))
      expect(message).not.toContain('\ufffd')
      if (format === 'json') expect(JSON.parse(message).event.id).toBe(document['event.id'])
    }
  })

  test('what cannot fit at all is refused', () => {
    expect(formatSyslog(ONE, { ...SYSLOG, format: 'json', maxBytes: 200 })).toBeNull()
    expect(formatSyslog(ONE, { ...SYSLOG, format: 'rfc5424', maxBytes: 200 })).toBeNull()
  })
})

describe.each(HOSTILE.map((text) => [JSON.stringify(text.slice(0, 40)), text]))('a field that holds %s', (_, text) => {
  const document = notificationOf(hostileAlert(text))

  test.each(SYSLOG_FORMATS)('stays in its place in syslog as %s', (format) => {
    const line = syslog(document, format, 60_000)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(line.replaceAll('\t', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/)
    const { priority, appName, messageId, data } = parseSyslog(line)
    expect([priority, appName, messageId]).toEqual([131, 'borescope', 'alert.notified'])
    const isOurs = format === 'rfc5424' || format === 'json'
    expect(Object.keys(data)).toEqual(isOurs ? ['borescope@32473', 'origin'] : [])
  })

  test('stays in its place in CEF, and comes back from it', () => {
    const { header, extension } = parseCef(formatCef(document))
    expect(header).toHaveLength(7)
    expect(header.slice(0, 3)).toEqual(['0', 'Borescope', 'Borescope'])
    expect(header[6]).toBe('8')
    expect(Object.keys(extension)).toEqual(
      Object.keys(parseCef(formatCef(notificationOf(hostileAlert('x')))).extension),
    )
    // biome-ignore lint/suspicious/noControlCharactersInRegex: invisible characters are shown by their number
    const isPlain = text.length < 1000 && !/[\u0000-\u0008\t\u000e-\u001f\u202e]/.test(text)
    if (isPlain) expect(extension['suser']).toBe(text)
  })

  test.each(['1.0', '2.0'] as const)('stays in its place in LEEF %s', (version) => {
    const { header, attributes } = parseLeef(formatLeef(document, version))
    expect(header.slice(0, 3)).toEqual([version, 'Borescope', 'Borescope'])
    expect(header).toHaveLength(version === '1.0' ? 5 : 6)
    expect(Object.keys(attributes)).toEqual(
      Object.keys(parseLeef(formatLeef(notificationOf(hostileAlert('x')), version)).attributes),
    )
    // biome-ignore lint/suspicious/noControlCharactersInRegex: invisible characters are shown by their number
    if (text.length < 400 && !/[\u0000-\u001f\u202e]/.test(text)) expect(attributes['usrName']).toBe(text)
  })

  test('stays in its place in a mail', () => {
    const { subject, html, text: body, messageId } = emailOf([document], 'example.org', '')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(subject).not.toMatch(/[\u0000-\u001f\u202e]/)
    expect(subject.length).toBeLessThan(300)
    expect(body.length).toBeLessThan(10_000)
    expect(html).not.toMatch(/<script|<!channel/)
    expect(html.match(/<a /g)).toHaveLength(1)
    expect(messageId).toBe(`<${document['event.id']}@example.org>`)
  })

  test('mentions and links nobody in Slack, and stays within its bounds', () => {
    const body = slackBody(document) as {
      blocks: { text?: { type: string; text: string }; fields?: { type: string; text: string }[] }[]
      text: string
    }
    const marked = [
      body.text,
      ...body.blocks
        .flatMap((block) => [...(block.fields ?? []), ...(block.text ? [block.text] : [])])
        .filter(({ type }) => type === 'mrkdwn')
        .map((block) => block.text),
    ]
    for (const part of marked) expect(part).not.toMatch(/[<>]/)
    expect(body.blocks[0].text?.text.length).toBeLessThanOrEqual(150)
    for (const { fields } of body.blocks) expect(fields?.length ?? 0).toBeLessThanOrEqual(10)
    expect(JSON.stringify(body).length).toBeLessThan(20_000)
  })

  test('stays within the bounds of Teams and PagerDuty', () => {
    // 28 KB is what a Teams message may hold.
    expect(Buffer.byteLength(JSON.stringify(teamsBody(document)))).toBeLessThan(28_000)
    const body = pagerDutyBody(document, 'key') as { dedup_key: string; payload: { summary: string } }
    expect(body.dedup_key.length).toBeLessThanOrEqual(255)
    expect(body.payload.summary.length).toBeLessThanOrEqual(1024)
  })
})

test('PagerDuty joins alerts of one rule and entity, and nothing else', () => {
  const keyOf = (document: EventDocument) => (pagerDutyBody(document, 'key') as { dedup_key: string }).dedup_key
  expect(keyOf(notificationOf(alert({ at: 0 })))).toBe(keyOf(notificationOf(alert({ at: 9, events: 5 }))))
  expect(keyOf(notificationOf(alert()))).not.toBe(keyOf(notificationOf(alert({ entity: 'bob' }))))
  expect(keyOf(notificationOf(alert()))).not.toBe(keyOf(notificationOf(alert({ rule: 'Other' }))))
  const long = (end: string) => keyOf(notificationOf(alert({ entity: `${'x'.repeat(300)}${end}` })))
  expect(long('a')).not.toBe(long('b'))
})

test('a mail answers the first of its group, and its id is that of its event', () => {
  const mail = emailOf([SEVERAL], 'example.org', '[Borescope]')
  expect(mail.messageId).toBe(`<${SEVERAL['event.id']}@example.org>`)
  expect(mail.inReplyTo).toBe(`<${SEVERAL['alert.notification.group']}@example.org>`)
  expect(emailOf([ONE], 'example.org', '').inReplyTo).toBeUndefined()
  expect(emailOf([SEVERAL], 'example.org', '[Borescope]')).toEqual(mail)
})
