package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
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

func (d door) host() string { return strings.TrimPrefix(d.url, "http://") }

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
	body, err := w.frame(steps)
	if err != nil {
		return err
	}
	w.sequence++
	_, err = w.door.post(ctx, w.path(), framesType, map[string]string{"Millrace-Sequence": strconv.FormatUint(w.sequence, 10)}, body)
	return err
}

const framesType = "application/vnd.millrace.frames.v1"

func (w *writer) path() string { return "/api/v1/runs/" + w.run + "/points" }

// frame is steps more steps of every key, as they travel.
func (w *writer) frame(steps int) ([]byte, error) {
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
	return event.AppendFrames(nil, []event.Frame{f})
}

// request is a whole HTTP request with a frame in it.
func (w *writer) request(steps int) ([]byte, error) {
	body, err := w.frame(steps)
	if err != nil {
		return nil, err
	}
	w.sequence++
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nMillrace-Sequence: %d\r\n\r\n", w.path(), w.door.host(), framesType, len(body), w.sequence)
	return append([]byte(head), body...), nil
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

// floodRound is how many points flood makes before it sends them.
const floodRound = 4_000_000

// flood has every writer log frames of so many steps until points are in the log, and returns points by second. Frames are made before
// the clock runs, and written to a connection of each writer's own: what is measured is the node, and not the one who loads it.
func flood(ctx context.Context, writers []*writer, steps int, points int64) (float64, error) {
	lines := make([]*line, len(writers))
	defer func() {
		for _, l := range lines {
			if l != nil {
				_ = l.conn.Close()
			}
		}
	}()
	for i, w := range writers {
		var err error
		if lines[i], err = dial(ctx, w.door); err != nil {
			return 0, err
		}
	}
	var took time.Duration
	for left := points; left > 0; left -= floodRound {
		each := int64(steps * len(writers[0].keys))
		frames := int((min(left, floodRound) + each*int64(len(writers)) - 1) / (each * int64(len(writers))))
		requests := make([][][]byte, len(writers))
		if err := together(ctx, len(writers), func(_ context.Context, i int) error {
			for range frames {
				r, err := writers[i].request(steps)
				if err != nil {
					return err
				}
				requests[i] = append(requests[i], r)
			}
			return nil
		}); err != nil {
			return 0, err
		}
		began := time.Now()
		if err := together(ctx, len(writers), func(ctx context.Context, i int) error {
			for _, r := range requests[i] {
				if err := lines[i].send(ctx, r); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return 0, err
		}
		took += time.Since(began)
	}
	return float64(points) / took.Seconds(), nil
}

// line is a connection to a node.
type line struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(ctx context.Context, d door) (*line, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", d.host())
	if err != nil {
		return nil, err
	}
	return &line{conn, bufio.NewReader(conn)}, nil
}

// send writes a request and waits for its answer.
func (l *line) send(ctx context.Context, request []byte) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, err := l.conn.Write(request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(l.in, nil)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %.300s", resp.Status, raw)
	}
	return err
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
func (d door) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.300s", path, resp.Status, raw)
	}
	return raw, err
}
