package serving

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"unicode/utf8"

	"millrace/trainer/token"
)

// answering is one request on its way back, whole or as a stream of events.
type answering struct {
	s       *Server
	v       *voice
	model   string
	chat    bool
	n       int // choices of each prompt
	echo    bool
	ranked  int
	usage   bool
	asks    []*ask
	prompts []string // as texts, for echo
	id      string
	created int64
	choices []said
}

// said is one choice so far.
type said struct {
	text    string
	tokens  []spoken
	offset  int // characters before the next token of completions
	finish  string
	count   int
	started bool
}

// usage counts tokens, as OpenAI does.
type usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

// run submits the asks, and answers.
func (a *answering) run(w http.ResponseWriter, stream bool) {
	a.id, a.created = "cmpl-"+rand.Text(), a.s.now().Unix()
	if a.chat {
		a.id = "chat" + a.id
	}
	a.choices = make([]said, len(a.asks)*a.n)
	for _, q := range a.asks {
		if err := a.v.submit(q); err != nil {
			fail(w, err)
			return
		}
	}
	if stream {
		a.stream(w)
		return
	}
	for i, q := range a.asks {
		if err := a.listen(i, q, func(int, part) error { return nil }); err != nil {
			if q.ctx.Err() == nil {
				fail(w, err)
			}
			return // the client left
		}
	}
	choices := make([]any, len(a.choices))
	for i := range a.choices {
		choices[i] = a.choice(i, a.choices[i], "", false)
	}
	body := a.frame(false)
	body["choices"], body["usage"] = choices, a.used()
	answer(w, body)
}

