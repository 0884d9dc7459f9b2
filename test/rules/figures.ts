/** How well the shipped rules find what they are for, in figures: per group of threats, over recorded captures and test streams. */
import { basename } from 'node:path'
import { alertsAbout, loadRuleTests, type RuleTest } from '../../src/detect/rule-tests.ts'
import { raisesAlerts, selectRules } from '../../src/detect/rules.ts'
import type { EventDocument } from '../../src/events/fields.ts'
import { eventsOfFile } from '../support/sensor.ts'
import { alertsAboveLow, LAB_ATTACKS, LAB_BENIGN, label, PUBLIC_FINDINGS, publicCaptures } from './captures.ts'
import { RULES, RULES_FOLDER } from './events.ts'
import { GROUPS, type Group, groupOf } from './groups.ts'

interface Count {
  expected: number
  found: number
  /** Alerts above `low` that nobody expected; of a test stream, alerts of a rule that was to be silent. */
  unexpected: number
}

interface GroupFigures {
  rules: number
  readonly lab: Count
  readonly public: Count
  readonly streams: Count
  /** From the first event of the evidence to the alert, at most, in the lab. */
  waitSecondsMax: number
}

export interface Figures {
  readonly groups: Readonly<Record<Group, GroupFigures>>
  /** Rules that raise alerts about the sensor itself, which are of no group. */
  readonly sensorRules: number
  readonly captures: {
    readonly attacks: number
    readonly benignLab: number
    readonly benignPublic: number
    readonly labelledPublic: number
    readonly hostilePublic: number
    /** Alerts above `low` about captures of which no alert is right or wrong. */
    readonly hostileAlerts: number
  }
  readonly attacks: readonly AttackFigures[]
}

interface AttackFigures {
  readonly capture: string
  readonly expected: number
  readonly found: number
  readonly missed: readonly string[]
  readonly waitSecondsMax: number
}

const ALERTING = raisesAlerts(RULES)
const GROUP_OF_TITLE = new Map([...RULES.rules, ...RULES.correlations].map((rule) => [rule.title, groupOf(rule)]))

/** Replays every capture: some 20 seconds. */
export async function measure(): Promise<Figures> {
  const groups = Object.fromEntries(Object.keys(GROUPS).map((group) => [group, emptyFigures()])) as unknown as Record<
    Group,
    GroupFigures
  >
  let sensorRules = 0
  for (const rule of ALERTING) {
    const group = groupOf(rule)
    if (group) groups[group].rules++
    else if (group === null) sensorRules++
  }
  const of = (name: string): GroupFigures | undefined => {
    const group = GROUP_OF_TITLE.get(titleOf(name))
    return group ? groups[group] : undefined
  }
  const attacks: AttackFigures[] = []
  for (const [capture, expected] of Object.entries(LAB_ATTACKS)) {
    const alerts = await alertsAboveLow(`lab/${capture}.pcap`)
    const labels = alerts.map(label)
    compare(labels, expected, (name) => of(name)?.lab)
    for (const alert of alerts) {
      const figures = of(label(alert))
      if (figures !== undefined) figures.waitSecondsMax = Math.max(figures.waitSecondsMax, waitSeconds(alert))
    }
    const missed = expected.filter((name) => !labels.includes(name)).map(titleOf)
    const waitSecondsMax = Math.max(...alerts.map(waitSeconds))
    attacks.push({ capture, expected: expected.length, found: expected.length - missed.length, missed, waitSecondsMax })
  }
  for (const capture of LAB_BENIGN) {
    compare((await alertsAboveLow(`lab/${capture}.pcap`)).map(label), [], (name) => of(name)?.lab)
  }
  let hostileAlerts = 0
  const paths = publicCaptures()
  for (const { path, isHostile } of paths) {
    const labels = (await alertsAboveLow(`public/${path}`)).map(label)
    if (isHostile) hostileAlerts += labels.length
    else compare(labels, PUBLIC_FINDINGS[path]?.alerts ?? [], (name) => of(name)?.public)
  }
  await measureStreams(groups)
  const hostilePublic = paths.filter(({ isHostile }) => isHostile).length
  const labelledPublic = Object.keys(PUBLIC_FINDINGS).length
  const benignPublic = paths.length - hostilePublic - labelledPublic
  return {
    groups,
    sensorRules,
    captures: {
      attacks: Object.keys(LAB_ATTACKS).length,
      benignLab: LAB_BENIGN.length,
      benignPublic,
      labelledPublic,
      hostilePublic,
      hostileAlerts,
    },
    attacks,
  }
}

function emptyFigures(): GroupFigures {
  const count = (): Count => ({ expected: 0, found: 0, unexpected: 0 })
  return { rules: 0, lab: count(), public: count(), streams: count(), waitSecondsMax: 0 }
}

/** `high: TITLE: ENTITY`: titles have no colon followed by a space. */
function titleOf(name: string): string {
  return name.split(': ')[1]
}

