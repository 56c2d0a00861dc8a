import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { openBrowser, openPage, until } from './browser'
import { openNode, type RealNode } from './node'
import { curate, statusOf, train } from './wishes'

// A real node with a dataset of its own, and a page of a real browser to look at it.
export interface Lab {
  node: RealNode
  browser: Browser
  page: Page
  complaints: string[]
  dataset: string
  // Trains to the end on the lab's dataset or another one, and returns the run's id.
  trained: (name: string, lr: number, steps: number, seed?: number, on?: string) => Promise<string>
  // Makes another dataset of the same text with a tokenizer of that size, and returns its name.
  curated: (vocabulary: number) => Promise<string>
  close: () => Promise<void>
}

export async function openLab(name: string): Promise<Lab> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-text-'))
  const dataset = `${name}-${Date.now()}`
  const node = await openNode()
  const browser = await openBrowser()
  const { page, complaints } = await openPage(browser)
  const over = (id: string) => until(`run ${id}`, () => statusOf(node.url, id), (s) => s === 'FINISHED')
  await over(await curate(node.url, dataset, folder))
  return {
    node,
    browser,
    page,
    complaints,
    dataset,
    trained: async (run, lr, steps, seed, on = dataset) => {
      const id = await train(node.url, run, on, lr, steps, seed)
      await over(id)
      return id
    },
    curated: async (vocabulary) => {
      const made = `${dataset}-${vocabulary}`
      await over(await curate(node.url, made, folder, vocabulary))
      return made
    },
    close: async () => {
      await browser.close()
      await node.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
