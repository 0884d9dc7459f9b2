/**
 * L2TP recognised inside ESP by the lengths and the order of its messages, without a key.
 *
 * The set-up of a tunnel and a session is six messages that take turns (RFC 2661 sections 5.1 and 5.2), each of a length that its
 * mandatory AVPs nearly fix, between acknowledgements of 12 octets; LCP follows. Every step keeps only the suites and modes of
 * ESP under which it fits: so a set-up that was recognised also tells which of them are left. What came of the login is told by
 * what follows, and the end by a message that is acknowledged and after which nobody speaks.
 */
import {
  ALL_CARRIAGES,
  type Carriage,
  carriagesOf,
  describeCarriages,
  floorOf,
  isBeyondNegotiation,
  type Message,
  mayBeControl,
} from './l2tp-lengths.ts'
import type { Direction } from './traffic-shape.ts'

/** What follows SCCRQ, in order; acknowledgements may stand anywhere between. */
const STEPS = [
  { message: 'sccrp', isFromAsker: false },
  { message: 'scccn', isFromAsker: true },
  { message: 'icrq', isFromAsker: true },
  { message: 'icrp', isFromAsker: false },
  { message: 'iccn', isFromAsker: true },
  // The last message of the set-up has to be acknowledged by itself; PPP may not wait for that.
  { message: 'zlb', isFromAsker: false },
  // LCP: both ask, both acknowledge.
  { message: 'lcp', isFromAsker: false },
  { message: 'lcp', isFromAsker: true },
  { message: 'lcp', isFromAsker: false },
  { message: 'lcp', isFromAsker: true },
] as const satisfies readonly { message: Message; isFromAsker: boolean }[]
/** Steps after which LCP may come at any time. */
const SET_UP_STEPS = 5
/** SCCRQ and those steps. */
const SET_UP_MESSAGES = SET_UP_STEPS + 1

/** Associations are made for the tunnel, so its set-up is the first thing that they carry. */
const FIRST_PACKETS = 8
/** The set-up and its LCP have some twenty packets; with more than so many it is none. */
const ATTEMPT_PACKETS = 40
/** Between two steps: retransmissions come after 1, 2, 4, 8 seconds (RFC 2661 section 5.8). */
const STEP_US = 16_000_000
/** A set-up between hosts that had one before begins after so much silence, */
const SILENCE_US = 200_000
/** and takes the place of one that did not go on for so long. */
const STUCK_US = 1_000_000
/** Octets of ESP by which the messages of two set-ups between the same hosts may differ. */
const LIKENESS = 16

/** Packets after a set-up that are kept to read the login from. */
const LOGIN_PACKETS = 64
/** A login is read when so much time passed since the set-up. */
const LOGIN_US = 30_000_000
/** Messages of two rounds of a login that are longer than a negotiation: responses and verdicts. */
const LOGIN_LONG_PACKETS = 4
/** More of them than in the five rounds after which every server has enough. */
const BUSY_PACKETS = 12
/** With every LCP option refused once, the response of a login is among the first so many packets. */
const MS_CHAP_WITHIN = 20
/** PPP repeats what is not answered every three seconds; after a longer pause a login is over. */
const LULL_US = 3_500_000

/** An acknowledgement comes at once, or a quarter of a second later. */
const ACKNOWLEDGED_US = 600_000
/** A message that ends a tunnel or session, and its acknowledgement. */
const FAREWELL = 2
/** What PPP still sends after its tunnel ended. */
const AFTERGLOW_US = 12_000_000
/** A tunnel that is up says HELLO when it was silent for a minute (RFC 2661 section 5.5). */
const SILENT_US = 65_000_000

/** `set_up`: a tunnel and a session came about. `logged_in`, `not_logged_in`: what came of the login. `torn_down`: both ended. */
export type L2tpFinding = 'set_up' | 'logged_in' | 'not_logged_in' | 'torn_down'

/** How sure a finding is: of so many that were told where the truth was known all were right (docs/decisions/0007). */
export const L2TP_CONFIDENCE: Readonly<Record<L2tpFinding, number>> = {
  set_up: 0.97,
  logged_in: 0.94,
  not_logged_in: 0.94,
  torn_down: 0.97,
}

