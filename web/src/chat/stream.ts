// A model that can be talked to, as /v1/models lists it; label, run and step are the node's own.
export interface Offer {
  id: string
  label?: string
  run?: string
  step?: number
}

export interface Turn {
  role: 'user' | 'assistant' | 'system'
  content: string
}

// How the answer is drawn. Text of a field that is empty leaves it to the node.
export interface Settings {
  temperature: string
  top_p: string
  top_k: string
  min_p: string
  repetition_penalty: string
  max_tokens: string
  seed: string
}

export const usual: Settings = { temperature: '0.8', top_p: '0.95', top_k: '', min_p: '', repetition_penalty: '', max_tokens: '200', seed: '' }

export async function offers(signal: AbortSignal): Promise<Offer[]> {
  const answer = await fetch('/v1/models', { signal })
  if (!answer.ok) throw new Error(await trouble(answer))
  return ((await answer.json()) as { data: Offer[] }).data
}

// What the settings say, or what is wrong with them.
export function numbers(s: Settings): Record<string, number> | string {
  const out: Record<string, number> = {}
  for (const [name, text] of Object.entries(s)) {
    if (text.trim() === '') continue
    const value = Number(text)
    if (!Number.isFinite(value)) return `${name.replaceAll('_', ' ')}: “${text}” is not a number`
    out[name] = value
  }
  return out
}

// Asks for an answer, or with plain for how the text goes on, and tells of each piece as it comes. It returns why it ended.
export async function say(model: string, turns: Turn[], plain: boolean, settings: Record<string, number>, piece: (text: string) => void, signal: AbortSignal): Promise<string> {
  const what = plain ? { prompt: turns.map((t) => t.content).join('') } : { messages: turns }
  const answer = await fetch(plain ? '/v1/completions' : '/v1/chat/completions', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ model, stream: true, ...settings, ...what }),
    signal,
  })
  if (!answer.ok || !answer.body) throw new Error(await trouble(answer))
  let why = ''
  for await (const event of events(answer.body)) {
    const said = JSON.parse(event) as { error?: { message: string }; choices?: { text?: string; delta?: { content?: string }; finish_reason?: string }[] }
    if (said.error) throw new Error(said.error.message)
    for (const c of said.choices ?? []) {
      const text = c.text ?? c.delta?.content
      if (text) piece(text)
      why = c.finish_reason ?? why
    }
  }
  return why
}

// The data of server-sent events, up to [DONE].
export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader()
  const text = new TextDecoder()
  let held = ''
  for (;;) {
    const { value, done } = await reader.read()
    held += text.decode(value, { stream: !done })
    for (let end = held.indexOf('\n\n'); end >= 0; end = held.indexOf('\n\n')) {
      const line = held.slice(0, end)
      held = held.slice(end + 2)
      if (line === 'data: [DONE]') return
      if (line.startsWith('data: ')) yield line.slice(6)
    }
    if (done) return
  }
}

async function trouble(answer: Response): Promise<string> {
  const said = await answer.text()
  try {
    return (JSON.parse(said) as { error: { message: string } }).error.message
  } catch {
    return answer.status === 404 ? 'This node has no role serving.' : said || answer.statusText
  }
}
