/** Notifications as a mail: one notification, or a digest of several; text and HTML, with ids by which mail programs thread. */
import { hash } from 'node:crypto'
import type { EventDocument } from '../events/fields.ts'
import { examplesOf, factsOf, headlineOf, linkOf, sentenceOf, titleOf } from './wording.ts'

export interface EmailMessage {
  readonly subject: string
  readonly text: string
  readonly html: string
  readonly messageId: string
  readonly inReplyTo?: string
  readonly references: readonly string[]
}

const REFERENCES_MAX = 20
const LEVELS = ['informational', 'low', 'medium', 'high', 'critical']
const COLORS: Readonly<Record<string, string>> = {
  critical: '#7f1d1d',
  high: '#b91c1c',
  medium: '#b45309',
  low: '#0e7490',
  informational: '#475569',
}

/**
 * The same notifications give the same mail. A mail of one notification has an id made of its event.id, and answers the first
 * of its group; `domain` stands behind the @ of ids (RFC 5322, 3.6.4).
 */
export function emailOf(batch: readonly EventDocument[], domain: string, prefix: string): EmailMessage {
  const idOf = (id: string) => `<${id}@${domain}>`
  const groups = [...new Set(batch.map((document) => document['alert.notification.group'] ?? document['event.id']))]
  const text = `${batch.map(textSection).join(`\n\n${'-'.repeat(72)}\n\n`)}\n`
  const html = htmlPage(batch)
  const [first] = batch
  if (batch.length === 1) {
    const messageId = idOf(first['event.id'])
    const isReply = groups[0] !== first['event.id']
    return {
      subject: subject(prefix, titleOf(first)),
      text,
      html,
      messageId,
      ...(isReply ? { inReplyTo: idOf(groups[0]) } : {}),
      references: isReply ? [idOf(groups[0])] : [],
    }
  }
  const level = (
    LEVELS[Math.max(...batch.map((document) => LEVELS.indexOf(document['rule.level'] ?? 'medium')))] ?? 'medium'
  ).toUpperCase()
  const ids = batch.map((document) => document['event.id'])
  return {
    subject: subject(prefix, `[${level}] ${batch.length} notifications: ${headlineOf(first)} and others`),
    text,
    html,
    messageId: idOf(hash('sha1', ids.join('\n')).slice(0, 20)),
    references: groups.slice(0, REFERENCES_MAX).map(idOf),
  }
}

function subject(prefix: string, title: string): string {
  return prefix === '' ? title : `${prefix} ${title}`
}

function textSection(document: EventDocument): string {
  const facts = factsOf(document)
  const wide = Math.max(...facts.map(({ label }) => label.length)) + 1
  const examples = examplesOf(document)
  return [
    titleOf(document),
    '',
    sentenceOf(document),
    '',
    ...facts.map(({ label, value }) => `${`${label}:`.padEnd(wide)}  ${value}`),
    ...(examples.length === 0 ? [] : ['', 'Examples:', ...examples.map((sentence) => `  - ${sentence}`)]),
  ].join('\n')
}

function htmlPage(batch: readonly EventDocument[]): string {
  return [
    '<!DOCTYPE html>',
    '<html><body style="margin:0;padding:16px;font-family:sans-serif;font-size:14px;color:#0f172a">',
    ...batch.map(htmlSection),
    '</body></html>',
    '',
  ].join('\n')
}

function htmlSection(document: EventDocument): string {
  const color = COLORS[document['rule.level'] ?? ''] ?? COLORS['medium']
  const rows = factsOf(document).map(
    ({ label, value }) =>
      `<tr><th align="left" style="padding:2px 12px 2px 0;color:#64748b;font-weight:normal">${escapeHtml(label)}</th><td style="padding:2px 0">${cell(document, value)}</td></tr>`,
  )
  const examples = examplesOf(document).map((sentence) => `<li>${escapeHtml(sentence)}</li>`)
  return [
    `<div style="border-left:4px solid ${color};padding:4px 12px;margin:0 0 24px 0">`,
    `<h2 style="font-size:16px;margin:0 0 8px 0;color:${color}">${escapeHtml(titleOf(document))}</h2>`,
    `<p style="margin:0 0 8px 0">${escapeHtml(sentenceOf(document))}</p>`,
    `<table cellspacing="0">${rows.join('\n')}</table>`,
    ...(examples.length === 0 ? [] : [`<ul>${examples.join('\n')}</ul>`]),
    '</div>',
  ].join('\n')
}

/** Only the reference of a rule becomes a link: nothing that came from the network does. */
function cell(document: EventDocument, value: string): string {
  const text = escapeHtml(value)
  return value === linkOf(document) ? `<a href="${text}">${text}</a>` : text
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}