/** What a finding rests on. Lengths are those of ESP packets. */
export interface L2tpEvidence {
  /** Who asked for the tunnel. */
  readonly initiator: Direction
  readonly askedUs: number
  readonly setUpUs: number
  /** When the last packet came. */
  readonly lastUs: number
  /** Suites and modes of ESP under which every message fits. */
  readonly carriages: readonly Carriage[]
  /** Packets from SCCRQ to ICCN, acknowledgements and retransmissions included. */
  readonly setUpPackets: number
  /** Of SCCRQ, SCCRP, SCCCN, ICRQ, ICRP, ICCN. */
  readonly lengths: readonly number[]
  /** Whether there was a packet of the length of an MS-CHAP response, between a challenge and a verdict. */
  readonly isMsChap: boolean
  /** Packets since the set-up, and how many of them are longer than a negotiation. */
  readonly packets: number
  readonly userPackets: number
  readonly closedBy: Direction | null
  readonly closedUs: number
}

/** A time, read from an object: a double argument would be boxed. */
interface Timed {
  readonly timeUs: number
}

/** One pair of associations. */
class Conversation {
  carriages = ALL_CARRIAGES
  seen = 0
  lastUs = 0

  // The set-up in progress.
  isAsking = false
  /** For each step, the carriages under which it is the next. */
  readonly reached = new Int32Array(STEPS.length)
  /** Those under which it is complete. */
  completed = 0
  asker: Direction = 0
  askedUs = 0
  stepUs = 0
  /** When ICCN came. */
  calledUs = 0
  /** Length and direction of each packet so far. */
  readonly attempt = new Int32Array(ATTEMPT_PACKETS)
  attemptPackets = 0
  /** How the session before stood then: what sets up the next tunnel does not belong to the last. */
  closedBeforeUs = 0
  userPacketsBefore = 0

  // The session that is up.
  isUp = false
  initiator: Direction = 0
  upAskedUs = 0
  upUs = 0
  upPackets = 0
  readonly upLengths = new Int32Array(SET_UP_MESSAGES)
  packets = 0
  userPackets = 0
  isLoginTold = false
  readonly login = new Int32Array(LOGIN_PACKETS)
  signalling = 0
  signallingUs = 0
  /** Packets since what looks like the end. */
  farewell = 0

  // Its end.
  closer: Direction = 0
  closingUs = 0
  closedUs = 0

  reset(): void {
    this.carriages = ALL_CARRIAGES
    this.seen = 0
    this.lastUs = 0
    this.isAsking = false
    this.completed = 0
    this.isUp = false
    this.upLengths.fill(0)
    this.signalling = 0
    this.signallingUs = 0
    this.closingUs = 0
    this.closedUs = 0
  }
}

export class L2tpInEsp {
  /** By pair; null once it is clear that the pair began with something else. */
  readonly #conversations: (Conversation | null)[] = []
  readonly #spare: Conversation[] = []

  /** Begins a pair; `index` is its place in its pool. A set-up is looked for only if the pair is seen from its start. */
  open(index: number, isFromStart: boolean): void {
    this.#release(index)
    this.#conversations[index] = isFromStart ? (this.#spare.pop() ?? new Conversation()) : null
    this.#conversations[index]?.reset()
  }

  /** The pair is gone. */
  close(index: number): void {
    this.#release(index)
  }

  /** A packet of `length` octets, SPI to ICV. True if something was found: then call `settle`. */
  observe(index: number, direction: Direction, length: number, packet: Timed): boolean {
    const talk = this.#conversations[index]
    if (talk === null) return false
    const isAfterSilence = packet.timeUs - talk.lastUs >= SILENCE_US
    talk.lastUs = packet.timeUs
    talk.seen++
    if (talk.isAsking) advance(talk, direction, length, packet)
    if (mayBegin(talk, direction, length, packet, isAfterSilence)) begin(talk, direction, length, packet)
    if (talk.isUp) follow(talk, direction, length, packet)
    else if (!talk.isAsking && talk.seen > FIRST_PACKETS && !isKnown(talk)) this.#release(index)
    return talk.completed !== 0 || (talk.isUp && !talk.isLoginTold && isBusy(talk))
  }

