import { expect, test } from 'vitest'
import { events, numbers, usual } from './stream'

function body(...pieces: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(c) {
      for (const p of pieces) c.enqueue(new TextEncoder().encode(p))
      c.close()
    },
  })
}

async function all(b: ReadableStream<Uint8Array>): Promise<string[]> {
  const out: string[] = []
  for await (const e of events(b)) out.push(e)
  return out
}

test('events are whole however they come in pieces', async () => {
  const stream = 'data: {"a":1}\n\ndata: {"b":"é"}\n\ndata: [DONE]\n\ndata: late\n\n'
  expect(await all(body(stream))).toEqual(['{"a":1}', '{"b":"é"}'])
  expect(await all(body(...stream.split('')))).toEqual(['{"a":1}', '{"b":"é"}'])
  expect(await all(body('data: cut'))).toEqual([])
})

test('settings that are empty are left to the node, and words are none', () => {
  expect(numbers(usual)).toEqual({ temperature: 0.8, top_p: 0.95, max_tokens: 200 })
  expect(numbers({ ...usual, top_k: 'many' })).toContain('top k')
})
