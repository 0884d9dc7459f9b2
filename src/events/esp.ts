/** IPsec associations (ESP and AH): their fields. */
import { type FieldDeclaration, own } from './declaration.ts'

export const ESP_FIELDS = {
  'esp.tunnel.uid': own('keyword', 'Our id of the pair of IPsec associations, stable over replays.'),
} as const satisfies Record<string, FieldDeclaration>
