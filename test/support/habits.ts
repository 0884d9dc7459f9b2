/** Files of learned habits. */

/** Of so many users, the last one silent for the shortest time. */
export function habitsOf(entities: number): string {
  const header = { format: 'borescope.baselines', version: 1, entities }
  const users = Array.from({ length: entities }, (_, number) => ({
    kind: 'user',
    id: `user-${number}`,
    firstUs: 1e15,
    lastUs: 1e15 + number,
    observations: 1,
    models: {},
  }))
  return [header, ...users].map((line) => `${JSON.stringify(line)}\n`).join('')
}
