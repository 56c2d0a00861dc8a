package serving

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"millrace/trainer/engine"
	"millrace/trainer/token"
)

// Limits bound what a server takes.
type Limits struct {
	ModelBytes int64         // memory of models that are loaded; 0: 4 GiB
	CacheBytes int64         // memory of the texts of one model; 0: 1 GiB
	Texts      int           // of one model at once; 0: 8
	Waiting    int           // prompts that wait for a model; 0: 64
	Body       int64         // bytes of a request; 0: 4 MiB
	Loading    time.Duration // how long loading a model may take; 0: 10 minutes
}

func (l Limits) filled() Limits {
	choose(&l.ModelBytes, 4<<30)
	choose(&l.CacheBytes, 1<<30)
	choose(&l.Texts, maxChoices)
	choose(&l.Waiting, 64)
	choose(&l.Body, 4<<20)
	choose(&l.Loading, 10*time.Minute)
	return l
}

func choose[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// Config says what is served.
type Config struct {
	Source  Source
	Kernels engine.Kernels
	// Form is how weights are kept; "": as trained.
	Form   engine.Form
	Limits Limits
	Now    func() time.Time
	Log    *slog.Logger
}

// Server answers /v1/. Close it: it ends what is being said.
type Server struct {
	source Source
	shelf  *shelf
	limits Limits
	now    func() time.Time
	log    *slog.Logger
	mux    *http.ServeMux
}

// New makes a server. Nothing is loaded yet.
func New(c Config) *Server {
	choose(&c.Form, engine.FormF32)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	limits := c.Limits.filled()
	s := &Server{
		source: c.Source, limits: limits, now: c.Now, log: c.Log, mux: http.NewServeMux(),
		shelf: &shelf{kernels: c.Kernels, form: c.Form, limits: limits, log: c.Log, now: c.Now, places: map[string]*place{}, freed: make(chan struct{})},
	}
	s.mux.HandleFunc("POST /v1/completions", s.completions)
	s.mux.HandleFunc("POST /v1/chat/completions", s.chatCompletions)
	s.mux.HandleFunc("GET /v1/models", s.models)
	s.mux.HandleFunc("GET /v1/models/{name...}", s.model)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, refuse("", "there is no %s %s; there are POST /v1/chat/completions and /v1/completions, and GET /v1/models", r.Method, r.URL.Path).as(http.StatusNotFound, "invalid_request_error", "unknown_url"))
	})
	return s
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close ends all that is being said, and forgets the models.
func (s *Server) Close() error {
	s.shelf.close()
	return nil
}

// listed is a model in an answer.
type listed struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
	Label   string `json:"label,omitempty"` // ours
	Run     string `json:"run,omitempty"`   // ours
	Step    int64  `json:"step,omitempty"`  // ours
}

func (s *Server) models(w http.ResponseWriter, r *http.Request) {
	offers, err := s.source.Offers(r.Context())
	if err != nil {
		fail(w, err)
		return
	}
	data := make([]listed, len(offers))
	for i, o := range offers {
		data[i] = listed{o.Name, "model", o.Created.Unix(), "millrace", o.Label, o.Run, o.Step}
	}
	answer(w, map[string]any{"object": "list", "data": data})
}

func (s *Server) model(w http.ResponseWriter, r *http.Request) {
	c, err := s.source.Find(r.Context(), r.PathValue("name"))
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, listed{ID: r.PathValue("name"), Object: "model", Created: c.Created.Unix(), OwnedBy: "millrace"})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client may be gone
}

