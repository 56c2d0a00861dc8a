package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"time"

	"millrace/client/journal"
	"millrace/event"
)

// sender brings what is in a journal to the tracker, in order, one request at a time. The same code sends for a process that logs, and what
// a dead one left.
type sender struct {
	j     *journal.Journal
	door  *door
	state *state
	path  string // of the run
	// patience ends again after so much failure in a row; 0 is never.
	patience time.Duration
	onRun    func(RunState)
	onSent   func(journal.Batch)
	// live: the process that logs; a run that has ended goes on for it, and not for what a dead one left.
	live bool

	begun  bool
	base   uint64
	spoken time.Time // when the tracker last heard of this writer
}

func newSender(j *journal.Journal, d *door, s *state) *sender {
	id := j.Identity()
	return &sender{j: j, door: d, state: s, path: "/runs/" + url.PathEscape(string(id.Run)), onRun: func(RunState) {}, onSent: func(journal.Batch) {}}
}

// The back-off between attempts: it doubles, and a random half of it is waited more or less, so that a thousand clients of a tracker that
// comes back do not come at once.
const (
	minBackOff = 100 * time.Millisecond
	maxBackOff = 30 * time.Second
)

// again does something until it is done or refused for good. It returns ctx's error, a *DoorError, or the last failure when patience ended.
func (s *sender) again(ctx context.Context, do func() error) error {
	began, wait := time.Now(), minBackOff
	for {
		err := do()
		var later *notNow
		if !errors.As(err, &later) {
			if err == nil {
				s.state.reached()
			}
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.state.unreached(later.err)
		if s.patience > 0 && time.Since(began)+wait > s.patience {
			return later.err
		}
		pause := wait/2 + rand.N(wait)
		if later.after > 0 {
			pause = later.after + rand.N(minBackOff)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		wait = min(2*wait, maxBackOff)
	}
}

// begin opens the run, or resumes it, and learns what the tracker has of this writer.
func (s *sender) begin(ctx context.Context) error {
	if s.begun {
		return nil
	}
	id := s.j.Identity()
	var run RunState
	if id.Create != nil {
		if err := s.door.call(ctx, "POST", "/runs", nil, id.Create, &run); err != nil {
			return err
		}
		if s.live && id.Resume && run.ended() {
			if err := s.door.call(ctx, "POST", s.path+"/resume", nil, resumption(id.Create), &run); err != nil {
				return err
			}
		}
	} else if err := s.door.call(ctx, "GET", s.path, nil, nil, &run); err != nil {
		var refused *DoorError
		if errors.As(err, &refused) && refused.Code == "NOT_FOUND" {
			return &notNow{err: err} // who opens it may not have come through yet
		}
		return err
	}
	s.onRun(run)
	if id.Base == nil || s.leftovers() {
		var last struct{ Sequence uint64 }
		if err := s.door.call(ctx, "GET", s.path+"/writers/"+url.PathEscape(string(id.Writer)), nil, nil, &last); err != nil {
			return err
		}
		if id.Base == nil {
			if err := s.j.SetBase(last.Sequence); err != nil {
				return err
			}
			id.Base = &last.Sequence
		}
		if last.Sequence > *id.Base {
			s.j.Acknowledge(last.Sequence - *id.Base)
		}
	}
	s.base, s.begun, s.spoken = *id.Base, true, time.Now()
	return nil
}

// resumption is the body that resumes a run at the time at which the body that opens it would have opened it.
func resumption(create []byte) []byte {
	var opened struct {
		Time json.RawMessage `json:"time,omitempty"`
	}
	_ = json.Unmarshal(create, &opened) // of a journal of an older version: now
	body, err := json.Marshal(opened)
	if err != nil {
		return []byte(`{}`)
	}
	return body
}

// finish opens a run of which there was nothing to send yet, and ends it when it is to end.
func (s *sender) finish(ctx context.Context, end bool) error {
	if err := s.begin(ctx); err != nil || !end {
		return err
	}
	return s.end(ctx)
}

// leftovers tells whether the journal may hold what the tracker has already.
func (s *sender) leftovers() bool {
	_, any := s.j.Next()
	return any
}

// one sends a batch, once. A batch that will never be taken is set aside, and counts as done.
func (s *sender) one(ctx context.Context, b journal.Batch) error {
	contents, err := s.j.Load(b)
	if err != nil {
		return err
	}
	if contents.Damaged > 0 || contents.Lost > 0 {
		s.state.problem("a part of the journal could not be read", fmt.Errorf("batch %d: %d bytes damaged, %d points of keys that are in them", b.Number, contents.Damaged, contents.Lost))
	}
	var answer struct{ Run RunState }
	path, header, body, err := s.encode(contents, s.base+b.Number)
	if err != nil {
		return s.setAside(b, contents, err)
	}
	if body != nil {
		err = s.door.call(ctx, "POST", s.path+path, header, body, &answer)
	}
	var refused *DoorError
	if errors.As(err, &refused) && refused.Code == "NOT_FOUND" && s.reopen(ctx) {
		err = s.door.call(ctx, "POST", s.path+path, header, body, &answer)
	}
	if errors.As(err, &refused) && !isNotNow(err) {
		return s.setAside(b, contents, refused)
	}
	if err != nil {
		return err
	}
	s.j.Acknowledge(b.Number)
	s.spoken = time.Now()
	s.state.delivered(int64(contents.Points))
	s.onSent(b)
	s.onRun(answer.Run)
	return nil
}

// reopen opens the run once more: the tracker's data may have been replaced. It tells whether it did.
func (s *sender) reopen(ctx context.Context) bool {
	create := s.j.Identity().Create
	return create != nil && s.door.call(ctx, "POST", "/runs", nil, create, nil) == nil
}

func isNotNow(err error) bool {
	var later *notNow
	return errors.As(err, &later)
}

// encode makes a batch's request: points alone as frames, anything else as entries.
func (s *sender) encode(c journal.Contents, sequence uint64) (path string, header map[string]string, body []byte, err error) {
	id := s.j.Identity()
	if len(c.Parts) == 0 {
		return "", nil, nil, nil
	}
	if c.OnlyPoints() {
		body, err := event.AppendFrames(nil, []event.Frame{{Run: id.Run, Writer: id.Writer, Series: c.Parts[0].Series}})
		return "/points", map[string]string{"Content-Type": "application/vnd.millrace.frames.v1", "Millrace-Sequence": strconv.FormatUint(sequence, 10)}, body, err
	}
	type series struct {
		Key     string          `json:"key"`
		Context json.RawMessage `json:"context,omitempty"`
		Steps   []int64         `json:"steps"`
		Times   []json.Number   `json:"times"`
		Values  []event.Number  `json:"values"`
	}
	entries := make([]json.RawMessage, 0, len(c.Parts))
	for _, p := range c.Parts {
		if p.Entry != nil {
			entries = append(entries, p.Entry)
			continue
		}
		columns := make([]series, len(p.Series))
		for i, in := range p.Series {
			out := series{Key: in.Key, Steps: in.Steps, Times: make([]json.Number, len(in.Times)), Values: make([]event.Number, len(in.Values))}
			if in.Context != "" {
				out.Context = json.RawMessage(in.Context)
			}
			for k := range in.Steps {
				out.Times[k], out.Values[k] = seconds(in.Times[k]), event.Number(in.Values[k])
			}
			columns[i] = out
		}
		raw, err := wire(map[string]any{"series": columns})
		if err != nil {
			return "", nil, nil, err
		}
		entries = append(entries, raw)
	}
	body, err = wire(map[string]any{"writer": id.Writer, "sequence": sequence, "entries": entries})
	return "/log", nil, body, err
}

// seconds writes microseconds as seconds, exactly.
func seconds(micros int64) json.Number {
	sign := ""
	if micros < 0 {
		sign, micros = "-", -micros
	}
	return json.Number(fmt.Sprintf("%s%d.%06d", sign, micros/1e6, micros%1e6))
}

// setAside keeps a batch that the tracker will not take, with its words, and goes on with the next.
func (s *sender) setAside(b journal.Batch, c journal.Contents, why error) error {
	number := s.base + b.Number
	path, header, body, err := s.encode(c, number)
	kept := map[string]any{"path": "/api/v1" + s.path + path, "sequence": number, "points": c.Points, "error": why}
	var refused *DoorError
	if !errors.As(why, &refused) {
		kept["error"] = why.Error()
	}
	switch {
	case err != nil || header != nil:
		kept["parts"] = readable(c)
	default:
		kept["body"] = json.RawMessage(body)
	}
	file, err := s.j.Refuse(fmt.Sprintf("%016d.json", number), kept)
	if err != nil {
		return err
	}
	s.j.Acknowledge(b.Number)
	s.state.refused(int64(c.Points), file, why)
	s.onSent(b)
	return nil
}

// readable is a batch for people.
func readable(c journal.Contents) any {
	type series struct {
		Key    string         `json:"key"`
		Steps  []int64        `json:"steps"`
		Times  []int64        `json:"times"`
		Values []event.Number `json:"values"`
	}
	var parts []any
	for _, p := range c.Parts {
		if p.Entry != nil {
			parts = append(parts, json.RawMessage(p.Entry))
		}
		for _, in := range p.Series {
			out := series{Key: in.Key, Steps: in.Steps, Times: in.Times}
			for _, v := range in.Values {
				out.Values = append(out.Values, event.Number(v))
			}
			parts = append(parts, out)
		}
	}
	return parts
}

// end tells the tracker how the run ended, when it did.
func (s *sender) end(ctx context.Context) error {
	e, ended, err := s.j.End()
	if err != nil || !ended {
		return err
	}
	body, err := wire(struct {
		Writer event.WriterID `json:"writer"`
		journal.Ending
	}{s.j.Identity().Writer, e})
	if err != nil {
		return err
	}
	err = s.door.call(ctx, "POST", s.path+"/end", nil, body, nil)
	var refused *DoorError
	if errors.As(err, &refused) && !isNotNow(err) {
		if refused.Code != "CONFLICT" { // it has ended already
			file, err := s.j.Refuse("end.json", map[string]any{"path": "/api/v1" + s.path + "/end", "body": json.RawMessage(body), "error": refused})
			if err != nil {
				return err
			}
			s.state.refused(0, file, refused)
		}
		err = nil
	}
	if err != nil {
		return err
	}
	return s.j.ClearEnd()
}

// heartbeat says that the writer lives, and asks what is wished of it.
func (s *sender) heartbeat(ctx context.Context) error {
	body, err := wire(map[string]any{"writer": s.j.Identity().Writer})
	if err != nil {
		return err
	}
	var run RunState
	if err := s.door.call(ctx, "POST", s.path+"/heartbeat", nil, body, &run); err != nil {
		return err
	}
	s.spoken = time.Now()
	s.onRun(run)
	return nil
}

// ask asks what is wished of the run.
func (s *sender) ask(ctx context.Context) error {
	var run RunState
	if err := s.door.call(ctx, "GET", s.path, nil, nil, &run); err != nil {
		return err
	}
	s.onRun(run)
	return nil
}
