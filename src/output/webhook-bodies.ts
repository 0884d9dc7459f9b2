/** What the services that people are told through want to be sent: Slack, Microsoft Teams and PagerDuty. */
import { hash } from 'node:crypto'
import { clip, printable } from '../base/printable.ts'
import type { EventDocument } from '../events/fields.ts'
import { examplesOf, type Fact, factsOf, isTest, linkOf, sentenceOf, titleOf } from './wording.ts'

/** Block Kit, as an incoming webhook takes it: at most 150 characters of header, ten fields of 2,000, text of 3,000. */
export function slackBody(document: EventDocument): object {
  const title = titleOf(document)
  const blocks: object[] = [
    { type: 'header', text: { type: 'plain_text', text: clip(title, 150), emoji: false } },
    { type: 'section', text: { type: 'plain_text', text: clip(sentenceOf(document), 3000), emoji: false } },
  ]
  const facts = factsOf(document)
  for (let from = 0; from < facts.length; from += 10) {
    blocks.push({
      type: 'section',
      fields: facts.slice(from, from + 10).map(({ label, value }) => ({
        type: 'mrkdwn',
        text: clip(`*${slackText(label)}*\n${slackText(value)}`, 2000),
      })),
    })
  }
  const examples = examplesOf(document)
  if (examples.length > 0) {
    const text = clip(examples.map((sentence) => `• ${sentence}`).join('\n'), 3000)
    blocks.push({ type: 'section', text: { type: 'plain_text', text, emoji: false } })
  }
  // For notifications and for clients that show no blocks.
  return { text: slackText(clip(title, 500)), blocks }
}

/** The three characters that Slack gives a meaning: without them no text is a mention or a link. */
function slackText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

const TEAMS_COLORS: Readonly<Record<string, string>> = {
  critical: 'attention',
  high: 'attention',
  medium: 'warning',
  low: 'accent',
  informational: 'default',
}

/**
 * An Adaptive Card in the envelope that the workflow "When a Teams webhook request is received" expects. Texts stand in
 * runs of rich text, which know no Markdown.
 */
export function teamsBody(document: EventDocument): object {
  const run = (text: string, more: object = {}) => ({ type: 'TextRun', text, ...more })
  const lines = [
    richText([
      run(clip(titleOf(document), 300), {
        weight: 'bolder',
        size: 'large',
        color: TEAMS_COLORS[document['rule.level'] ?? ''] ?? 'default',
      }),
    ]),
    richText([run(sentenceOf(document))]),
    ...factsOf(document).map(({ label, value }) => richText([run(`${label}: `, { weight: 'bolder' }), run(value)])),
    ...examplesOf(document).map((sentence) => richText([run(`• ${sentence}`, { isSubtle: true })])),
  ]
  const link = linkOf(document)
  return {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        contentUrl: null,
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          fallbackText: clip(titleOf(document), 300),
          body: lines,
          ...(link === undefined ? {} : { actions: [{ type: 'Action.OpenUrl', title: 'About this rule', url: link }] }),
          msteams: { width: 'Full' },
        },
      },
    ],
  }
}

function richText(inlines: readonly object[]): object {
  return { type: 'RichTextBlock', spacing: 'small', inlines }
}

const PAGERDUTY_SEVERITIES: Readonly<Record<string, string>> = {
  critical: 'critical',
  high: 'error',
  medium: 'warning',
  low: 'info',
  informational: 'info',
}

/** Events API v2: one incident a rule and entity. `summary` has at most 1,024 characters, `dedup_key` 255. */
export function pagerDutyBody(document: EventDocument, routingKey: string): object {
  const link = linkOf(document)
  return {
    routing_key: routingKey,
    event_action: 'trigger',
    dedup_key: dedupKey(document),
    client: 'Borescope',
    payload: {
      summary: clip(titleOf(document), 1024),
      source: clip(printable(document['observer.name'] ?? 'borescope'), 255),
      severity: PAGERDUTY_SEVERITIES[document['rule.level'] ?? ''] ?? 'warning',
      timestamp: document['@timestamp'],
      component: clip(printable(document['alert.entity'] ?? ''), 255),
      group: document['rule.category'] ?? 'borescope',
      class: clip(printable(document['rule.name'] ?? ''), 255),
      custom_details: details(factsOf(document), examplesOf(document), sentenceOf(document)),
    },
    ...(link === undefined ? {} : { links: [{ href: link, text: 'About this rule' }] }),
  }
}

/** A test is an incident of its own: it must not join, or hide, one of a rule. */
function dedupKey(document: EventDocument): string {
  const key = `${document['rule.id']}:${document['alert.entity']}`
  const whole = isTest(document) ? `test:${document['event.id']}` : key
  return whole.length <= 255 ? whole : `${document['rule.id']}:${hash('sha256', key)}`.slice(-255)
}

function details(facts: readonly Fact[], examples: readonly string[], sentence: string): object {
  const values = Object.fromEntries(facts.map(({ label, value }) => [label, value]))
  return { Sentence: sentence, ...values, ...(examples.length === 0 ? {} : { Examples: examples }) }
}
