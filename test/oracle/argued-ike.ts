/** Where Borescope and tshark disagree about IKE, and why tshark is wrong, silent, or looks at something else. */
import type { Argument } from './argued.ts'

export const ARGUED_IKE: readonly Argument[] = [
  {
    fields: /^isakmp\.vid_string$/,
    reason: 'Borescope knows more vendor ids',
    holds: ({ ours, theirs }) =>
      ours.length === theirs.length && theirs.every((value, i) => value === 'unknown' || ours[i] === 'known'),
  },
  {
    fields: /^isakmp\.(length|enc\.data)$/,
    reason:
      'of a message that the capture cut tshark tells neither the length in its header nor that there is ciphertext',
    holds: ({ layers, ours, theirs }) =>
      theirs.length === 0 && ours.length === 1 && layers.some((layer) => layer['isSnapped'] === true),
  },
  {
    fields: /^isakmp\.id\.data\./,
    reason: 'an address of one octet is none; tshark reads on behind the payload',
    holds: ({ ours, theirs }) => ours.length === theirs.length && ours.every((value) => /^[0-9a-f]{2}$/.test(value)),
  },
]
