import { describe, expect, test } from 'vitest'
import { ServiceLog, type LogOptions } from '../../src/service/log.ts'

function logged(options: Partial<LogOptions> = {}) {
  const lines: string[] = []
  const clock = { ms: 0 }
  const log = new ServiceLog({
    level: 'info',
    format: 'json',
    perMinute: 3,
    name: 'sensor-1',
    isTerminal: false,
    write: (line) => lines.push(line),
    monotonicMs: () => clock.ms,
    ...options,
  })
  return { log, lines, clock, records: () => lines.map((line) => JSON.parse(line)) }
}

describe('as JSON', () => {
  test('a line is an object with time, level, sensor and message', () => {
    const { log, records } = logged()
    log.info('state restored', { entries: 7 })
    expect(records()).toEqual([
      {
        'log.level': 'info',
        '@timestamp': expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        'observer.name': 'sensor-1',
        'process.pid': process.pid,
        entries: 7,
        message: 'state restored',
      },
    ])
  })

  test('levels below the one that is wanted are left out, and it may change', () => {
    const { log, records } = logged()
    log.debug('no')
    log.level = 'debug'
    log.debug('yes')
    expect(records().map(({ message }) => message)).toEqual(['yes'])
  })

  test('secrets are not written, wherever they stand', () => {
    const { log, lines } = logged()
    log.info('opened', { password: 'hunter2', sink: { token: 'hunter2', routingKey: 'hunter2', host: 'h' } })
    expect(lines.join()).not.toContain('hunter2')
    expect(lines.join()).toContain('"host":"h"')
  })
})

test('plain lines are for a terminal: nothing from the network acts on it', () => {
  const { log, lines } = logged({ format: 'auto', isTerminal: true })
  log.warn('no \u001b[2J\nsuch host', { user: 'a\u0007' })
  expect(lines).toEqual([
    expect.stringMatching(/^\d\d:\d\d:\d\d warn {2}no \\u001b\[2J\\u000asuch host {2}user=a\\u0007\n$/),
  ])
})

test('without a terminal auto is JSON', () => {
  const { log, records } = logged({ format: 'auto' })
  log.info('x')
  expect(records()).toHaveLength(1)
})

describe('messages that repeat themselves', () => {
  test('are written a few times a minute, whatever their numbers; then their count is', () => {
    const { log, clock, records } = logged()
    for (let i = 0; i < 10; i++) log.warn(`store: ${500 + i} Service Unavailable`)
    log.warn('something else')
    expect(records().map(({ message }) => message)).toEqual([
      'store: 500 Service Unavailable',
      'store: 501 Service Unavailable',
      'store: 502 Service Unavailable',
      'something else',
    ])
    clock.ms = 59_999
    log.tick()
    expect(records()).toHaveLength(4)
    clock.ms = 60_000
    log.tick()
    expect(records().at(-1)).toMatchObject({
      'log.level': 'warn',
      suppressed: 7,
      message: '7 more suppressed of: store: 500 Service Unavailable',
    })
    log.warn('store: 503 Service Unavailable')
    expect(records().at(-1)?.message).toBe('store: 503 Service Unavailable')
  })

  test('are told at the end, and when there are too many kinds of them', () => {
    const { log, records } = logged({ perMinute: 1 })
    for (let i = 0; i < 3; i++) log.info('first')
    for (let i = 0; i < 1024; i++) log.info(`kind ${'x'.repeat(i)}`)
    expect(records().filter(({ suppressed }) => suppressed === 2)).toHaveLength(1)
    log.info('last')
    log.info('last')
    log.end()
    expect(records().at(-1)?.message).toBe('1 more suppressed of: last')
  })
})
