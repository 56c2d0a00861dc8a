package tracker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strings"
	"unicode/utf8"

	"millrace/event"
)

// Bounds on what scripts log, in bytes and entries. A fact must fit into one message of the log.
const (
	MaxBatchPoints = 100_000
	maxKey         = 1024
	maxLine        = 64 << 10
	maxText        = 512 << 10
	maxRow         = 256 << 10
	maxFact        = 512 << 10
	maxParams      = 10_000
	maxParam       = 64 << 10
	maxDepth       = 32 // of a parameter's path
	maxMessage     = 10_000
	maxGPUs        = 256
	packing        = 64 // what carries a fact beside its body
	// Of one GPU.
	maxGPUProcesses, maxThrottled = 256, 32
)

// checkFacts checks every fact of a batch and makes them ready: parameters are gathered at the beginning, where one that cannot be rewritten
// stops the whole; metric points are gathered into one event at the end, which share their fsync with those of others; what does not fit
// into one message is divided; and what does is carried by one fact, for one fsync.
func (t *Tracker) checkFacts(ctx context.Context, b event.Batch) (facts []event.Event, err error) {
	points := 0
	metrics, params := event.MetricsLogged{Gateway: gateway}, event.ParamsLogged{Run: b.Run}
	for i, e := range b.Facts {
		m, ok := e.(event.MetricsLogged)
		if !ok && event.RunOf(e) != b.Run {
			return nil, refuse(Invalid, "", "", "fact %d (%s) is not about run %s", i, e.Type(), b.Run)
		}
		for _, f := range m.Frames {
			if err := checkFrame(b, f); err != nil {
				return nil, err
			}
			if n := f.Points(); n > 0 {
				points += n
				metrics.Frames = append(metrics.Frames, f)
			}
		}
		if ok {
			continue
		}
		if err := t.checkFact(ctx, b, e); err != nil {
			var r *Refusal
			if errors.As(err, &r) {
				r.fact = i + 1
			}
			return nil, err
		}
		if p, ok := e.(event.ParamsLogged); ok {
			params.Params = append(params.Params, p.Params...)
			continue
		}
		facts = append(facts, divided(e)...)
	}
	if facts, err = packed(b.Run, facts); err != nil {
		return nil, asRefusal("", err)
	}
	if len(params.Params) > 0 {
		if err := t.checkRewritten(params); err != nil {
			return nil, err
		}
		facts = append(divided(params), facts...)
	}
	if points > MaxBatchPoints {
		return nil, refuse(TooLarge, "points", "send smaller batches", "%d points in one batch, at most %d", points, MaxBatchPoints)
	}
	if points > 0 {
		facts = append(facts, metrics)
	}
	return facts, nil
}

func checkFrame(b event.Batch, f event.Frame) error {
	if f.Run != b.Run || f.Writer != b.Writer {
		return refuse(Invalid, "points", "", "points of run %q by writer %q in a batch of run %q by writer %q", f.Run, f.Writer, b.Run, b.Writer)
	}
	for _, s := range f.Series {
		if err := checkName("key", s.Key); err != nil {
			return err
		}
		if len(s.Context) > maxKey {
			return refuse(Invalid, "context", "", "the context of %.80q has %d bytes, at most %d", s.Key, len(s.Context), maxKey)
		}
		if len(s.Steps) != len(s.Values) || len(s.Steps) != len(s.Times) {
			return refuse(Invalid, "series", "", "%.80q has %d steps, %d times and %d values: they must be as many", s.Key, len(s.Steps), len(s.Times), len(s.Values))
		}
	}
	return nil
}

// checkName refuses what cannot be a key of a metric, a text or a parameter.
func checkName(field, key string) error {
	switch {
	case key == "":
		return refuse(Invalid, field, "", "a %s must have 1-%d bytes; it is empty", field, maxKey)
	case len(key) > maxKey:
		return refuse(Invalid, field, "", "a %s must have 1-%d bytes; %.40q… has %d", field, maxKey, key, len(key))
	case !utf8.ValidString(key):
		return refuse(Invalid, field, "", "the %s %.80q is not UTF-8", field, key)
	}
	return nil
}