  /** What is due at `nowUs`, one finding a call, until null. `isOver`: no more packets will come. */
  settle(index: number, nowUs: number, isOver: boolean): L2tpFinding | null {
    const talk = this.#conversations[index]
    if (talk === null) return null
    const isFollowed = talk.completed !== 0
    if (isFollowed) forgetAttempt(talk)
    if (talk.isUp) {
      const finding = ending(talk, nowUs, isOver, isFollowed)
      if (finding !== null) return finding
    }
    if (!isFollowed) return null
    establish(talk)
    return 'set_up'
  }

  /** Whether something will have to be settled when time passes. */
  isPending(index: number): boolean {
    const talk = this.#conversations[index]
    return talk?.isUp === true && (!talk.isLoginTold || talk.closedUs > 0)
  }

  /** Packets that set up, logged in or tore down, since the last call. */
  takeSignalling(index: number): number {
    const talk = this.#conversations[index]
    if (talk === null) return 0
    const { signalling } = talk
    talk.signalling = 0
    return signalling
  }

  /** Packets of up to so many octets of ESP are too short for a user's, or 0 if no set-up was seen. */
  floorOf(index: number): number {
    const talk = this.#conversations[index]
    return talk === null || !isKnown(talk) ? 0 : floorOf(talk.carriages)
  }

  /** After a finding: of the session that it is about. */
  evidence(index: number): L2tpEvidence {
    const talk = this.#conversations[index]
    if (talk === null) throw new RangeError('nothing was found')
    return {
      initiator: talk.initiator,
      askedUs: talk.upAskedUs,
      setUpUs: talk.upUs,
      lastUs: talk.lastUs,
      carriages: describeCarriages(talk.carriages),
      setUpPackets: talk.upPackets,
      lengths: [...talk.upLengths],
      isMsChap: isMsChap(talk),
      packets: talk.packets,
      userPackets: talk.userPackets,
      closedBy: talk.closedUs > 0 ? talk.closer : null,
      closedUs: talk.closedUs,
    }
  }

  #release(index: number): void {
    const talk = this.#conversations[index] ?? null
    if (talk !== null) this.#spare.push(talk)
    this.#conversations[index] = null
  }
}

// --- the set-up

/** Whether a set-up was seen between these two: the next will be like it. */
function isKnown({ upLengths }: Conversation): boolean {
  return upLengths[0] !== 0
}

function mayBegin(
  talk: Conversation,
  direction: Direction,
  length: number,
  packet: Timed,
  isAfterSilence: boolean,
): boolean {
  if (talk.isAsking && !isStuck(talk, direction, packet)) return false
  const isDue = isKnown(talk)
    ? isAfterSilence || talk.closedUs > 0 || talk.upLengths[0] === length
    : talk.seen <= FIRST_PACKETS
  return isDue && isAsBefore(talk, 0, length) && carriagesOf('sccrq', length, talk.carriages) !== 0
}

/** Whether nobody answered yet and the asker speaks again, or a set-up that was waited for does not go on. */
function isStuck(talk: Conversation, direction: Direction, packet: Timed): boolean {
  if (isKnown(talk)) return packet.timeUs - talk.stepUs >= STUCK_US
  return direction === talk.asker && talk.reached.lastIndexOf(0) === 1
}

function begin(talk: Conversation, direction: Direction, length: number, packet: Timed): void {
  talk.isAsking = true
  talk.reached.fill(0)
  talk.reached[0] = carriagesOf('sccrq', length, talk.carriages)
  talk.asker = direction
  talk.askedUs = packet.timeUs
  talk.stepUs = packet.timeUs
  talk.attempt[0] = packed(direction, length)
  talk.attemptPackets = 1
  talk.closedBeforeUs = talk.closedUs
  talk.userPacketsBefore = talk.userPackets
}

function packed(direction: Direction, length: number): number {
  return (length << 1) | direction
}

function sentBy(packet: number): number {
  return packet & 1
}

function lengthOf(packet: number): number {
  return packet >> 1
}

/**
 * The next packet of a set-up in progress. Under some carriages it may be the next message, under others an acknowledgement, and
 * under the rest it ends the attempt.
 */
