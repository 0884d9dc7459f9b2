/** Where Borescope and tshark disagree about PPTP and PPPoE. */
import type { Layer } from '../../src/dissect/layer.ts'

interface Answers {
  readonly ours: readonly string[]
  readonly theirs: readonly string[]
  readonly layers: readonly Layer[]
}

export const NEIGHBOURS_ARGUED = [
  {
    fields: /^pptp\./,
    reason: 'a segment may hold several messages; tshark shows the first',
    holds: ({ ours, theirs, layers }: Answers) =>
      layers.filter(({ layer }) => layer === 'pptp').length > 1 &&
      ours.length > theirs.length &&
      theirs.every((value, index) => value === ours[index]),
  },
  {
    fields: /^pppoed\.tag\.unknown_data$/,
    reason: 'in place of the octets of a tag that it does not know tshark shows the length before them',
    holds: ({ theirs, layers }: Answers) =>
      tagsOf(layers)
        .filter(({ name }) => name === 'unknown')
        .every(({ length }, index) => Number.parseInt(theirs[index], 16) === length),
  },
]

function tagsOf(layers: readonly Layer[]): readonly { readonly name: string; readonly length: number }[] {
  return layers.flatMap((layer) => (layer['tags'] as ReturnType<typeof tagsOf> | undefined) ?? [])
}
