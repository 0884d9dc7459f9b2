/**
 * Five weeks of an organisation's VPN as events, seeded: 2,000 users at 20 gateways with habits (networks, hours, volumes,
 * clients), and with what breaks them: typing errors, travel, new devices, a holiday, an update of a gateway. Twelve attacks are hidden in the fifth week.
 */
import { isoMicroseconds } from '../../src/base/time.ts'
import { CATALOGUE, type EventName } from '../../src/events/catalogue.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { Random } from '../support/random.ts'

const SECOND_US = 1e6
const HOUR_US = 3600 * SECOND_US
const DAY_US = 24 * HOUR_US
/** A Monday. */
const START_US = Date.UTC(2026, 0, 5) * 1000
export const WEEKS = 5
const ATTACK_US = START_US + (WEEKS - 1) * 7 * DAY_US
export const WEEK_DAYS = 7

export interface HiddenAttack {
  readonly name: string
  /** An alert counts as having found it if it is of the hidden week and says one of these names or addresses. */
  readonly about: readonly string[]
  /** The titles of rules that stand for it. */
  readonly rules: readonly string[]
}

type Fields = Partial<EventDocument>

interface User {
  readonly name: string
  readonly gateway: number
  readonly networks: readonly string[]
  readonly firstHour: number
  readonly hours: number
  readonly sessionsPerDay: number
  /** Mean of the logarithm of the bytes sent in a session. */
  readonly volume: number
  readonly vendor: string
  readonly isMobile: boolean
  readonly isWeekender: boolean
}

/** A Wednesday of the last week. */
const HOLIDAY = (WEEKS - 1) * WEEK_DAYS + 2
/** When one gateway gets a new version. */
const UPDATE_US = ATTACK_US + 5 * DAY_US + 8 * HOUR_US
const VENDORS = ['Microsoft', 'Apple', 'strongSwan', 'xelerance.com']
const SUITE = 'AES-CBC-256/HMAC-SHA2-256/modp2048'

export class Week {
  readonly attacks: HiddenAttack[] = []
  readonly #random: Random
  readonly #users: User[]
  #events: EventDocument[] = []
  #serial = 0

  constructor(seed: number, users = 2000, gateways = 20) {
    this.#random = new Random(seed)
    this.#users = Array.from({ length: users }, (_, index) => this.#user(index, gateways))
  }

  /** Day after day, each in the order of time. */
  *days(): Generator<readonly EventDocument[]> {
    for (let day = 0; day < WEEKS * WEEK_DAYS; day++) {
      this.#events = []
      for (const user of this.#users) this.#live(user, day)
      if (day >= (WEEKS - 1) * WEEK_DAYS) this.#attack(day - (WEEKS - 1) * WEEK_DAYS)
      if (day === 0) this.#dormantLongAgo()
      this.#backgroundFailures(day)
      yield this.#events.sort((a, b) => (a['@timestamp'] < b['@timestamp'] ? -1 : 1))
    }
  }

  #user(index: number, gateways: number): User {
    const random = this.#random
    const isMobile = random.below(20) === 0
    const networks = Array.from({ length: isMobile ? 60 : 1 + random.below(2) }, () => this.#network())
    return {
      name: `user${String(index).padStart(4, '0')}`,
      gateway: random.below(gateways),
      networks,
      firstHour: 6 + random.below(4),
      hours: 7 + random.below(4),
      sessionsPerDay: 1 + random.below(3),
      volume: 14 + random.below(4),
      vendor: VENDORS[random.below(VENDORS.length)],
      isMobile,
      isWeekender: random.below(12) === 0,
    }
  }

  #network(): string {
    const random = this.#random
    return `${80 + random.below(100)}.${random.below(250)}.${random.below(250)}`
  }