function advance(talk: Conversation, direction: Direction, length: number, packet: Timed): void {
  const { reached } = talk
  const isFromAsker = direction === talk.asker
  const isAgain = isRepeated(talk, direction, length)
  const wasKnown = isKnown(talk)
  let left = 0
  if (packet.timeUs - talk.stepUs <= STEP_US && talk.attemptPackets < ATTEMPT_PACKETS) {
    talk.attempt[talk.attemptPackets++] = packed(direction, length)
    for (let at = STEPS.length - 1; at >= 0; at--) {
      const carriages = reached[at]
      if (carriages === 0) continue
      const step = STEPS[at]
      const isNext = step.isFromAsker === isFromAsker && isAsBefore(talk, at + 1, length)
      const further = isNext ? carriagesOf(step.message, length, carriages) : 0
      if (further !== 0) reach(talk, at + 1, further, packet)
      // What the last tunnel still sends may come between the messages of the next.
      reached[at] = isAgain || wasKnown ? carriages : carriagesOf('zlb', length, carriages)
      if (at >= SET_UP_STEPS) reached[at] |= carriagesOf('lcp', length, carriages)
      left |= reached[at] | further
    }
  }
  talk.isAsking = left !== 0
}

function reach(talk: Conversation, step: number, carriages: number, packet: Timed): void {
  talk.stepUs = packet.timeUs
  if (step === STEPS.length) {
    talk.completed |= carriages
    return
  }
  if (step === SET_UP_STEPS && talk.reached[step] === 0) talk.calledUs = packet.timeUs
  talk.reached[step] |= carriages
}

/** The same two hosts set up their next tunnel with messages like those of the last one. */
function isAsBefore(talk: Conversation, at: number, length: number): boolean {
  return !isKnown(talk) || at >= SET_UP_MESSAGES || Math.abs(talk.upLengths[at] - length) <= LIKENESS
}

/** A message that was seen already, sent again. */
function isRepeated({ attempt, attemptPackets }: Conversation, direction: Direction, length: number): boolean {
  for (let at = 0; at < attemptPackets; at++) if (attempt[at] === packed(direction, length)) return true
  return false
}

/** Takes from the session that was up before what belonged to the set-up of the next. */
function forgetAttempt(talk: Conversation): void {
  if (talk.closedBeforeUs > 0) talk.closedUs = talk.closedBeforeUs
  talk.userPackets = talk.userPacketsBefore
}

/** What was asked for is up; what was up before is forgotten. */
function establish(talk: Conversation): void {
  talk.carriages = talk.completed
  talk.completed = 0
  talk.isAsking = false
  talk.isUp = true
  talk.initiator = talk.asker
  talk.upAskedUs = talk.askedUs
  talk.upUs = talk.calledUs
  talk.upPackets = measure(talk)
  talk.packets = talk.attemptPackets - talk.upPackets
  talk.login.set(talk.attempt.subarray(talk.upPackets, talk.attemptPackets))
  talk.userPackets = 0
  talk.signalling += talk.attemptPackets
  talk.signallingUs = talk.stepUs
  talk.isLoginTold = false
  talk.closingUs = 0
  talk.closedUs = 0
}

/** Notes the lengths of the six messages, under the first carriage that fits. Answers how many packets they took. */
function measure({ attempt, attemptPackets, carriages, initiator, upLengths }: Conversation): number {
  upLengths[0] = lengthOf(attempt[0])
  const carriage = carriages & -carriages
  let at = 1
  for (let step = 0; at < attemptPackets && step < SET_UP_STEPS; at++) {
    const { message, isFromAsker } = STEPS[step]
    const length = lengthOf(attempt[at])
    const isNext = (sentBy(attempt[at]) === initiator) === isFromAsker
    if (isNext && carriagesOf(message, length, carriage) !== 0) upLengths[++step] = length
  }
  return at
}

// --- the session

