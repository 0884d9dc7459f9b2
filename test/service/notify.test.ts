import { expect, test } from 'vitest'
import { Notifier } from '../../src/service/notify.ts'

function notified(watchdogUs = 0) {
  const said: string[] = []
  const warnings: string[] = []
  const failing = { is: false }
  const notifier = new Notifier({
    send: (text) => {
      if (failing.is) throw new Error('ECONNREFUSED')
      said.push(text)
    },
    watchdogUs,
    warn: (message) => warnings.push(message),
  })
  return { notifier, said, warnings, failing }
}

test('a life: ready, reloading, ready, stopping', () => {
  const { notifier, said } = notified()
  notifier.ready('0 packets')
  notifier.status('0 packets')
  notifier.status('5 packets\nMAINPID=1')
  notifier.reloading(123)
  notifier.ready('6 packets')
  notifier.stopping()
  expect(said).toEqual([
    'READY=1\nSTATUS=0 packets',
    'STATUS=5 packets MAINPID=1',
    'RELOADING=1\nMONOTONIC_USEC=123',
    'READY=1\nSTATUS=6 packets',
    'STOPPING=1',
  ])
})

test('signs of life come three times in the time of the watchdog, however often the loop turns', () => {
  const { notifier, said } = notified(3_000_000)
  for (let ms = 0; ms < 3000; ms += 100) notifier.alive(ms)
  expect(said).toEqual(['WATCHDOG=1', 'WATCHDOG=1', 'WATCHDOG=1'])
  const without = notified()
  without.notifier.alive(0)
  expect(without.said).toEqual([])
})

test('the watchdog of another process is none of ours', () => {
  const us = '30000000'
  expect(Notifier.watchdogUs({ WATCHDOG_USEC: us })).toBe(30_000_000)
  expect(Notifier.watchdogUs({ WATCHDOG_USEC: us, WATCHDOG_PID: String(process.pid) })).toBe(30_000_000)
  expect(Notifier.watchdogUs({ WATCHDOG_USEC: us, WATCHDOG_PID: '1' })).toBe(0)
  expect(Notifier.watchdogUs({})).toBe(0)
  expect(Notifier.watchdogUs({ WATCHDOG_USEC: 'soon' })).toBe(0)
})

test('a manager that is gone is told of once, and nothing breaks', () => {
  const { notifier, warnings, failing } = notified()
  failing.is = true
  notifier.ready('')
  notifier.stopping()
  expect(warnings).toEqual([expect.stringContaining('ECONNREFUSED')])
})