  #live(user: User, day: number): void {
    const random = this.#random
    const isWeekend = day % 7 >= 5
    if (isWeekend && !(user.isWeekender && random.below(2) === 0)) return
    // Illness, leave, and one day on which a third of all stays away.
    if (random.below(25) === 0 || (day === HOLIDAY && random.below(3) === 0)) return
    // Who is at home in the morning is at home in the afternoon; once in a while somebody travels.
    const isTravelling = random.below(200) === 0
    const network = isTravelling ? this.#network() : user.networks[random.below(user.networks.length)]
    const address = `${network}.${user.isMobile ? 1 + random.below(250) : 10}`
    for (let session = 0; session < user.sessionsPerDay; session++) {
      const hour = user.firstHour + random.below(user.hours * 1000) / 1000
      const startUs = START_US + day * DAY_US + hour * HOUR_US
      if (random.below(30) === 0) this.#refused(user.name, address, gatewayOf(user), startUs - 20 * SECOND_US)
      this.#session(user, address, gatewayOf(user), startUs, {
        bytes: Math.exp(user.volume + this.#normal() * 0.5) * (random.below(2000) === 0 ? 30 : 1),
        fields: random.below(3000) === 0 ? { 'l2tp.initiator.vendor_name': 'Android' } : {},
      })
    }
  }

  #session(
    user: User,
    address: string,
    gateway: string,
    startUs: number,
    { bytes, hours = 1 + this.#random.below(3), fields = {} }: { bytes: number; hours?: number; fields?: Fields },
  ): void {
    const endUs = startUs + hours * HOUR_US
    const pair = { 'source.ip': address, 'destination.ip': gateway }
    const number = Number(gateway.split('.')[3])
    const uid = this.#serial
    // The sensor has the keys: L2TP and PPP are read inside of IPsec.
    const inside = { 'ike.uid': `i-${uid}`, 'esp.tunnel.uid': `e-${uid}` }
    this.#tell('ike.exchange.established', startUs, {
      ...pair,
      'ike.mode': 'main',
      'ike.version': '1.0',
      'ike.proposal.hash': `hash-${user.vendor}`,
      'ike.proposal.chosen': SUITE,
      'ike.proposal.level': 'sound',
      'ike.responder.vendors': [
        startUs >= UPDATE_US && number === 9 ? 'strongSwan 6' : 'strongSwan',
        `type ${number % 3}`,
      ],
      ...fields,
    })
    this.#tell('esp.tunnel.opened', startUs + SECOND_US, { ...pair, ...inside })
    this.#tell('l2tp.tunnel.opened', startUs + 2 * SECOND_US, {
      ...pair,
      ...inside,
      'destination.port': 1701,
      'network.transport': 'udp',
      'l2tp.version': 2,
      'l2tp.authentication.method': 'mutual',
      'l2tp.initiator.vendor_name': user.vendor,
      'l2tp.responder.host_name': `lns${number}`,
      ...fields,
    })
    this.#tell('ppp.authentication.succeeded', startUs + 3 * SECOND_US, {
      ...pair,
      ...inside,
      'user.name': user.name,
      'ppp.authentication.method': 'EAP-TLS',
      ...fields,
    })
    this.#tell('ppp.link.opened', startUs + 4 * SECOND_US, {
      ...pair,
      ...inside,
      'user.name': user.name,
      'ppp.dns': ['10.0.0.53'],
      'ppp.authentication.method': 'EAP-TLS',
      ...fields,
    })
    const volume = { 'source.bytes': Math.round(bytes), 'destination.bytes': Math.round(bytes * 4) }
    const span = { 'event.duration': (endUs - startUs) * 1000 }
    this.#tell('ppp.link.closed', endUs, { ...pair, ...volume, ...span, 'user.name': user.name })
    this.#tell('esp.tunnel.closed', endUs + SECOND_US, { ...pair, ...volume, ...span })
  }

  #refused(user: string, address: string, gateway: string, timeUs: number): void {
    this.#tell('ppp.authentication.failed', timeUs, {
      'source.ip': address,
      'destination.ip': gateway,
      'user.name': user,
      'ppp.authentication.method': 'EAP-TLS',
      'ppp.error.code': 691,
    })
  }

  /** Typing errors of people who then give up, all over the day. */
  #backgroundFailures(day: number): void {
    const random = this.#random
    for (let i = 0; i < 40; i++) {
      const user = this.#users[random.below(this.#users.length)]
      const timeUs = START_US + day * DAY_US + (7 + random.below(11_000) / 1000) * HOUR_US
      this.#refused(user.name, `${user.networks[0]}.10`, gatewayOf(user), timeUs)
    }
  }

  // --- the attacks

  /** The victim of an attack: an office worker with one or two networks. */
  #victim(index: number): User {
    return this.#users.filter(({ isMobile, isWeekender }) => !isMobile && !isWeekender)[100 + index * 17]
  }

  #dormantLongAgo(): void {
    const user = this.#dormant()
    const longAgoUs = START_US - 100 * DAY_US
    for (let i = 0; i < 30; i++) {
      const startUs = longAgoUs - (30 - i) * DAY_US + 9 * HOUR_US
      this.#session(user, '81.1.1.10', gatewayOf(user), startUs, { bytes: 1e6 })
    }
  }

  #dormant(): User {
    return { ...this.#victim(90), name: 'former.employee' }
  }

  #attack(day: number): void {
    const at = (hour: number) => ATTACK_US + day * DAY_US + hour * HOUR_US
    const random = this.#random
    const say = (name: string, about: readonly string[], rules: readonly string[]) => {
      if (!this.attacks.some((attack) => attack.name === name)) this.attacks.push({ name, about, rules })
    }

    // Every day: guessing from many addresses, few tries each, so that no limit is reached.
    const guessed = '192.0.2.3'
    say('low-and-slow guessing', [guessed], ['More refusals at a gateway than ever'])
    for (let i = 0; i < 400; i++) {
      const source = `${this.#network()}.${1 + random.below(250)}`
      this.#refused(
        `user${String(random.below(2000)).padStart(4, '0')}`,
        source,
        guessed,
        at(random.below(24_000) / 1000),
      )
    }

    // Every day: four times the volume inside ESP, none of it large.
    const leaking = this.#victim(1)
    const pair = `${leaking.networks[0]}.10 > ${gatewayOf(leaking)}`
    say('slow exfiltration inside ESP', [pair, leaking.name], ['More than usual through a tunnel, day after day'])
    for (let i = 0; i < 4; i++) {
      this.#session(leaking, `${leaking.networks[0]}.10`, gatewayOf(leaking), at(9 + i * 2), {
        bytes: Math.exp(leaking.volume + 1.6),
        hours: 1,
      })
    }

    if (day === 0) {
      const victim = this.#victim(2)
      say(
        'a rogue LNS',
        [victim.name, `${victim.networks[0]}.10`],
        ['VPN user at a gateway that is new', 'Known client at a gateway that is new'],
      )
      this.#session(victim, `${victim.networks[0]}.10`, '203.0.113.66', at(10), { bytes: 1e5 })
    }
    if (day === 1) {
      const victim = this.#victim(3)
      say('a credential used from elsewhere', [victim.name], ['VPN user from a network that is new'])
      this.#session(victim, '45.9.148.7', gatewayOf(victim), at(11), { bytes: 1e5 })
      const nightly = this.#victim(4)
      say('a login in the dead of night', [nightly.name], ['VPN user at an unusual hour'])
      this.#session(nightly, `${nightly.networks[0]}.10`, gatewayOf(nightly), at(2.5), { bytes: 1e5, hours: 1 })
    }
    if (day === 2) {
      const dormant = this.#dormant()
      say('a dormant account', [dormant.name], ['VPN account used again after months'])
      this.#session(dormant, '81.1.1.10', gatewayOf(dormant), at(9), { bytes: 1e5 })
      const grabber = this.#victim(5)
      say('a large upload', [grabber.name], ['Unusually much sent through a tunnel'])
      this.#session(grabber, `${grabber.networks[0]}.10`, gatewayOf(grabber), at(12), { bytes: 8e9, hours: 2 })
    }
    if (day === 3) {
      const victim = this.#victim(6)
      say('a gateway impersonated', [gatewayOf(victim)], ['Gateway that shows another identity'])
      this.#session(victim, `${victim.networks[0]}.10`, gatewayOf(victim), at(9), {
        bytes: 1e4,
        fields: { 'ike.responder.vendors': ['libreswan'] },
      })
      const redirected = this.#victim(9)
      say('DNS servers changed', [gatewayOf(redirected)], ['Gateway that hands out other DNS servers'])
      this.#session(redirected, `${redirected.networks[0]}.10`, gatewayOf(redirected), at(13), {
        bytes: 1e4,
        fields: { 'ppp.dns': ['198.51.100.53'] },
      })
    }
    if (day === 4) {
      const sprayer = '198.51.100.200'
      say('password spraying', [sprayer, '192.0.2.5'], ['Password spraying against VPN accounts'])
      for (let i = 0; i < 30; i++) this.#refused(`user${1000 + i}`, sprayer, '192.0.2.5', at(12) + i * 20 * SECOND_US)
      const steered = this.#victim(12)
      say('algorithms steered down', [gatewayOf(steered)], ['Gateway that agreed on other algorithms'])
      this.#session(steered, `${steered.networks[0]}.10`, gatewayOf(steered), at(10), {
        bytes: 1e4,
        fields: { 'ike.proposal.chosen': '3DES-CBC/HMAC-MD5/modp1024', 'ike.proposal.level': 'forbidden' },
      })
      const infected = this.#victim(15)
      say('a beacon through the tunnel', [infected.name], ['Program that calls home from inside a session'])
      for (let i = 0; i < 120; i++) {
        this.#tell('flow.closed', at(8) + i * 300 * SECOND_US + random.below(2000) * 1000, {
          'source.ip': '10.1.2.3',
          'destination.ip': '203.0.113.99',
          'destination.port': 443,
          'network.transport': 'tcp',
          'user.name': infected.name,
          'flow.carrier': `s-${infected.name}`,
          'source.bytes': 640 + random.below(8),
          'destination.bytes': 300,
          'flow.tcp.state': 'closed',
        })
      }
    }
  }

  #tell(name: EventName, timeUs: number, fields: Fields): void {
    const { dataset, kind, always, may } = CATALOGUE[name]
    const carried: readonly string[] = [...always, ...may]
    const known = Object.fromEntries(Object.entries(fields).filter(([field]) => carried.includes(field)))
    this.#events.push({
      ...known,
      '@timestamp': isoMicroseconds(timeUs),
      'event.id': String(this.#serial++),
      'event.action': name,
      'event.dataset': `borescope.${dataset}`,
      'event.kind': kind,
    } as EventDocument)
  }

  #normal(): number {
    let sum = 0
    for (let i = 0; i < 12; i++) sum += this.#random.below(1000) / 1000
    return sum - 6
  }
}

function gatewayOf({ gateway }: User): string {
  return `192.0.2.${gateway + 1}`
}
