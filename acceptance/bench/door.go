package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"millrace/event"
)

// door speaks to a node's door for logging as any script would, over HTTP, in the binary form.
type door struct {
	url  string
	http *http.Client
}

func newDoor(url string) door {
	return door{url, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true}}}
}

// post sends a body and returns what was answered.
func (d door) post(ctx context.Context, path, content string, header map[string]string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", content)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s: %.300s", path, resp.Status, raw)
	}
	return raw, err
}

// open opens an external run.
func (d door) open(ctx context.Context, run map[string]any) (string, error) {
	body, err := json.Marshal(run)
	if err != nil {
		return "", err
	}
	raw, err := d.post(ctx, "/api/v1/runs", "application/json", nil, body)
	if err != nil {
		return "", err
	}
	var made struct{ ID string }
	if err := json.Unmarshal(raw, &made); err != nil || made.ID == "" {
		return "", fmt.Errorf("a run was opened and has no id: %.300s: %w", raw, err)
	}
	return made.ID, nil
}

// writer logs what training curves look like: float32 values, steps by one, times with jitter, equal for all keys of a step.
type writer struct {
	door     door
	run      string
	name     string
	keys     []string
	values   []float64
	step     int64
	at       int64 // µs since 1970
	sequence uint64
	rng      *rand.Rand
}

func newWriter(d door, run, name string, keys int, seed uint64) *writer {
	w := &writer{door: d, run: run, name: name, at: 1_790_000_000_000_000, rng: rand.New(rand.NewPCG(seed, 1))}
	for k := range keys {
		w.keys = append(w.keys, "train/metric-"+strconv.Itoa(k))
		w.values = append(w.values, 10)
	}
	return w
}

// log sends steps more steps of every key, and returns when they are durable.
func (w *writer) log(ctx context.Context, steps int) error {
	f := event.Frame{Run: event.RunID(w.run), Writer: event.WriterID(w.name)}
	for _, key := range w.keys {
		f.Series = append(f.Series, event.Series{Key: key, Steps: make([]int64, steps), Times: make([]int64, steps), Values: make([]float64, steps)})
	}
	for i := range steps {
		w.step++
		w.at += 200_000 + w.rng.Int64N(4_000)
		for k := range w.keys {
			// A loss that falls as a power of the step, with the noise of a batch.
			w.values[k] = 2 + 8*math.Pow(float64(w.step), -0.2) + w.rng.NormFloat64()/20
			s := &f.Series[k]
			s.Steps[i], s.Times[i], s.Values[i] = w.step, w.at, float64(float32(w.values[k]))
		}
	}
	body, err := event.AppendFrames(nil, []event.Frame{f})
	if err != nil {
		return err
	}
	w.sequence++
	_, err = w.door.post(ctx, "/api/v1/runs/"+w.run+"/points", "application/vnd.millrace.frames.v1", map[string]string{"Millrace-Sequence": strconv.FormatUint(w.sequence, 10)}, body)
	return err
}

// together runs n workers until each is done or one fails.
func together(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, n)
	for i := range n {
		go func() {
			err := fn(ctx, i)
			if err != nil {
				cancel()
			}
			errs <- err
		}()
	}
	var first error
	for range n {
		if err := <-errs; err != nil && (first == nil || errors.Is(first, context.Canceled)) {
			first = err
		}
	}
	return first
}

// flood has every writer log frames of so many steps until points are in the log, and returns points by second.
func flood(ctx context.Context, writers []*writer, steps int, points int64) (float64, error) {
	var left atomic.Int64
	left.Store(points)
	began := time.Now()
	err := together(ctx, len(writers), func(ctx context.Context, i int) error {
		w := writers[i]
		each := int64(steps * len(w.keys))
		for left.Add(-each) > -each {
			if err := w.log(ctx, steps); err != nil {
				return err
			}
		}
		return nil
	})
	return float64(points) / time.Since(began).Seconds(), err
}

// ask does a GraphQL query and throws the answer away, but for its size.
func (d door) ask(ctx context.Context, query string, vars map[string]any) (int, error) {
	raw, err := d.answer(ctx, query, vars)
	return len(raw), err
}

func (d door) answer(ctx context.Context, query string, vars map[string]any) ([]byte, error) {
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	if err != nil {
		return nil, err
	}
	raw, err := d.post(ctx, "/graphql", "application/json", nil, body)
	if err == nil && bytes.HasPrefix(raw, []byte(`{"errors"`)) {
		err = fmt.Errorf("%.500s", raw)
	}
	return raw, err
}

// timed runs fn n times after one that does not count, and returns the milliseconds of each, sorted.
func timed(n int, fn func() error) ([]float64, error) {
	var took []float64
	for i := range n + 1 {
		began := time.Now()
		if err := fn(); err != nil {
			return nil, err
		}
		if i > 0 {
			took = append(took, float64(time.Since(began).Microseconds())/1000)
		}
	}
	return sorted(took), nil
}

// get reads an address to its end.
func (d door) get(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+path, nil)
	if err != nil {
		return err
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.300s", path, resp.Status, raw)
	}
	return err
}