// checkFact checks one fact that is not metric points.
func (t *Tracker) checkFact(ctx context.Context, b event.Batch, e event.Event) error {
	switch e := e.(type) {
	case event.ParamsLogged:
		return checkParams(e)
	case event.LinesLogged:
		return checkLines(e)
	case event.RowsLogged:
		return checkRows(e)
	case event.TextLogged:
		if len(e.Text)+len(e.Prompt) > maxText {
			return refuse(Invalid, "text", "log long texts as an artifact", "the text %.80q has %d bytes, at most %d", e.Key, len(e.Text)+len(e.Prompt), maxText)
		}
		return checkName("key", e.Key)
	case event.ArtifactLogged:
		return t.checkArtifact(ctx, e)
	case event.UsageSampled:
		return checkUsage(e)
	case event.ResourcesSpent:
		return checkSpent(e)
	case event.AlertRaised:
		if e.Level != "info" && e.Level != "warn" && e.Level != "error" {
			return refuse(Invalid, "level", "", "an alert's level is info, warn or error; got %.40q", e.Level)
		}
		if e.Title == "" || len(e.Title) > maxValue || len(e.Text) > maxMessage {
			return refuse(Invalid, "title", "", "an alert's title has 1-%d bytes, its text at most %d", maxValue, maxMessage)
		}
		return nil
	case event.MetricDefined:
		if len(e.Summary) > 20 || len(e.StepKey) > maxKey || len(e.Unit) > maxName || e.Goal != "" && e.Goal != "min" && e.Goal != "max" {
			return refuse(Invalid, "define", "", "a metric's definition: a goal is min or max, a unit has at most %d bytes, a step key %d, and there are at most 20 summaries", maxName, maxKey)
		}
		return checkName("key", e.Key)
	case event.RunProgressed:
		if len(e.Phase) > maxName || len(e.Unit) > maxName || e.Done < 0 || e.Total < 0 {
			return refuse(Invalid, "progress", "", "progress counts from 0; its phase and unit have at most %d bytes", maxName)
		}
		return nil
	case event.RunHeartbeat:
		return nil
	case event.RunTagged, event.RunNoted:
		_, _, err := t.admit(ctx, e)
		return err
	}
	return refuse(Invalid, "", "", "%s is not something that a script logs", e.Type())
}

func checkParams(e event.ParamsLogged) error {
	if len(e.Params) == 0 || len(e.Params) > maxParams {
		return refuse(Invalid, "params", "", "%d parameters, 1 to %d are taken at once", len(e.Params), maxParams)
	}
	for _, p := range e.Params {
		if err := checkName("params", p.Path); err != nil {
			return err
		}
		if strings.Count(p.Path, ".") >= maxDepth {
			return refuse(Invalid, "params", "", "parameter %.80q lies more than %d levels deep", p.Path, maxDepth)
		}
		if len(p.Value) > maxParam {
			return refuse(Invalid, "params", "log large things as an artifact", "parameter %.80q has %d bytes, at most %d", p.Path, len(p.Value), maxParam)
		}
		if !json.Valid(p.Value) {
			return refuse(Invalid, "params", "", "parameter %.80q is no JSON value: %.40q", p.Path, p.Value)
		}
	}
	return nil
}

func checkStream(stream string, first int64, n int) error {
	if stream == "" || len(stream) > maxName || !utf8.ValidString(stream) {
		return refuse(Invalid, "stream", "", "a stream's name has 1-%d bytes; got %.40q", maxName, stream)
	}
	if first < 0 || first > math.MaxInt64-int64(n) {
		return refuse(Invalid, "first", "", "lines are counted from 0; got %d", first)
	}
	return nil
}

func checkLines(e event.LinesLogged) error {
	for i, l := range e.Lines {
		if len(l) > maxLine {
			return refuse(Invalid, "lines", "cut it", "line %d has %d bytes, at most %d", e.First+int64(i), len(l), maxLine)
		}
	}
	return checkStream(e.Stream, e.First, len(e.Lines))
}

func checkRows(e event.RowsLogged) error {
	for i, row := range e.Rows {
		if len(row) > maxRow {
			return refuse(Invalid, "rows", "log large things as an artifact", "row %d has %d bytes, at most %d", e.First+int64(i), len(row), maxRow)
		}
		if !json.Valid(row) {
			return refuse(Invalid, "rows", "", "row %d is no JSON: %.40q", e.First+int64(i), row)
		}
	}
	return checkStream(e.Stream, e.First, len(e.Rows))
}

// checkArtifact refuses a name that leaves the tree of artifacts, and bytes that are not in the store.
func (t *Tracker) checkArtifact(ctx context.Context, e event.ArtifactLogged) error {
	if err := CheckArtifactPath(e.Path); err != nil {
		return err
	}
	if e.Role == "" || len(e.Role) > maxName || len(e.Media) > maxName || len(e.File.MD5) > maxName || len(e.File.Name) > maxKey {
		return refuse(Invalid, "role", "", "an artifact's role has 1-%d bytes, its media type at most as many", maxName)
	}
	if !e.File.Digest.Valid() || e.File.Size < 0 {
		return refuse(Invalid, "digest", "", "%.80q of %d bytes is no file: a digest is sha256: and 64 hexadecimal digits", e.File.Digest, e.File.Size)
	}
	if t.Stored == nil {
		return nil
	}
	size, err := t.Stored(ctx, e.File.Digest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refuse(NotFound, "digest", "store the bytes first: PUT /api/v1/blob/"+string(e.File.Digest), "the bytes of artifact %q, %s, are not in the store", e.Path, e.File.Digest)
	case err != nil:
		return &Refusal{code: Unavailable, hint: "storage does not answer; look at /readyz and try again", err: fmt.Errorf("tracker: artifact %q: %w", e.Path, err)}
	case size != e.File.Size:
		return refuse(Invalid, "size", "", "artifact %q has %d bytes in the store, not %d", e.Path, size, e.File.Size)
	}
	return nil
}

