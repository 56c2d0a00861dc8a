import { existsSync } from 'node:fs'
import { chromium, type Browser, type Page } from 'playwright-core'

export function openBrowser(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((p) => existsSync(p))
  if (!executablePath) throw new Error('set CHROMIUM to the path of a Chromium')
  return chromium.launch({
    executablePath,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

// A page that notes whatever the browser complains about: an error of ours, or something that the content security policy forbids.
export async function openPage(browser: Browser): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  return { page, complaints }
}

// Waits until `read` gives what `fits`, and returns it. What cannot be read yet, since the page is still loading, is read again.
export async function until<T>(what: string, read: () => Promise<T>, fits: (value: T) => boolean, seconds = 60): Promise<T> {
  const deadline = Date.now() + seconds * 1000
  for (;;) {
    let seen: string
    try {
      const value = await read()
      if (fits(value)) return value
      seen = JSON.stringify(value)
    } catch (error) {
      seen = String(error)
    }
    if (Date.now() > deadline) throw new Error(`${what}: still ${seen} after ${seconds} s`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
