package fetch

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// Sample is a line of a part: what was asked, and what the model wrote.
type Sample struct {
	Instruction string `json:"instruction"`
	Input       string `json:"input"`
	Output      string `json:"output"`
	Model       string `json:"model"`
	ID          string `json:"id"` // 32 hex digits, the same for the same question
}

// Generate asks a model, and writes what it answers into parts of JSON Lines, each a Sample, in the order of the prompts and
// their samples, however they come. It returns ErrNothing when there is no answer, ErrDenied, ErrUnavailable,
// ErrDamaged, ctx's error, or what is wrong with the prompts; answers that came are kept, and not asked for again by the
// next call.
func (f Fetcher) Generate(ctx context.Context, s Synthetic) (_ Result, err error) {
	if err := s.Check(); err != nil {
		return Result{}, fmt.Errorf("fetch: synthetic: %w", err)
	}
	g := &generator{Fetcher: f, synthetic: s, have: map[sampleID]answered{}}
	g.journal, err = openJournal(f.Dir, digestOf(s), g.replay)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, g.journal.close()) }()
	for q, err := range s.questions(ctx) { // all of them, before a token is paid for
		if err != nil {
			return Result{}, err
		}
		g.total++
		g.spent += g.have[q.id].tokens
	}
	if err := g.run(ctx); err != nil {
		return Result{}, err
	}
	return g.write(ctx)
}

// generator is one Generate.
type generator struct {
	Fetcher
	synthetic Synthetic
	journal   *journal
	total     int64
	have      map[sampleID]answered
	spent     int64 // tokens, of the questions there are now
	got       int64 // bytes received, as the journal has it
	here      int64 // in this call
}

// answered is where the journal has an answer.
type answered struct {
	at     int64 // of its line
	n      int32 // bytes of the line
	tokens int64
}

// sampleLine is a line of the journal.
type sampleLine struct {
	ID       string `json:"id"`
	Output   string `json:"output,omitempty"`
	Model    string `json:"model,omitempty"`
	Why      string `json:"why,omitempty"`
	Detail   string `json:"detail,omitempty"`
	Tokens   Tokens `json:"tokens"`
	Received int64  `json:"received"`
}

func (g *generator) replay(raw []byte, at int64) error {
	var l sampleLine
	if err := strict(raw, &l); err != nil {
		return err
	}
	id, err := hex.DecodeString(l.ID)
	if err != nil || len(id) != len(sampleID{}) {
		return fmt.Errorf("id %.80q", l.ID)
	}
	g.add(sampleID(id), l, at, int64(len(raw)))
	return nil
}

func (g *generator) add(id sampleID, l sampleLine, at, n int64) {
	g.got += l.Received
	g.have[id] = answered{at, int32(n), l.Tokens.Prompt + l.Tokens.Completion}
}

// run asks what has no answer yet. Questions are begun in order; when the budget is spent none is begun any more, so that
// those with an answer that count towards it are the first ones.
func (g *generator) run(ctx context.Context) error {
	m, err := newModel(g.synthetic, g.Fetcher)
	if err != nil {
		return err
	}
	defer m.close()
	type answer struct {
		reply
		id   sampleID
		err  error
		came bool
	}
	ctx, cancel := context.WithCancel(ctx)
	answers := make(chan answer, g.synthetic.Concurrency)
	asking := 0
	defer func() {
		for cancel(); asking > 0; asking-- {
			<-answers
		}
	}()
	take := func(a answer) error {
		asking--
		if a.err != nil {
			return a.err
		}
		l := sampleLine{ID: a.id.String(), Output: a.output, Model: a.model, Why: a.why, Detail: a.detail, Tokens: a.tokens, Received: a.received}
		at := g.journal.end
		n, err := g.journal.add(l)
		g.add(a.id, l, at, n)
		g.spent += g.have[a.id].tokens
		g.here += a.received
		return err
	}
	// drain takes what has come, waiting for one if block, and makes it durable.
	drain := func(block bool) error {
		var failed error
		came := false
		for asking > 0 {
			var a answer
			if block && !came {
				a = <-answers
			} else {
				select {
				case a = <-answers:
				default:
				}
			}
			if !a.came {
				break
			}
			came = true
			failed = cmp.Or(failed, take(a))
		}
		if came {
			if err := g.journal.sync(); err != nil {
				return err
			}
			g.tell()
		}
		return failed
	}
	g.tell()
	for q, err := range g.synthetic.questions(ctx) {
		if err != nil {
			return err
		}
		if _, ok := g.have[q.id]; ok {
			continue
		}
		for asking == g.synthetic.Concurrency {
			if err := drain(true); err != nil {
				return err
			}
		}
		if err := drain(false); err != nil {
			return err
		}
		if g.synthetic.BudgetTokens > 0 && g.spent >= g.synthetic.BudgetTokens {
			break
		}
		asking++
		go func() {
			r, err := m.ask(ctx, q)
			answers <- answer{r, q.id, err, true}
		}()
	}
	for asking > 0 {
		if err := drain(true); err != nil {
			return err
		}
	}
	return nil
}

