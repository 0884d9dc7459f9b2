import { expect, test } from 'vitest'
import { Talk } from './inner-talk.ts'

const PING = Uint8Array.from({ length: 56 }, (_, i) => (i < 16 ? 0x77 : i))

test('a ping is nothing to tell', () => {
  const talk = new Talk()
  for (let i = 1; i <= 40; i++) talk.echo('client', PING, i).echo('server', PING, i)
  talk.finish()
  expect(talk.told('icmp.echo.observed')).toEqual([])
  expect(talk.told('flow.closed').length).toBe(1)
})

test('echoes that carry something are told, early and at their end', () => {
  const talk = new Talk()
  for (let i = 1; i <= 20; i++) talk.echo('client', `ls -la /home/alice ${i}`, i).echo('server', `total ${i}`, i)
  expect(talk.only('icmp.echo.observed')).toMatchObject({
    'network.transport': 'icmp',
    'icmp.echo.patternless': 8,
    'icmp.echo.altered': 8,
  })
  talk.finish()
  expect(talk.told('icmp.echo.observed')[1]).toMatchObject({
    'source.ip': '10.0.0.5',
    'icmp.echo.requests': 20,
    'icmp.echo.replies': 20,
    'icmp.echo.altered': 20,
    'icmp.echo.patternless': 20,
    'icmp.echo.length_max': 21,
    'icmp.echo.distinct': expect.any(Number),
    'icmp.echo.printable': 21,
  })
})

test('a reply that gives back something else is told though the request looked honest', () => {
  const talk = new Talk()
  talk.echo('client', PING, 1).echo('server', 'uid=0(root)', 1)
  talk.finish()
  expect(talk.only('icmp.echo.observed')).toMatchObject({
    'source.ip': '10.0.0.5',
    'icmp.echo.requests': 0,
    'icmp.echo.replies': 1,
    'icmp.echo.altered': 1,
    'icmp.echo.patternless': 0,
  })
})

test('an honest ping is left alone after a while', () => {
  const talk = new Talk()
  for (let i = 1; i <= 40; i++) talk.echo('client', PING, i).echo('server', PING, i)
  talk.echo('client', 'too late', 41)
  talk.finish()
  expect(talk.told('icmp.echo.observed')).toEqual([])
})