// CheckArtifactPath refuses a path that is not a plain relative one.
func CheckArtifactPath(p string) error {
	if err := checkName("path", p); err != nil {
		return err
	}
	if path.IsAbs(p) || path.Clean(p) != p || p == "." || p == ".." || strings.HasPrefix(p, "../") || strings.ContainsAny(p, "\\\x00") {
		return refuse(Invalid, "path", "", "%.80q is not a plain path like plots/loss.png", p)
	}
	return nil
}

func checkUsage(e event.UsageSampled) error {
	if !event.ValidID(string(e.Worker)) {
		return refuse(Invalid, "usage", "", "%.80q cannot name a worker: 1-64 letters, digits, '-' and '_'", e.Worker)
	}
	if len(e.Usage.GPUs) > maxGPUs {
		return refuse(Invalid, "usage", "", "%d GPUs, at most %d", len(e.Usage.GPUs), maxGPUs)
	}
	for _, g := range e.Usage.GPUs {
		if len(g.Processes) > maxGPUProcesses || len(g.Throttled) > maxThrottled {
			return refuse(Invalid, "usage", "", "GPU %d has %d processes and %d reasons for being slow, at most %d and %d", g.Index, len(g.Processes), len(g.Throttled), maxGPUProcesses, maxThrottled)
		}
	}
	return nil
}

// checkSpent refuses an account that would make a bill senseless.
func checkSpent(e event.ResourcesSpent) error {
	for _, n := range []float64{float64(e.Seconds), float64(e.FLOPs)} {
		if n < 0 || math.IsNaN(n) || math.IsInf(n, 0) {
			return refuse(Invalid, "spent", "", "seconds and flops are finite and not negative; got %v and %v", float64(e.Seconds), float64(e.FLOPs))
		}
	}
	if j := e.Joules; j != nil && !(float64(*j) >= 0 && float64(*j) <= math.MaxFloat64) {
		return refuse(Invalid, "spent", "", "joules are finite and not negative; got %v", float64(*j))
	}
	if e.Tokens < 0 || e.Stored < 0 || e.Moved < 0 || e.Attempt < 0 || e.Device.Count < 0 {
		return refuse(Invalid, "spent", "", "nothing of what was spent is negative")
	}
	if e.Device.Kind == "" || len(e.Device.Kind) > maxName || len(e.Device.Name) > maxName || !event.ValidID(string(e.Worker)) {
		return refuse(Invalid, "spent", `e.g. {"kind":"gpu","name":"NVIDIA H100","count":8}`, "a device has a kind of 1-%d bytes, and its worker a name of 1-64 letters, digits, '-' and '_'", maxName)
	}
	return nil
}

// packed gathers facts into as few as carry them, in order. An alert, which is known by its place in the log, has one of its own, after them.
func packed(run event.RunID, facts []event.Event) (out []event.Event, err error) {
	var alerts []event.Event
	var last event.Event // when the carrier has one
	carrier, size := event.BatchLogged{Run: run}, 0
	full := func() {
		switch len(carrier.Facts) {
		case 0:
		case 1:
			out = append(out, last)
		default:
			out = append(out, carrier)
		}
		carrier, size = event.BatchLogged{Run: run}, 0
	}
	for _, e := range facts {
		if _, ok := e.(event.AlertRaised); ok {
			alerts = append(alerts, e)
			continue
		}
		p, err := event.Pack(e)
		if err != nil {
			return nil, err
		}
		n := len(p.Body) + packing
		if size+n > maxFact {
			full()
		}
		carrier.Facts, size, last = append(carrier.Facts, p), size+n, e
	}
	full()
	return append(out, alerts...), nil
}

// divided cuts lines, rows and parameters into facts that fit into a message each.
func divided(e event.Event) []event.Event {
	switch e := e.(type) {
	case event.LinesLogged:
		return pieces(e.Lines, func(l string) int { return 6*len(l) + 4 }, func(from int, part []string) event.Event {
			return event.LinesLogged{Run: e.Run, Stream: e.Stream, First: e.First + int64(from), Lines: part}
		})
	case event.RowsLogged:
		return pieces(e.Rows, func(r event.RawJSON) int { return len(r) + 2 }, func(from int, part []event.RawJSON) event.Event {
			return event.RowsLogged{Run: e.Run, Stream: e.Stream, First: e.First + int64(from), Rows: part}
		})
	case event.ParamsLogged:
		return pieces(e.Params, func(p event.Param) int { return 6*len(p.Path) + len(p.Value) + 64 }, func(_ int, part []event.Param) event.Event {
			return event.ParamsLogged{Run: e.Run, Params: part}
		})
	}
	return []event.Event{e}
}

// pieces divides a list so that each part has at most maxFact bytes, and one element at least.
func pieces[T any](list []T, size func(T) int, make func(from int, part []T) event.Event) (out []event.Event) {
	from, bytes := 0, 0
	for i, x := range list {
		n := size(x)
		if i > from && bytes+n > maxFact {
			out = append(out, make(from, list[from:i]))
			from, bytes = i, 0
		}
		bytes += n
	}
	if from < len(list) {
		out = append(out, make(from, list[from:]))
	}
	return out
}