func (g *generator) tell() {
	if g.Progress != nil {
		g.Progress(Progress{Done: int64(len(g.have)), Total: g.total, Bytes: g.here})
	}
}

// write makes the parts from the journal. With a budget they end with the question that reached it.
func (g *generator) write(ctx context.Context) (Result, error) {
	r := Result{Received: g.got}
	left := map[string]int64{}
	first := ""
	var out *partWriter
	defer func() {
		if out != nil {
			_ = out.f.Close() // an error came before
		}
	}()
	spent := int64(0)
	number := 0
	for q, err := range g.synthetic.questions(ctx) {
		if err != nil {
			return Result{}, err
		}
		a, ok := g.have[q.id]
		budget := g.synthetic.BudgetTokens
		if budget > 0 && spent >= budget {
			left[overBudget]++
			continue
		}
		if !ok {
			return Result{}, fmt.Errorf("fetch: synthetic: %s was changed while its prompts were asked: start again when it is at rest", g.synthetic.PromptsFile)
		}
		spent += a.tokens
		l, err := g.line(a)
		if err != nil {
			return Result{}, err
		}
		r.Tokens.Prompt += l.Tokens.Prompt
		r.Tokens.Completion += l.Tokens.Completion
		if l.Why != "" {
			left[l.Why]++
			if first == "" {
				first = clip(q.text()) + ": " + l.Why + " " + l.Detail
			}
			continue
		}
		line, err := json.Marshal(Sample{q.Instruction, q.Input, l.Output, l.Model, l.ID})
		if err != nil {
			return Result{}, fmt.Errorf("fetch: synthetic: %w", err)
		}
		if out == nil {
			if out, err = g.newPart(number); err != nil {
				return Result{}, err
			}
			number++
		}
		if err := out.add(line); err != nil {
			return Result{}, err
		}
		r.Got++
		if out.size >= partBytes {
			part, err := out.finish()
			if err != nil {
				return Result{}, err
			}
			r.Parts, out = append(r.Parts, part), nil
		}
	}
	if out != nil {
		part, err := out.finish()
		if err != nil {
			return Result{}, err
		}
		r.Parts, out = append(r.Parts, part), nil
	}
	for ; ; number++ { // of a time when there were more prompts
		err := os.Remove(g.path(g.synthetic.PartName(number)))
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if err != nil {
			return Result{}, fmt.Errorf("fetch: synthetic: %w", err)
		}
	}
	r.Left = counts(left)
	if r.Got == 0 {
		return r, errors.Join(fmt.Errorf("fetch: synthetic: %w: %s", ErrNothing, first), g.journal.clear())
	}
	return r, syncDir(g.Dir.path)
}

// line reads an answer back.
func (g *generator) line(a answered) (sampleLine, error) {
	raw := make([]byte, a.n)
	if _, err := g.journal.f.ReadAt(raw, a.at); err != nil {
		return sampleLine{}, g.journal.damaged(a.at, err)
	}
	var l sampleLine
	if err := strict(bytes.TrimSpace(raw), &l); err != nil {
		return sampleLine{}, g.journal.damaged(a.at, err)
	}
	return l, nil
}

// PartName is the name of the n-th part of what a model wrote, from 0.
func (Synthetic) PartName(n int) string { return fmt.Sprintf("%05d.jsonl", n) }

// partWriter writes a part under another name until it is whole.
type partWriter struct {
	f    *os.File
	w    *bufio.Writer
	path string
	name string
	size int64
}

func (g *generator) newPart(n int) (*partWriter, error) {
	p := &partWriter{name: g.synthetic.PartName(n)}
	p.path = g.path(p.name)
	f, err := os.Create(p.path + ".new")
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	p.f, p.w = f, bufio.NewWriterSize(f, 256<<10)
	return p, nil
}

func (p *partWriter) add(line []byte) error {
	p.size += int64(len(line)) + 1
	if _, err := p.w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("fetch: %s: %w", p.f.Name(), err)
	}
	return nil
}

func (p *partWriter) finish() (Part, error) {
	err := errors.Join(p.w.Flush(), p.f.Sync())
	err = errors.Join(err, p.f.Close())
	if err == nil {
		err = os.Rename(p.f.Name(), p.path)
	}
	if err != nil {
		return Part{}, fmt.Errorf("fetch: %s: %w", p.f.Name(), err)
	}
	return Part{p.name, p.size}, nil
}
