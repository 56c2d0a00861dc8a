package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"

	"millrace/client/journal"
	"millrace/event"
)

// maxEntry bounds one entry in bytes: the tracker keeps it in one message of its log, which has room for little more.
const maxEntry = journal.MaxRecord - 64<<10

// entry logs one entry of the log door.
func (l *Logger) entry(kind string, v any) {
	raw, err := wire(map[string]any{kind: v})
	if err == nil && len(raw) > maxEntry {
		err = fmt.Errorf("%d bytes, at most %d: log it as an artifact", len(raw), maxEntry)
	}
	if err != nil {
		l.state.problem(kind+" could not be logged", err)
		l.state.drop(1)
		return
	}
	l.queue.entry(raw)
}

// Params logs hyper-parameters by their dotted paths or nested, beside those of RunOptions.Config.
func (l *Logger) Params(values map[string]any) { l.entry("params", wireValue(values)) }

// Text logs a text at a step: what a model makes of a prompt.
func (l *Logger) Text(key string, step int64, prompt, text string) {
	l.entry("text", struct {
		Key    string `json:"key"`
		Step   int64  `json:"step"`
		Prompt string `json:"prompt,omitempty"`
		Text   string `json:"text"`
	}{key, step, prompt, text})
}

// Table logs a table at a step. For one of more than a megabyte use Artifact with the role "table".
func (l *Logger) Table(key string, step int64, columns []string, rows [][]any) {
	cells := make([]any, len(rows))
	for i, r := range rows {
		cells[i] = wireValue(r)
	}
	l.entry("table", map[string]any{"key": key, "step": step, "columns": columns, "rows": cells})
}

// Alert tells people something: level is "info", "warn" or "error".
func (l *Logger) Alert(level, title, text string) {
	l.entry("alert", map[string]string{"level": level, "title": title, "text": text})
}

// Tag sets a tag.
func (l *Logger) Tag(key, value string) { l.entry("tags", map[string]string{key: value}) }

// Label adds labels.
func (l *Logger) Label(labels ...string) { l.entry("labels", labels) }

// Note replaces the run's note.
func (l *Logger) Note(text string) { l.entry("note", text) }

// Usage logs a sample of what the script consumes.
func (l *Logger) Usage(u event.Usage) { l.entry("usage", u) }

// Spent logs what the script has spent on a device so far; the newest replaces the one before.
func (l *Logger) Spent(device event.Device, deviceSeconds float64) {
	l.spent(device, deviceSeconds, nil)
}

// spent belongs to the run's newest attempt.
func (l *Logger) spent(device event.Device, deviceSeconds float64, joules *float64) {
	l.entry("spent", struct {
		Worker  event.WriterID `json:"worker"`
		Device  event.Device   `json:"device"`
		Seconds event.Number   `json:"seconds"`
		Joules  *float64       `json:"joules,omitempty"`
	}{l.writer, device, event.Number(deviceSeconds), joules})
}

// Progress says how far the run is; total 0 is unknown.
func (l *Logger) Progress(phase string, done, total int64, unit string) {
	l.entry("progress", map[string]any{"phase": phase, "done": done, "total": total, "unit": unit})
}

// Define says how to read a metric: its goal ("min", "max"), unit and summaries. Its run is this one.
func (l *Logger) Define(m event.MetricDefined) {
	m.Run = l.run
	l.entry("define", m)
}

// Rows logs rows of a stream as they are, the first of them at a line number.
func (l *Logger) Rows(stream string, first int64, rows ...map[string]any) {
	l.entry("rows", map[string]any{"stream": stream, "first": first, "rows": wireValue(rows)})
}

// wire writes JSON without escapes for HTML.
func wire(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// wireValue replaces the numbers that JSON has no word for by "NaN", "Infinity" and "-Infinity".
func wireValue(v any) any {
	switch v := v.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return event.Number(v)
		}
	case float32:
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return event.Number(f)
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = wireValue(x)
		}
		return out
	case []map[string]any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = wireValue(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = wireValue(x)
		}
		return out
	}
	return v
}

// environment is what this process finds itself on.
func environment() event.Environment {
	host, err := os.Hostname()
	if err != nil {
		host = "" // recorded as unknown
	}
	return event.Environment{Host: host, OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(), Cores: runtime.NumCPU()}
}

// code is the program's version, as Go's linker recorded it.
func code() *event.Code {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	c := event.Code{Version: info.Main.Version}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			c.Revision = s.Value
		case "vcs.modified":
			c.Modified = s.Value == "true"
		}
	}
	return &c
}
