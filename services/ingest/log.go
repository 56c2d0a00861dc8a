package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"strconv"
	"strings"

	"millrace/event"
	"millrace/services/tracker"
)

// maxEntries bounds the entries of a batch.
const maxEntries = 10_000

// tableMedia is the media type of a logged table: {"columns":[…],"rows":[[…]]}.
const tableMedia = "application/vnd.millrace.table.v1+json"

// entries is a batch of anything as it is read. Points of all entries are gathered, tables wait for their bytes to be stored.
type entries struct {
	columns
	batch   event.Batch
	attempt int
	facts   []event.Event
	names   []string // of each fact: entries[3].text
	tables  [][]byte
}

// log takes a batch of anything, in order.
func (s *Server) log(w http.ResponseWriter, r *http.Request) error {
	id, err := runID(r)
	if err != nil {
		return err
	}
	e := entries{columns: columns{now: s.Now().UnixMicro()}, batch: event.Batch{Run: id}, attempt: 1}
	if run, err := s.Model.Run(id); err == nil && len(run.Attempts) > 0 {
		e.attempt = run.Attempts[len(run.Attempts)-1].Attempt
	}
	err = s.body(w, r, s.MaxBody, func(b []byte) error {
		if bad := e.read(b); bad != nil {
			return bad
		}
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := s.view(r, id); err != nil { // before tables are stored for nothing
		return err
	}
	if err := s.storeTables(r.Context(), &e); err != nil {
		return err
	}
	return e.placed(s.take(w, r, e.batch))
}

// placed says of a refusal in which entry its reason lies.
func (e *entries) placed(err error) error {
	var refusal *tracker.Refusal
	if !errors.As(err, &refusal) || refusal.Fact() < 0 || refusal.Fact() >= len(e.names) {
		return err
	}
	bad := &fault{code: refusal.Code(), message: refusal.Error(), hint: refusal.Hint()}
	return bad.in(strings.Join(append([]string{e.names[refusal.Fact()]}, refusal.Field()...), "."))
}

// read reads {"writer","sequence","entries":[…]}.
func (e *entries) read(b []byte) *fault {
	s := &scanner{b: b}
	var list *scanner
	seen := map[string]bool{}
	bad := s.object(func(name []byte) (bad *fault) {
		switch string(name) {
		case "writer", "sequence", "entries":
		default:
			return unknown(name)
		}
		field := string(name)
		if seen[field] {
			return invalid("it is there twice").in(field)
		}
		seen[field] = true
		switch field {
		case "writer":
			e.batch.Writer, bad = readWriter(s)
		case "sequence":
			e.batch.Sequence, bad = s.natural()
		case "entries": // after the writer, wherever that is
			s.space()
			from := s.i
			var text []byte
			if text, bad = s.raw(); len(text) == s.i-from {
				list = &scanner{b: b[:s.i], i: from} // so that what is at fault in it is at its byte
			} else {
				list = &scanner{b: text}
			}
		}
		return bad.in(field)
	})
	if bad == nil {
		bad = s.end()
	}
	switch {
	case bad != nil:
		return bad
	case !seen["writer"]:
		return invalid("it is missing").in("writer")
	case !seen["entries"]:
		return invalid("it is missing").in("entries")
	}
	if bad := list.array(func(i int) *fault { return e.entry(list, i) }); bad != nil {
		return bad.in("entries")
	}
	e.batch.Facts = e.facts
	if e.points > 0 {
		e.batch.Facts = append(e.batch.Facts, event.MetricsLogged{Frames: []event.Frame{e.frame(e.batch.Run, e.batch.Writer)}})
	}
	return nil
}

// entry reads one entry: an object with one thing in it.
func (e *entries) entry(s *scanner, i int) *fault {
	if i >= maxEntries {
		return &fault{code: codeTooLarge, message: "more than 10000 entries in one batch", hint: "send smaller batches"}
	}
	kind, once := "", false
	defer func() { // whatever facts it brought
		for len(e.names) < len(e.facts) {
			e.names = append(e.names, "entries["+strconv.Itoa(i)+"]."+kind)
		}
	}()
	var params []byte
	bad := s.object(func(name []byte) *fault {
		what := string(name)
		if what == "writeOnce" {
			if once = s.word("true"); !once && !s.word("false") {
				return s.unexpected("true or false").in(what)
			}
			return nil
		}
		if kind != "" {
			return invalid("an entry has one thing in it; this one has %s and %s", kind, shown(name))
		}
		kind = what
		switch what {
		case "points":
			return e.readPoints(s).in(what)
		case "series":
			return e.readSeries(s).in(what)
		}
		raw, bad := s.raw()
		if bad == nil && what == "params" {
			params = raw
			return nil
		}
		if bad == nil {
			bad = e.fact(what, raw)
			if bad != nil && bad.message == noSuch {
				return unknown(name)
			}
		}
		return bad.in(what)
	})
	switch {
	case bad != nil:
		return bad
	case kind == "":
		return invalid("an entry has one thing in it; this one is empty")
	case once && params == nil:
		return invalid("only params can be written once").in("writeOnce")
	case params == nil:
		return nil
	}
	list, err := event.Flatten(params, "client", once)
	if err != nil {
		return invalid("%v", err).in("params")
	}
	e.facts = append(e.facts, event.ParamsLogged{Run: e.batch.Run, Params: list})
	return nil
}

const noSuch = "there is no such thing to log"

// fact reads an entry that is not points or parameters.
func (e *entries) fact(kind string, raw []byte) *fault {
	run := e.batch.Run
	add := func(bad *fault, make func() event.Event) *fault {
		if bad == nil {
			e.facts = append(e.facts, make())
		}
		return bad
	}
	switch kind {
	case "lines":
		var in struct {
			Stream string   `json:"stream"`
			First  int64    `json:"first"`
			Lines  []string `json:"lines"`
		}
		return add(unmarshal(raw, &in), func() event.Event {
			return event.LinesLogged{Run: run, Stream: orElse(in.Stream, "stdout"), First: in.First, Lines: in.Lines}
		})
	case "text":
		var in struct {
			Key    string `json:"key"`
			Step   int64  `json:"step"`
			Prompt string `json:"prompt"`
			Text   string `json:"text"`
		}
		return add(unmarshal(raw, &in), func() event.Event {
			return event.TextLogged{Run: run, Writer: e.batch.Writer, Key: in.Key, Step: in.Step, Prompt: in.Prompt, Text: in.Text}
		})
	case "rows":
		var in struct {
			Stream string          `json:"stream"`
			First  int64           `json:"first"`
			Rows   []event.RawJSON `json:"rows"`
		}
		return add(unmarshal(raw, &in), func() event.Event {
			return event.RowsLogged{Run: run, Stream: orElse(in.Stream, "history"), First: in.First, Rows: in.Rows}
		})
	case "table":
		return e.table(raw)
	case "artifact":
		var in artifactBody
		return add(unmarshal(raw, &in), func() event.Event { return in.fact(run) })
	case "usage":
		in := event.UsageSampled{Run: run, Worker: event.WorkerID(e.batch.Writer)}
		bad := unmarshal(raw, &in.Usage)
		if in.Usage.At == 0 {
			in.Usage.At = e.now
		}
		return add(bad, func() event.Event { return in })
	case "spent":
		in := event.ResourcesSpent{Attempt: e.attempt, Worker: event.WorkerID(e.batch.Writer)}
		bad := unmarshal(raw, &in)
		if bad == nil && in.Run != "" && in.Run != run {
			bad = invalid("it is of run %.80q", in.Run).in("run")
		}
		in.Run = run
		if in.Device.Count == 0 {
			in.Device.Count = 1
		}
		return add(bad, func() event.Event { return in })
	case "alert":
		var in struct {
			Level string `json:"level"`
			Title string `json:"title"`
			Text  string `json:"text"`
		}
		return add(unmarshal(raw, &in), func() event.Event {
			return event.AlertRaised{Run: run, Level: orElse(in.Level, "info"), Title: in.Title, Text: in.Text}
		})
	case "tags":
		var in map[string]string
		return add(unmarshal(raw, &in), func() event.Event { return event.RunTagged{Run: run, Set: in} })
	case "labels":
		var in []string
		return add(unmarshal(raw, &in), func() event.Event { return event.RunTagged{Run: run, AddLabels: in} })
	case "note":
		var in string
		return add(unmarshal(raw, &in), func() event.Event { return event.RunNoted{Run: run, Note: &in} })
	case "define":
		in := event.MetricDefined{}
		bad := unmarshal(raw, &in)
		if bad == nil && in.Run != "" && in.Run != run {
			bad = invalid("it is of run %.80q", in.Run).in("run")
		}
		in.Run = run
		return add(bad, func() event.Event { return in })
	case "progress":
		in := event.RunProgressed{}
		bad := unmarshal(raw, &in)
		in.Run = run
		return add(bad, func() event.Event { return in })
	case "heartbeat":
		var in struct{}
		return add(unmarshal(raw, &in), func() event.Event { return event.RunHeartbeat{Run: run, Writer: e.batch.Writer} })
	}
	return invalid(noSuch)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// table reads a table; its bytes become a blob, its fact an artifact.
func (e *entries) table(raw []byte) *fault {
	var in struct {
		Key     string            `json:"key"`
		Step    *int64            `json:"step"`
		Columns []string          `json:"columns"`
		Rows    [][]event.RawJSON `json:"rows"`
	}
	if bad := unmarshal(raw, &in); bad != nil {
		return bad
	}
	if len(in.Columns) == 0 {
		return invalid("a table has at least one column").in("columns")
	}
	for i, row := range in.Rows {
		if len(row) != len(in.Columns) {
			return invalid("%d cells in a table of %d columns", len(row), len(in.Columns)).at(i).in("rows")
		}
	}
	if in.Rows == nil {
		in.Rows = [][]event.RawJSON{}
	}
	content, err := json.Marshal(struct {
		Columns []string          `json:"columns"`
		Rows    [][]event.RawJSON `json:"rows"`
	}{in.Columns, in.Rows})
	if err != nil {
		return invalid("%v", err)
	}
	if err := tracker.CheckArtifactPath(in.Key); err != nil {
		return invalid("%v", err).in("key")
	}
	e.tables = append(e.tables, content)
	e.facts = append(e.facts, event.ArtifactLogged{
		Run: e.batch.Run, Path: in.Key, Role: "table", Step: in.Step, Media: tableMedia,
		File: event.File{Name: path.Base(in.Key) + ".json", Digest: event.DigestOf(content), Size: int64(len(content))},
	})
	return nil
}

// storeTables brings the bytes of tables into the store, before any fact names them.
func (s *Server) storeTables(ctx context.Context, e *entries) error {
	if len(e.tables) > 0 && s.Blobs == nil {
		return noStore()
	}
	for _, content := range e.tables {
		if _, err := s.Blobs.Put(ctx, content); err != nil {
			return storeFault(err)
		}
	}
	return nil
}

// artifactBody names bytes that are, or will be, in the store.
type artifactBody struct {
	Path   string       `json:"path"`
	Role   string       `json:"role"`
	Step   *int64       `json:"step"`
	Digest event.Digest `json:"digest"`
	Size   int64        `json:"size"`
	Media  string       `json:"media"`
}

func (a artifactBody) fact(run event.RunID) event.ArtifactLogged {
	return event.ArtifactLogged{
		Run: run, Path: a.Path, Role: orElse(a.Role, "output"), Step: a.Step, Media: strings.ToLower(a.Media),
		File: event.File{Name: path.Base(a.Path), Digest: a.Digest, Size: a.Size},
	}
}
