import { expect, test } from 'vitest'
import { INITIATOR, RESPONDER } from '../../src/track/role.ts'
import { Uptake } from '../../src/track/saved.ts'
import type { Tunnel } from '../../src/track/tunnel.ts'
import { at, TunnelLives } from './tunnel-support.ts'

test('a set-up is given up without progress, whatever is sent, and an open tunnel when nothing is', () => {
  const lives = new TunnelLives()
  const opening = lives.open(0) as Tunnel
  lives.packet(opening, INITIATOR, 59)
  expect(lives.expire(62).last).toEqual(['l2tp.tunnel.failed', 60, 'no answer to 1 SCCRQ, no progress for 60 s'])
  expect(opening.state).toBe('closed')

  const others = new TunnelLives()
  const open = others.establish(0)
  others.packet(open, RESPONDER, 250)
  expect(others.expire(302).last[0]).toBe('l2tp.tunnel.opened')
  expect(others.expire(552).last).toEqual(['l2tp.tunnel.closed', 550, 'silent for 300 s'])
  expect(others.sessions).toEqual(['opened', 'silence: tunnel: silent for 300 s', 'forgotten'])
  expect(others.table.tunnels.size).toBe(0)
})

test('a tunnel that was closed is remembered while one of its peers repeats itself, and not when both go on', () => {
  for (const senders of [[], [INITIATOR], [INITIATOR, RESPONDER]] as const) {
    const lives = new TunnelLives()
    const tunnel = lives.establish(0)
    lives.lifecycle.close(tunnel, at(10), 'initiator', 'shut down')
    expect(lives.last).toEqual(['l2tp.tunnel.closed', 10, 'shut down'])
    // It is looked at 35 seconds after its end, and as long after that.
    for (const seconds of [46, 82]) {
      for (const sender of senders) lives.packet(tunnel, sender, seconds - 5)
      lives.expire(seconds)
    }
    expect(lives.table.tunnels.size).toBe(senders.length === 1 ? 1 : 0)
    expect(lives.expire(160).table.tunnels.size).toBe(0)
  }
})

test('a number that is assigned again ends the tunnel that had it', () => {
  const lives = new TunnelLives()
  const before = lives.establish(0)
  lives.establish(5, [100, 201])
  expect(lives.names).toEqual(['l2tp.tunnel.opened', 'l2tp.tunnel.closed', 'l2tp.tunnel.opened'])
  expect(lives.events[1].fields).toMatchObject({ 'event.reason': 'its tunnel id was assigned again' })
  expect([before.state, lives.table.tunnels.size]).toEqual(['closed', 1])
})

test('a full table is told once', () => {
  const lives = new TunnelLives(1)
  expect([0, 1, 2].map((seconds) => lives.open(seconds) === null)).toEqual([false, true, true])
  expect(lives.names).toEqual(['sensor.table.filled'])
})

test('the end of the capture closes what is open, and tells nothing again of what was closed', () => {
  const lives = new TunnelLives()
  lives.lifecycle.close(lives.establish(0), at(1), 'responder', 'shut down')
  lives.establish(2, [101, 201])
  for (const _ of lives.lifecycle.finish(at(3)));
  expect(lives.last).toEqual(['l2tp.tunnel.closed', 3, 'the capture ended'])
  expect(lives.names.filter((name) => name === 'l2tp.tunnel.closed')).toHaveLength(2)
  expect([lives.sessions.at(-2), lives.table.tunnels.size]).toEqual(['capture_end: the capture ended', 0])
})

test('a restarted sensor finds a tunnel by its numbers, and counts no time in which nobody looked', () => {
  const before = new TunnelLives()
  before.packet(before.establish(0), INITIATOR, 100)
  const [saved] = before.lifecycle.save()
  const after = new TunnelLives()
  expect(after.lifecycle.restore(saved, { savedUs: at(100), nowUs: at(1100) }, new Uptake())).toBe(true)
  const tunnel = after.table.tunnels.at(0)
  expect([tunnel.state, tunnel.ids, tunnel.wasUnseen]).toEqual(['established', [100, 200], true])
  expect([after.ports, after.sessions]).toEqual([[1701, 1701], ['opened']])
  expect(after.expire(1399).names).toEqual([])
  expect(after.expire(1402).last).toEqual(['l2tp.tunnel.closed', 1400, 'silent for 300 s'])
})
