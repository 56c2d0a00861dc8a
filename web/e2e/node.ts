import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface RealNode {
  url: string
  // Ends the process and starts it again on the same address and data; absent for a node that the tests did not start.
  kill?: () => Promise<void>
  start?: () => Promise<void>
  close: () => Promise<void>
}

// A real node: the one at MILLRACE_URL, or one started from the binary at MILLRACE_BIN with everything embedded and its data in
// a temporary folder.
export async function openNode(): Promise<RealNode> {
  const url = process.env.MILLRACE_URL
  if (url) return { url: url.replace(/\/$/, ''), close: async () => {} }
  const binary = process.env.MILLRACE_BIN
  if (!binary) throw new Error('set MILLRACE_BIN to the millrace binary (make build), or MILLRACE_URL to the address of a running node')

  const data = mkdtempSync(join(tmpdir(), 'millrace-e2e-'))
  const addr = `127.0.0.1:${await freePort()}`
  let stop = async () => {}
  const start = async () => {
    const child = spawn(binary, ['up', '--data', data, '--addr', addr], { stdio: ['ignore', 'ignore', 'pipe'] })
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    let said = ''
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code) => reject(new Error(`${binary} ended with ${code} before it was ready:\n${said}`)))
      child.stderr.on('data', (text: Buffer) => {
        said = (said + text).slice(-10_000)
        if (said.includes('ready at')) resolve()
      })
    })
    stop = async () => {
      child.kill('SIGTERM')
      await gone
    }
  }
  await start()
  return {
    url: `http://${addr}`,
    start,
    kill: () => stop(),
    close: async () => {
      await stop()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

// A port that was free a moment ago. A node that is started again has to come back at the address the page knows.
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const at = server.address()
      server.close(() => (typeof at === 'object' && at ? resolve(at.port) : reject(new Error('no port'))))
    })
  })
}
