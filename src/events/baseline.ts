/** Deviations from what was learned: their fields and their event. */
import { type EventShape, type FieldDeclaration, own } from './declaration.ts'

export const BASELINE_FIELDS = {
  'baseline.entity.kind': own(
    'keyword',
    'Whose habit it is: `user`, `client`, `gateway`, `tunnel` (a pair of hosts), `esp` (a pair of hosts) or `conversation`.',
  ),
  'baseline.entity.id': own('keyword', 'Which one.'),
  'baseline.feature': own('keyword', 'What deviates: `user.network`, `gateway.suite`, `esp.sent` …'),
  'baseline.observed': own('keyword', 'The value, in words.'),
  'baseline.expected': own('keyword', 'What is usual, in words.'),
  'baseline.score': own('float', 'How far from it: bits of surprise, robust deviations, or the score of the model.'),
  'baseline.observations': own('long', 'Events from which the habits of this entity were learned.'),
  'baseline.learned_days': own('float', 'Days since it was first seen.'),
  'baseline.evidence': own('keyword', 'Id of the event in which it shows.'),
} as const satisfies Record<string, FieldDeclaration>

export const BASELINE_EVENTS = {
  'baseline.deviated': {
    says: 'A user, client, gateway, tunnel or conversation does something that it does not do as a rule. What that means is for rules to say.',
    dataset: 'baseline',
    kind: 'event',
    category: ['network'],
    type: ['info'],
    always: [
      'baseline.entity.kind',
      'baseline.entity.id',
      'baseline.feature',
      'baseline.observed',
      'baseline.expected',
      'baseline.score',
      'baseline.observations',
      'baseline.learned_days',
      'baseline.evidence',
    ],
    may: [
      'source.ip',
      'source.port',
      'destination.ip',
      'destination.port',
      'network.transport',
      'outer.source.ip',
      'outer.destination.ip',
      'user.name',
      'l2tp.tunnel.uid',
      'l2tp.session.uid',
      'esp.tunnel.uid',
      'ike.uid',
      'flow.uid',
      'flow.carrier',
      'borescope.lineage',
    ],
  },
} as const satisfies Record<string, EventShape>