// voiceOf finds and loads what a request names.
func (s *Server) voiceOf(ctx context.Context, name string) (*voice, func(), error) {
	if len(name) > 512 {
		return nil, nil, fmt.Errorf("%w: its name has %d bytes", ErrUnknownModel, len(name))
	}
	c, err := s.source.Find(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	return s.shelf.take(ctx, c)
}

func (s *Server) completions(w http.ResponseWriter, r *http.Request) {
	var q completionRequest
	if err := read(w, r, s.limits.Body, &q); err != nil {
		fail(w, err)
		return
	}
	sampling, n, err := q.common()
	if err != nil {
		fail(w, err)
		return
	}
	ranked, err := q.check(n)
	if err != nil {
		fail(w, err)
		return
	}
	v, release, err := s.voiceOf(r.Context(), q.Model)
	if err != nil {
		fail(w, err)
		return
	}
	defer release()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel() // whatever is still being said for us ends
	most := 16
	if q.MaxTokens != nil {
		most = *q.MaxTokens
	}
	a := &answering{s: s, v: v, model: q.Model, n: n, echo: q.Echo, ranked: ranked, usage: q.StreamOptions.IncludeUsage}
	for i, p := range q.Prompt {
		ids, begun, err := v.begun(p)
		if err != nil {
			fail(w, err)
			return
		}
		said := &ask{
			ctx: ctx, prompt: ids, begun: begun, n: n, most: most, sampling: sampling, stops: q.Stop,
			ends: v.ends(ids), ranked: ranked, scored: q.Echo && ranked >= 0,
		}
		if said.scored && v.g.Reads() {
			fail(w, refuse("echo", "this model reads its prompt and does not write it, so the prompt's tokens have no logprobs; leave out echo or logprobs"))
			return
		}
		if err := v.fit(said, "prompt"); err != nil {
			fail(w, err)
			return
		}
		said.sampling.Seed += uint64(i * n)
		a.asks = append(a.asks, said)
		a.prompts = append(a.prompts, p.text)
	}
	a.run(w, q.Stream)
}

func (s *Server) chatCompletions(w http.ResponseWriter, r *http.Request) {
	var q chatRequest
	if err := read(w, r, s.limits.Body, &q); err != nil {
		fail(w, err)
		return
	}
	sampling, n, err := q.common()
	if err != nil {
		fail(w, err)
		return
	}
	ranked, messages, err := q.check()
	if err != nil {
		fail(w, err)
		return
	}
	v, release, err := s.voiceOf(r.Context(), q.Model)
	if err != nil {
		fail(w, err)
		return
	}
	defer release()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	ids, err := v.chat.encode(v.tok, messages)
	if err != nil {
		fail(w, refuse("messages", "%v", err))
		return
	}
	said := &ask{
		ctx: ctx, prompt: ids, n: n, most: v.g.Context(), sampling: sampling, stops: q.Stop,
		ends: append([]int32{v.tok.EndOfText()}, v.chat.ends...), ranked: ranked,
	}
	if v.chat.template == "" {
		said.stops, said.trim = append(append([]string{}, plainStops...), q.Stop...), true
	}
	if q.MaxTokens != nil {
		said.most = *q.MaxTokens
	}
	if err := v.fit(said, "messages"); err != nil {
		fail(w, err)
		return
	}
	a := &answering{s: s, v: v, model: q.Model, n: n, chat: true, ranked: ranked, usage: q.StreamOptions.IncludeUsage, asks: []*ask{said}}
	a.run(w, q.Stream)
}

// ends are tokens that end an answer. What an encoder-decoder writes for gaps of its source ends where another would follow.
func (v *voice) ends(prompt []int32) []int32 {
	ends := []int32{v.tok.EndOfText()}
	if gaps, ok := v.tok.(token.Sentinels); ok {
		if end, ok := gaps.End(prompt); ok {
			ends = append(ends, end)
		}
	}
	return ends
}

// begun is a prompt as tokens. A text begins behind the token that begins texts, as in training; what an encoder-decoder reads is the text
// alone. Tokens are taken as they are given.
func (v *voice) begun(p prompt) (ids []int32, begun bool, err error) {
	if p.tokens != nil {
		return p.tokens, false, nil
	}
	if ids, err = token.AppendWithSpecial(v.tok, nil, p.text); err != nil {
		return nil, false, refuse("prompt", "%v", err)
	}
	first := v.tok.EndOfText()
	if v.g.Reads() && len(ids) > 0 {
		return ids, false, nil
	}
	for _, s := range v.tok.Special() {
		if s.Name == "<|begin_of_text|>" || s.Name == "<s>" {
			first = s.ID
		}
	}
	if len(ids) > 0 && ids[0] == first {
		return ids, false, nil
	}
	return append([]int32{first}, ids...), true, nil
}

// fit refuses prompts that the model cannot take, and bounds the answers by the context and by memory.
func (v *voice) fit(a *ask, param string) error {
	ids, room := a.prompt, v.g.Context()-len(a.prompt)
	if v.g.Reads() { // the prompt has a context of its own
		room++
	}
	if room < 1 {
		return refuse(param, "this model's context has %d tokens, and the prompt has %d: nothing can be said behind it", v.g.Context(), len(ids)).
			as(http.StatusBadRequest, "invalid_request_error", "context_length_exceeded")
	}
	for i, id := range ids {
		if id < 0 || int(id) >= v.g.VocabSize() {
			return refuse(param, "token %d is %d; the model has %d tokens", i, id, v.g.VocabSize())
		}
	}
	if v.g.Reads() {
		room = v.g.Context()
	}
	a.most = min(a.most, room)
	for a.most > 0 && v.memory(a) > v.limits.CacheBytes {
		a.most /= 2
	}
	if v.memory(a) > v.limits.CacheBytes {
		return refuse(param, "the prompt has %d tokens, which take more memory than texts may have here", len(ids))
	}
	return nil
}
