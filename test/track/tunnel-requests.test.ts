import { expect, test } from 'vitest'
import type { ControlMessage } from '../../src/track/control-message.ts'
import { keepEnds } from '../../src/track/outer.ts'
import { INITIATOR, RESPONDER } from '../../src/track/role.ts'
import type { Tunnel } from '../../src/track/tunnel.ts'
import { isRestart, isSameAttempt, mayBeRestart, TunnelRequests } from '../../src/track/tunnel-requests.ts'
import type { L2tpControl } from '../../src/wire/l2tp-avp.ts'
import { SERVER } from './support.ts'
import { at, TunnelLives } from './tunnel-support.ts'

class Requests {
  readonly lives: TunnelLives
  readonly requests: TunnelRequests

  constructor(capacity = 10) {
    this.lives = new TunnelLives(capacity)
    const { table, lifecycle, tunnelEvents, emit, ports } = this.lives
    this.requests = new TunnelRequests(table, lifecycle, tunnelEvents, emit, 2, (port) => void ports.push(port), 2)
  }

  /** An SCCRQ, or its answer, with that number of its sender's tunnel. */
  message(seconds: number, assignedTunnelId: number, control: Partial<L2tpControl> = {}): ControlMessage {
    const frame = this.lives.send(seconds)
    return {
      timeUs: at(seconds),
      version: 2,
      name: 'SCCRQ',
      control: { message: 'SCCRQ', assignedTunnelId, hostName: 'lac', ...control },
      agreement: undefined,
      digest: assignedTunnelId,
      tunnelId: 0,
      sessionId: 0,
      ns: 0,
      nr: 0,
      protocol: 'l2tp',
      ends: keepEnds(frame),
      isLate: false,
    }
  }

  begin(seconds: number, id: number): Tunnel {
    const message = this.message(seconds, id)
    const tunnel = this.lives.lifecycle.open(this.lives.frame, INITIATOR) as Tunnel
    this.requests.begin(tunnel, message)
    return tunnel
  }
}

test('a request names its sender, is told, and waits for the number of the other end', () => {
  const run = new Requests()
  const tunnel = run.begin(0, 100)
  expect(run.lives.events).toMatchObject([
    {
      name: 'l2tp.tunnel.requested',
      fields: { 'l2tp.tunnel.uid': tunnel.uid, 'l2tp.tunnel.initiator_id': 100, 'l2tp.initiator.host_name': 'lac' },
    },
  ])
  expect([tunnel.ids, tunnel.lacking, tunnel.isTold, tunnel.requests]).toEqual([[100, -1], RESPONDER, true, 1])
  expect(run.lives.ports).toEqual([1701])
})

test('of a flood as many are told in a minute as may be, and then how many were not, tracked or not', () => {
  const run = new Requests(3)
  const tunnels = [0, 1, 2].map((seconds) => run.begin(seconds, 100 + seconds))
  expect(tunnels.map(({ isTold }) => isTold)).toEqual([true, true, false])
  run.requests.tellUntracked(run.message(3, 103))
  expect([run.lives.events.length, run.requests.suppressed]).toEqual([2, 2])
  run.requests.tellUntracked(run.message(120, 104))
  expect(run.lives.events.at(-1)?.fields).toMatchObject({
    'destination.ip': SERVER,
    'l2tp.tunnel.initiator_id': 104,
    'borescope.suppressed': 2,
  })
})

test('an offer of version 3 is a tunnel that is not told yet, and its answer ends the one of version 2 while that is open to it', () => {
  const run = new Requests()
  const offered = run.begin(0, 100)
  const { uid } = offered
  const withdraw = (timeUs: number) => run.requests.withdraw(offered, uid, timeUs)
  expect(run.requests.expect(run.lives.frame, run.message(0, 100), withdraw)).toBeNull()
  const message = run.message(0, 100, { assignedControlConnectionId: 70_000, nonce: '0102' })
  const tunnel = run.requests.expect(run.lives.frame, message, withdraw) as Tunnel
  expect([tunnel.ids[INITIATOR], tunnel.isTold, tunnel.ends[INITIATOR].challenge]).toEqual([
    70_000,
    false,
    Uint8Array.of(1, 2),
  ])
  tunnel.withdraw?.(at(1))
  expect(run.lives.last).toEqual(['l2tp.tunnel.failed', 1, 'the peer answered in version 3'])
  const { length } = run.lives.events
  tunnel.withdraw?.(at(2))
  expect(run.lives.events).toHaveLength(length)
})

test('one more SCCRQ is of the same attempt until the set-up is over, and after it only the very same', () => {
  const run = new Requests()
  const tunnel = run.begin(0, 100)
  const [same, other] = [run.message(1, 100), { ...run.message(1, 100), digest: 7 }]
  const verdicts = () => [same, other].map((message) => isSameAttempt(tunnel, INITIATOR, message))
  expect(verdicts()).toEqual([true, true])
  expect(isSameAttempt(tunnel, RESPONDER, same)).toBe(false)
  tunnel.enter('established', at(1))
  expect(verdicts()).toEqual([true, false])
  tunnel.enter('closed', at(2))
  expect(verdicts()).toEqual([false, false])
  tunnel.stoppedBy = RESPONDER
  expect(verdicts()).toEqual([true, false])
})

test('an answer with another number makes a repeated request another tunnel', () => {
  const run = new Requests()
  const tunnel = run.begin(0, 100)
  run.lives.lifecycle.assign(tunnel, RESPONDER, 200, at(1))
  const [known, other] = [run.message(2, 200), run.message(2, 201)]
  expect(isRestart(tunnel, RESPONDER, other)).toBe(false)
  tunnel.repeated = run.message(1, 100)
  expect([known, other].map((message) => isRestart(tunnel, RESPONDER, message))).toEqual([false, true])
  expect(isRestart(tunnel, INITIATOR, other)).toBe(false)
})

test('so does any answer after the end of the tunnel, or when nothing of its set-up can still be under way', () => {
  const run = new Requests()
  const tunnel = run.begin(0, 100)
  run.lives.lifecycle.assign(tunnel, RESPONDER, 200, at(1))
  tunnel.enter('established', at(1))
  const isRestartAt = (seconds: number) => {
    tunnel.repeated = run.message(seconds, 100)
    return isRestart(tunnel, RESPONDER, run.message(seconds + 1, 200))
  }
  expect([isRestartAt(30), isRestartAt(40)]).toEqual([false, true])
  tunnel.enter('closed', at(41))
  expect(isRestartAt(42)).toBe(true)
})

test('which message it is that tells, its number says alone', () => {
  const run = new Requests()
  const tunnel = run.begin(0, 100)
  expect(mayBeRestart(tunnel, RESPONDER, 0)).toBe(false)
  tunnel.repeated = run.message(1, 100)
  expect([0, 1].map((ns) => mayBeRestart(tunnel, RESPONDER, ns))).toEqual([true, false])
  expect(mayBeRestart(tunnel, INITIATOR, 0)).toBe(false)
})