// listen collects the parts of an ask until all its choices have ended; heard is told of each.
func (a *answering) listen(number int, q *ask, heard func(choice int, p part) error) error {
	if a.echo {
		for j := range a.n {
			a.choices[number*a.n+j].text = a.echoed(number)
		}
	}
	for ended := 0; ended < q.n; {
		parts, err := q.next()
		if err != nil {
			return err
		}
		for _, p := range parts {
			if p.err != nil {
				return p.err
			}
			if p.prompt {
				if q.begun && len(p.tokens) > 0 && p.tokens[0].first {
					p.tokens = p.tokens[1:]
				}
				for j := range a.n {
					c := &a.choices[number*a.n+j]
					c.tokens = append(c.tokens, p.tokens...)
				}
				continue
			}
			i := number*a.n + p.choice
			c := &a.choices[i]
			c.text, c.count, c.finish = c.text+p.text, max(c.count, p.count), p.finish
			c.tokens = append(c.tokens, p.tokens...)
			if p.finish != "" {
				ended++
			}
			if err := heard(i, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// echoed is a prompt as text.
func (a *answering) echoed(number int) string {
	if q := a.asks[number]; !q.begun && a.prompts[number] == "" {
		return valid(decoded(a.v.tok, q.prompt))
	}
	return a.prompts[number]
}

func decoded(tok token.Tokenizer, ids []int32) (b []byte) {
	for _, id := range ids {
		b = append(b, tok.Bytes(id)...)
	}
	return b
}

// frame is what every answer begins with.
func (a *answering) frame(chunk bool) map[string]any {
	object := "text_completion"
	switch {
	case a.chat && chunk:
		object = "chat.completion.chunk"
	case a.chat:
		object = "chat.completion"
	}
	return map[string]any{"id": a.id, "object": object, "created": a.created, "model": a.model}
}

func (a *answering) used() usage {
	var u usage
	for _, q := range a.asks {
		u.Prompt += len(q.prompt)
	}
	for _, c := range a.choices {
		u.Completion += c.count
	}
	u.Total = u.Prompt + u.Completion
	return u
}

// choice is one in an answer or, as a chunk, what is new of it.
func (a *answering) choice(i int, c said, role string, chunk bool) map[string]any {
	out := map[string]any{"index": i, "finish_reason": nil, "logprobs": nil}
	if c.finish != "" {
		out["finish_reason"] = c.finish
	}
	if !a.chat {
		out["text"] = c.text
		if a.ranked >= 0 {
			out["logprobs"] = a.logProbs(c)
		}
		return out
	}
	if a.ranked >= 0 && (len(c.tokens) > 0 || !chunk) {
		out["logprobs"] = map[string]any{"content": a.content(c.tokens), "refusal": nil}
	}
	if !chunk {
		out["message"] = map[string]any{"role": "assistant", "content": c.text, "refusal": nil}
		return out
	}
	delta := map[string]any{}
	if role != "" {
		delta["role"] = role
	}
	if c.text != "" || role != "" {
		delta["content"] = c.text
	}
	out["delta"] = delta
	return out
}

// logProbs is the form of completions. Offsets count characters.
func (a *answering) logProbs(c said) map[string]any {
	tokens, probs, tops, offsets := []string{}, []*float64{}, []map[string]float64{}, []int{}
	at := c.offset
	for _, t := range c.tokens {
		name := a.name(t.id)
		tokens, offsets = append(tokens, name), append(offsets, at)
		at += utf8.RuneCountInString(name)
		if t.first {
			probs, tops = append(probs, nil), append(tops, nil)
			continue
		}
		top := map[string]float64{}
		for _, r := range t.top {
			name := a.name(r.id)
			if _, ok := top[name]; !ok { // two tokens of broken text may read the same: the likelier stays
				top[name] = r.logProb
			}
		}
		probs, tops = append(probs, &t.logProb), append(tops, top)
	}
	return map[string]any{"tokens": tokens, "token_logprobs": probs, "top_logprobs": tops, "text_offset": offsets}
}

// content is the form of chats.
func (a *answering) content(tokens []spoken) []any {
	one := func(id int32, logProb float64) map[string]any {
		raw := []int{}
		for _, b := range a.v.tok.Bytes(id) {
			raw = append(raw, int(b))
		}
		return map[string]any{"token": a.name(id), "logprob": logProb, "bytes": raw}
	}
	out := []any{}
	for _, t := range tokens {
		entry, top := one(t.id, t.logProb), []any{}
		for _, r := range t.top {
			top = append(top, one(r.id, r.logProb))
		}
		entry["top_logprobs"] = top
		out = append(out, entry)
	}
	return out
}

// name is a token as text; of a special one its name.
func (a *answering) name(id int32) string {
	if b := a.v.tok.Bytes(id); len(b) > 0 {
		return valid(b)
	}
	for _, s := range a.v.tok.Special() {
		if s.ID == id {
			return s.Name
		}
	}
	return ""
}

// stream sends what is new as server-sent events.
func (a *answering) stream(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	send := func(v any) error {
		raw, err := json.Marshal(v)
		if err != nil {
			return err
		}
		raw = append(append([]byte("data: "), raw...), "\n\n"...)
		if _, err := w.Write(raw); err != nil {
			return err
		}
		return control.Flush()
	}
	chunk := func(i int, c said, role string) error {
		body := a.frame(true)
		body["choices"] = []any{a.choice(i, c, role, true)}
		return send(body)
	}
	begin := func(i int) error {
		c := &a.choices[i]
		if c.started {
			return nil
		}
		c.started = true
		if a.chat {
			return chunk(i, said{}, "assistant")
		}
		if !a.echo {
			return nil
		}
		scored := said{text: c.text, tokens: c.tokens}
		c.offset, c.tokens = utf8.RuneCountInString(c.text), nil
		return chunk(i, scored, "")
	}
	for number, q := range a.asks {
		if !a.echo { // that it begins is told at once; an echo waits for its scores
			for j := range a.n {
				if err := begin(number*a.n + j); err != nil {
					return
				}
			}
		}
		err := a.listen(number, q, func(i int, p part) error {
			c := &a.choices[i]
			if !c.started { // an echo: what was heard with this part is sent behind it
				fresh := said{text: p.text, tokens: p.tokens, finish: p.finish}
				c.text, c.tokens = c.text[:len(c.text)-len(p.text)], c.tokens[:len(c.tokens)-len(p.tokens)]
				if err := begin(i); err != nil {
					return err
				}
				fresh.offset = c.offset
				c.offset += utf8.RuneCountInString(p.text)
				return chunk(i, fresh, "")
			}
			fresh := said{text: p.text, tokens: p.tokens, finish: p.finish, offset: c.offset}
			c.offset += utf8.RuneCountInString(p.text)
			return chunk(i, fresh, "")
		})
		if err != nil {
			if q.ctx.Err() == nil {
				_ = send(map[string]*fault{"error": faultOf(err)}) // the client may be gone
			}
			return
		}
	}
	if a.usage {
		body := a.frame(true)
		body["choices"], body["usage"] = []any{}, a.used()
		if send(body) != nil {
			return
		}
	}
	if _, err := w.Write([]byte("data: [DONE]\n\n")); err == nil {
		_ = control.Flush()
	}
}
