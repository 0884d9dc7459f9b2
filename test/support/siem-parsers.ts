/**
 * Readers of syslog, CEF and LEEF, written from the texts that define them and apart from what the sensor writes: strict, so
 * that whatever ends a field where it should not is found.
 */

export interface SyslogLine {
  readonly priority: number
  readonly timestamp: string
  readonly hostName: string
  readonly appName: string
  readonly messageId: string
  readonly data: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly message: string
}

/** RFC 5424, 6: throws at the first character that the ABNF does not allow. */
export function parseSyslog(text: string): SyslogLine {
  const head =
    /^<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) /.exec(
      text,
    )
  if (head === null) throw new Error(`no header: ${text.slice(0, 100)}`)
  let at = head[0].length
  const data: Record<string, Record<string, string>> = {}
  if (text[at] === '-') at++
  else {
    while (text[at] === '[') {
      const id = /^[!#-<>-\\^-~]{1,32}/.exec(text.slice(at + 1))?.[0]
      if (id === undefined) throw new Error(`no SD-ID at ${at}`)
      at += 1 + id.length
      const parameters: Record<string, string> = {}
      while (text[at] === ' ') {
        const parameter = /^ ([!#-<>-\\^-~]{1,32})="((?:\\["\\\]]|[^"\\\]])*)"/.exec(text.slice(at))
        if (parameter === null) throw new Error(`no SD-PARAM at ${at}: ${text.slice(at, at + 60)}`)
        parameters[parameter[1]] = parameter[2].replace(/\\(["\\\]])/g, '$1')
        at += parameter[0].length
      }
      if (text[at] !== ']') throw new Error(`no end of SD-ELEMENT at ${at}`)
      data[id] = parameters
      at++
    }
  }
  if (text[at] !== ' ') throw new Error(`no space before the message at ${at}`)
  const [, priority, timestamp, hostName, appName, , messageId] = head
  return { priority: Number(priority), timestamp, hostName, appName, messageId, data, message: text.slice(at + 1) }
}

/** Version, vendor, product, version, class, name, severity; then the extension with its escapes undone. */
export function parseCef(text: string): { header: string[]; extension: Record<string, string> } {
  const header: string[] = []
  let field = ''
  let at = text.indexOf('CEF:') + 4
  while (header.length < 7) {
    if (at >= text.length) throw new Error('the header does not end')
    const character = text[at++]
    if (character === '\\') {
      const escaped = text[at++]
      if (escaped !== '\\' && escaped !== '|') throw new Error(`wrong escape in the header: ${escaped}`)
      field += escaped
    } else if (character === '|') {
      header.push(field)
      field = ''
    } else field += character
  }
  const extension: Record<string, string> = {}
  const rest = text.slice(at)
  const keys = [...rest.matchAll(/(?:^| )([A-Za-z0-9_.]+)(?<!\\)=/g)]
  for (const [index, match] of keys.entries()) {
    const value = rest.slice(match.index + match[0].length, keys[index + 1]?.index ?? rest.length)
    extension[match[1]] = value.replace(/\\([\s\S]?)/g, (_, escaped: string) => {
      if (escaped === 'n') return '\n'
      if (escaped === 'r') return '\r'
      if (escaped !== '\\' && escaped !== '=') throw new Error(`wrong escape in ${match[1]}: ${escaped}`)
      return escaped
    })
  }
  return { header, extension }
}

export function parseLeef(text: string): { header: string[]; attributes: Record<string, string> } {
  const parts = text.slice(text.indexOf('LEEF:') + 5).split('|')
  const length = parts[0] === '2.0' ? 6 : 5
  const header = parts.slice(0, length)
  const delimiter = length === 6 ? String.fromCharCode(Number.parseInt(header[5].replace(/^0?x/, ''), 16)) : '\t'
  const attributes: Record<string, string> = {}
  for (const pair of parts.slice(length).join('|').split(delimiter)) {
    const equals = pair.indexOf('=')
    if (equals < 1) throw new Error(`no attribute: ${pair}`)
    if (pair.slice(0, equals) in attributes) throw new Error(`twice: ${pair}`)
    attributes[pair.slice(0, equals)] = pair.slice(equals + 1)
  }
  return { header, attributes }
}