function compare(got: readonly string[], expected: readonly string[], of: (name: string) => Count | undefined): void {
  const left = [...got]
  for (const name of expected) {
    const count = of(name)
    if (count === undefined) throw new Error(`no group for ${name}`)
    count.expected++
    const at = left.indexOf(name)
    if (at === -1) continue
    count.found++
    left.splice(at, 1)
  }
  for (const name of left) {
    const count = of(name)
    if (count !== undefined) count.unexpected++
  }
}

function waitSeconds(alert: EventDocument): number {
  return (alert['event.duration'] ?? 0) / 1e9
}

async function measureStreams(groups: Readonly<Record<Group, GroupFigures>>): Promise<void> {
  for (const test of loadRuleTests([RULES_FOLDER], RULES).tests) {
    const group = groupOf(test.rule)
    if (!group) continue
    const { streams } = groups[group]
    const fired = await fires(test)
    if (test.fires) streams.expected++
    if (test.fires && fired) streams.found++
    if (!test.fires && fired) streams.unexpected++
  }
}

async function fires({ rule, events, captures }: RuleTest): Promise<boolean> {
  const documents = events ?? (await eventsOfFile(captures[0]))
  return alertsAbout(selectRules(RULES, [rule]), documents).some((alert) => alert['rule.id'] === rule.id)
}

/** What stands in docs/detection-coverage.md. */
export function figuresText({ groups, sensorRules, captures, attacks }: Figures): string {
  const { attacks: attackCount, benignLab, benignPublic, labelledPublic, hostilePublic, hostileAlerts } = captures
  const rows = (Object.keys(GROUPS) as Group[]).map((group) => row(`${group}. ${GROUPS[group]}`, groups[group]))
  const all = emptyFigures()
  for (const figures of Object.values(groups)) {
    all.rules += figures.rules
    all.waitSecondsMax = Math.max(all.waitSecondsMax, figures.waitSecondsMax)
    for (const part of ['lab', 'public', 'streams'] as const) {
      for (const name of ['expected', 'found', 'unexpected'] as const) all[part][name] += figures[part][name]
    }
  }
  return [
    `Measured over ${attackCount} recorded attacks, ${benignLab} benign captures of the same laboratory, ${labelledPublic} public captures that show what a`,
    `rule is for, ${benignPublic} public ones that do not, and the test streams beside the rules. An alert counts with its level, title`,
    'and entity; alerts of level low and informational are left out. What was not expected is a false alert. Precision is found',
    'of found and false, recall is found of expected, both over all columns. The wait is the longest one from the first',
    'event of the evidence to the alert in the laboratory: the time that a threshold takes to be reached.',
    `Of the ${all.rules + sensorRules} rules that raise alerts ${all.rules} are about threats; ${sensorRules === 1 ? '1 is' : `${sensorRules} are`} about the sensor itself, in no group and not in this table.`,
    '',
    '| Group | Rules | Lab: found / expected | false | Public: found / expected | false | Streams: found / expected | false | Precision | Recall | Wait |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
    row('All', all),
    '',
    'A dash means that no capture holds anything for the group: there the streams are all the evidence. They were written by those who',
    'wrote the rules, so they show that a rule does what it says, not how often its threat looks like that. The rules were mended until',
    'these captures gave no false alert (IPsec without a key exchange became low for that), so traffic that nobody has seen will give',
    `some. ${hostilePublic} further public captures are malformed, fuzzed or scans; they raise ${hostileAlerts} alerts above low, of which nobody can say`,
    'whether they are right.',
    '',
    '| Attack (lab) | Found / expected | Longest wait | Missed |',
    '| --- | --- | --- | --- |',
    ...attacks.map(
      ({ capture, expected, found, missed, waitSecondsMax }) =>
        `| \`${basename(capture)}\` | ${found} / ${expected} | ${waitSecondsMax.toFixed(1)} s | ${missed.join('; ')} |`,
    ),
  ].join('\n')
}

function row(name: string, { rules, lab, public: others, streams, waitSecondsMax }: GroupFigures): string {
  const found = lab.found + others.found + streams.found
  const expected = lab.expected + others.expected + streams.expected
  const unexpected = lab.unexpected + others.unexpected + streams.unexpected
  const of = (count: Count) => (count.expected === 0 ? '–' : `${count.found} / ${count.expected}`)
  const ratio = (part: number, whole: number) => (whole === 0 ? '–' : (part / whole).toFixed(3))
  const wait = lab.expected === 0 ? '–' : `${waitSecondsMax.toFixed(1)} s`
  const cells = [
    name,
    rules,
    of(lab),
    lab.unexpected,
    of(others),
    others.unexpected,
    of(streams),
    streams.unexpected,
    ratio(found, found + unexpected),
    ratio(found, expected),
    wait,
  ]
  return `| ${cells.join(' | ')} |`
}
