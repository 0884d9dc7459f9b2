/**
 * The npm package `cap`, which is no dependency of the project: fetched once, and compiled for the Node.js that runs the benchmark, in
 * its cache. That takes npm, a C++ compiler and the headers of libpcap; those of Node.js come with the package that brings it.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { CACHE } from './run.ts'

const PACKAGE = 'cap@0.2.1'
const BUILT = 'node_modules/cap/build/Release/cap.node'

export type CapPackage = { readonly nodePath: string } | { readonly missing: string }

/** Where `require` finds it, or why it cannot be had. */
export function capPackage(): CapPackage {
  const folder = join(CACHE, `${PACKAGE.replace('@', '-')}-${process.version}-${process.arch}`)
  const found = { nodePath: join(folder, 'node_modules') }
  if (existsSync(join(folder, BUILT))) return found
  const unfinished = `${folder}-${process.pid}`
  mkdirSync(unfinished, { recursive: true })
  writeFileSync(join(unfinished, 'package.json'), '{ "private": true }')
  const bin = dirname(process.execPath)
  const headers = dirname(bin)
  const { error, stdout, stderr } = spawnSync('npm', ['install', '--no-audit', '--no-fund', PACKAGE], {
    cwd: unfinished,
    encoding: 'utf8',
    env: {
      ...process.env,
      PATH: `${bin}${delimiter}${process.env['PATH']}`,
      ...(existsSync(join(headers, 'include/node/node.h')) ? { npm_config_nodedir: headers } : {}),
    },
  })
  if (existsSync(join(unfinished, BUILT))) {
    rmSync(folder, { recursive: true, force: true })
    renameSync(unfinished, folder)
    return found
  }
  rmSync(unfinished, { recursive: true })
  const says = error?.message ?? `${stdout}${stderr}`
  const why = /^.*(?:fatal error|npm error).*$/m.exec(says)?.[0].trim() ?? says.trim()
  return { missing: `npm install ${PACKAGE} failed (${why}): it takes npm, a C++ compiler and the headers of libpcap` }
}