/** A packet after the set-up: of the login, of the user, or of the end. */
function follow(talk: Conversation, direction: Direction, length: number, packet: Timed): void {
  const { carriages } = talk
  if (talk.packets < LOGIN_PACKETS) talk.login[talk.packets] = packed(direction, length)
  talk.packets++
  if (isBeyondNegotiation(length, carriages)) talk.userPackets++
  if (packet.timeUs - talk.signallingUs <= LULL_US) countSignalling(talk, packet)
  const isLively = !mayBeControl(length, carriages) || packet.timeUs - talk.closedUs > AFTERGLOW_US
  if (talk.closedUs > 0 && isLively) reopen(talk)
  const isAnswer = talk.closingUs > 0 && direction !== talk.closer && packet.timeUs - talk.closingUs <= ACKNOWLEDGED_US
  if (isAnswer && carriagesOf('zlb', length, carriages) !== 0) {
    if (talk.closedUs === 0) {
      talk.closedUs = packet.timeUs
      talk.farewell = 0
      takeLeave(talk, FAREWELL, packet)
    }
  } else if (talk.closedUs === 0 && carriagesOf('closing', length, carriages) !== 0) {
    talk.closer = direction
    talk.closingUs = packet.timeUs
  }
}

/** A packet soon after others of a login, or of an end, may be of it too. */
function countSignalling(talk: Conversation, packet: Timed): void {
  if (talk.closedUs > 0) takeLeave(talk, 1, packet)
  else if (talk.userPackets <= LOGIN_LONG_PACKETS && talk.packets <= LOGIN_PACKETS) {
    talk.signalling++
    talk.signallingUs = packet.timeUs
  }
}

function takeLeave(talk: Conversation, packets: number, packet: Timed): void {
  talk.farewell += packets
  talk.signalling += packets
  talk.signallingUs = packet.timeUs
}

/** What looked like an end was none. */
function reopen(talk: Conversation): void {
  talk.closedUs = 0
  talk.closingUs = 0
  talk.signalling = Math.max(0, talk.signalling - talk.farewell)
}

/** What is due of the session that is up, and of its end. `isFollowed`: the next set-up has come. */
function ending(talk: Conversation, nowUs: number, isOver: boolean, isFollowed: boolean): L2tpFinding | null {
  const isClosed = talk.closedUs > 0 && (isOver || isFollowed || nowUs - talk.lastUs >= SILENT_US)
  const isRead = isClosed || isOver || isFollowed || isBusy(talk) || nowUs - talk.upUs >= LOGIN_US
  const outcome = !talk.isLoginTold && isRead ? outcomeOf(talk, isClosed || isFollowed) : null
  if (outcome !== null) {
    talk.isLoginTold = true
    return outcome
  }
  if (!isClosed) return null
  talk.isUp = false
  return 'torn_down'
}

/** A session that ends before it carried anything did not come about; one that carries a user's packets did. */
function outcomeOf(talk: Conversation, isEnded: boolean): 'logged_in' | 'not_logged_in' | null {
  const endedUs = talk.closedUs > 0 ? talk.closedUs : talk.lastUs
  if (isEnded && talk.userPackets <= LOGIN_LONG_PACKETS && endedUs - talk.upUs < LOGIN_US) return 'not_logged_in'
  return talk.userPackets > LOGIN_LONG_PACKETS || isBusy(talk) ? 'logged_in' : null
}

/** So much was sent that no login can be all of it. */
function isBusy({ userPackets, packets }: Conversation): boolean {
  return userPackets >= BUSY_PACKETS || packets >= LOGIN_PACKETS
}

/** Whether the first packet of the user with the length of an MS-CHAP response stands between a challenge and a verdict. */
function isMsChap({ login, packets, carriages, initiator }: Conversation): boolean {
  const end = Math.min(packets, MS_CHAP_WITHIN)
  for (let at = 1; at < end; at++) {
    const isResponse =
      sentBy(login[at]) === initiator && carriagesOf('msChapResponse', lengthOf(login[at]), carriages) !== 0
    if (!isResponse) continue
    const challenge = nearestOfServer(login, at, -1, initiator)
    const verdict = nearestOfServer(login, at, 1, initiator)
    return carriagesOf('challenge', challenge, carriages) !== 0 && carriagesOf('verdict', verdict, carriages) !== 0
  }
  return false
}

/** The length of the server's packet that is nearest, but for an echo or two between. */
function nearestOfServer(login: Int32Array, from: number, step: 1 | -1, initiator: Direction): number {
  for (let at = from + step; Math.abs(at - from) <= 3 && at >= 0 && at < LOGIN_PACKETS; at += step)
    if (sentBy(login[at]) !== initiator) return lengthOf(login[at])
  return 0
}
