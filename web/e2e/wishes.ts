import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

// What a test wishes of a node, by the same GraphQL that everyone uses.
export async function ask<T>(url: string, query: string, variables: object = {}): Promise<T> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
  const answer = (await response.json()) as { data?: T; errors?: { message: string }[] }
  if (!answer.data || answer.errors) throw new Error(`${query}: ${answer.errors?.map((e) => e.message).join('; ') ?? response.status}`)
  return answer.data
}

async function start(url: string, input: object): Promise<string> {
  const { startRun } = await ask<{ startRun: { run: { id: string } | null; userErrors: { message: string }[] } }>(
    url,
    'mutation ($input: StartRunInput!) { startRun(input: $input) { run { id } userErrors { message } } }',
    { input },
  )
  if (!startRun.run) throw new Error(startRun.userErrors.map((e) => e.message).join('; '))
  return startRun.run.id
}

const subjects = ['the miller', 'a trout', 'the old wheel', 'rain', 'the river', 'a heron', 'the stone']
const verbs = ['turns', 'waits for', 'grinds', 'follows', 'carries', 'remembers', 'leaves']

// A dataset of sentences made by rule, written into a folder that has to stay until the run has ended. Returns the run's id.
export function curate(url: string, name: string, folder: string, vocabulary = 300): Promise<string> {
  for (let d = 0; d < 60; d++) {
    const lines = Array.from({ length: 40 }, (_, i) => {
      const k = d * 37 + i * 11
      return `${subjects[k % 7]} ${verbs[(Math.floor(k / 7) + i) % 7]} ${subjects[(Math.floor(k / 3) + d) % 7]} near mill ${(d + i) % 26}.`
    })
    writeFileSync(join(folder, `doc${d}.txt`), lines.join('\n'))
  }
  return start(url, { kind: 'CURATE', name, config: { name, sources: [{ folder }], held_out: 0.2, tokenizer: { kind: 'bpe', vocab_size: vocabulary } } })
}

// A dataset that keeps a record of documents: of the folder, with one document too short and one that is there twice.
export function curateRecorded(url: string, name: string, folder: string): Promise<string> {
  writeFileSync(join(folder, 'small.txt'), 'far too short')
  copyFileSync(join(folder, 'doc7.txt'), join(folder, 'doc7-again.txt'))
  return start(url, {
    kind: 'CURATE',
    name,
    config: { name, sources: [{ name: 'text', folder }], held_out: 0.2, filters: { min_words: 50 }, clean: {}, attributes: true, report: true, tokenizer: { kind: 'byte' } },
  })
}

export function train(url: string, name: string, dataset: string, lr: number, steps: number, seed = 7): Promise<string> {
  return start(url, {
    kind: 'TRAIN',
    name,
    experiment: 'browser',
    inputs: [{ role: 'dataset', digest: dataset }],
    suites: ['quick'],
    config: {
      model: { n_layer: 2, n_head: 2, d_model: 32, context: 32 },
      batch_size: 4,
      steps,
      checkpoint_every: Math.ceil(steps / 2),
      eval_every: Math.ceil(steps / 4),
      eval_batches: 2,
      seed,
      optimizer: { name: 'adamw', lr, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 },
    },
  })
}

export const reproduce = async (url: string, id: string): Promise<string> => {
  const { reproduceRun } = await ask<{ reproduceRun: { run: { id: string } | null; userErrors: { message: string }[] } }>(
    url,
    'mutation ($input: ReproduceRunInput!) { reproduceRun(input: $input) { run { id } userErrors { message } } }',
    { input: { id } },
  )
  if (!reproduceRun.run) throw new Error(reproduceRun.userErrors.map((e) => e.message).join('; '))
  return reproduceRun.run.id
}

export const statusOf = async (url: string, id: string): Promise<string> =>
  (await ask<{ run: { status: string } }>(url, 'query ($id: ID!) { run(id: $id) { status } }', { id })).run.status
