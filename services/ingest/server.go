package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"millrace/event"
	"millrace/services/tracker"
	"millrace/storage/blob"
	"millrace/storage/readmodel"
)

// Config is what a Server needs. Tracker and Model are required.
type Config struct {
	Tracker *tracker.Tracker
	Model   *readmodel.Model
	// Blobs keeps the bytes of tables and artifacts; nil: there are none.
	Blobs *blob.Store
	// URL is where the node's pages are, "" when it is not known: then it is taken from the request.
	URL string
	// MaxBody bounds the body of a batch in bytes, when unpacked; 0: 8 MiB.
	MaxBody int64
	// MaxBlob bounds bytes that go through the node to the store; 0: 5 GiB.
	MaxBlob int64
	// Timeout is how long a batch may wait for the log; 0: 30 s.
	Timeout time.Duration
	// Log takes what was not taken; nil: slog.Default.
	Log *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Server answers what scripts send. It is safe for concurrent use.
type Server struct {
	Config
	mux    *http.ServeMux
	counts Counts
}

// maxSmall bounds bodies that are not batches, in bytes.
const maxSmall = 1 << 20

// frameContent is the media type of metric frames (docs/formats/metrics.md).
const frameContent = "application/vnd.millrace.frames.v1"

// sequenceHeader numbers a batch of frames, which have no place for it.
const sequenceHeader = "Millrace-Sequence"

// New makes a Server.
func New(c Config) *Server {
	if c.MaxBody == 0 {
		c.MaxBody = 8 << 20
	}
	if c.MaxBlob == 0 {
		c.MaxBlob = 5 << 30
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Server{Config: c, mux: http.NewServeMux()}
	handle := func(pattern string, h func(w http.ResponseWriter, r *http.Request) error) {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), s.Timeout)
			defer cancel()
			s.counts.Requests.Add(1)
			r = r.WithContext(ctx)
			if err := h(w, r); err != nil {
				s.fail(w, r, err)
			}
		})
	}
	handle("POST /api/v1/runs", s.openRun)
	handle("GET /api/v1/runs/{id}", s.showRun)
	handle("GET /api/v1/runs/{id}/writers/{writer}", s.showWriter)
	handle("POST /api/v1/runs/{id}/points", s.points)
	handle("POST /api/v1/runs/{id}/log", s.log)
	handle("POST /api/v1/runs/{id}/artifacts", s.artifact)
	handle("POST /api/v1/runs/{id}/checkpoints", s.checkpoint)
	handle("POST /api/v1/runs/{id}/heartbeat", s.heartbeat)
	handle("POST /api/v1/runs/{id}/end", s.end)
	handle("POST /api/v1/runs/{id}/resume", s.resume)
	handle("POST /api/v1/runs/{id}/rewind", s.rewind)
	// As long as it takes: the door's pace ends what stands still.
	s.mux.HandleFunc("PUT /api/v1/blob/{digest}", func(w http.ResponseWriter, r *http.Request) {
		s.counts.Requests.Add(1)
		if err := s.putBlob(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
	handle("/", func(http.ResponseWriter, *http.Request) error {
		return &fault{code: codeNotFound, message: "there is nothing of that name and method here", hint: "docs/formats/http.md says what there is"}
	})
	return s
}

// ServeHTTP answers a request below /api/v1.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Counts is what has been taken so far.
func (s *Server) Counts() *Counts { return &s.counts }

// runID is the run that a path names.
func runID(r *http.Request) (event.RunID, error) {
	id := r.PathValue("id")
	if !event.ValidID(id) {
		return "", invalid("%.80q cannot name a run: 1-64 letters, digits, '-' and '_'", id).in("id")
	}
	return event.RunID(id), nil
}

// received is the answer to a batch.
type received struct {
	Accepted  int     `json:"accepted"`
	Duplicate bool    `json:"duplicate"`
	Seq       uint64  `json:"seq"`
	Run       runView `json:"run"`
}

// points takes a batch of metric points, as JSON or as column frames.
func (s *Server) points(w http.ResponseWriter, r *http.Request) error {
	id, err := runID(r)
	if err != nil {
		return err
	}
	batch := event.Batch{Run: id}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		media = ""
	}
	err = s.body(w, r, s.MaxBody, func(b []byte) error {
		if media == frameContent {
			if h := r.Header.Get(sequenceHeader); h != "" {
				var err error
				if batch.Sequence, err = strconv.ParseUint(h, 10, 64); err != nil {
					return invalid("%.40q is no number", h).in(sequenceHeader)
				}
			}
			return readFrames(b, s.Now().UnixMicro(), &batch)
		}
		if bad := readPointsBody(b, s.Now().UnixMicro(), &batch); bad != nil {
			return bad
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.take(w, r, batch)
}

// readPointsBody reads {"writer","sequence","points":[…],"series":[…]}.
func readPointsBody(b []byte, now int64, batch *event.Batch) *fault {
	s := &scanner{b: b}
	c := columns{now: now}
	seen := map[string]bool{}
	bad := s.object(func(name []byte) (bad *fault) {
		switch string(name) {
		case "writer", "sequence", "points", "series":
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
			batch.Writer, bad = readWriter(s)
		case "sequence":
			batch.Sequence, bad = s.natural()
		case "points":
			bad = c.readPoints(s)
		case "series":
			bad = c.readSeries(s)
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
	case !seen["points"] && !seen["series"]:
		return invalid("it is missing, and so is series").in("points")
	}
	batch.Facts = []event.Event{event.MetricsLogged{Frames: []event.Frame{c.frame(batch.Run, batch.Writer)}}}
	return nil
}

func readWriter(s *scanner) (event.WriterID, *fault) {
	text, bad := s.text()
	if bad != nil {
		return "", bad
	}
	if !event.ValidID(string(text)) {
		return "", invalid("%.80q cannot name a writer: 1-64 letters, digits, '-' and '_'", text)
	}
	return event.WriterID(text), nil
}

// readFrames reads column frames, all of one run and one writer. Times of 0 become now.
func readFrames(b []byte, now int64, batch *event.Batch) error {
	frames, err := event.ParseFrames(b)
	if err != nil {
		return invalid("%v", err)
	}
	for i, f := range frames {
		if f.Run != batch.Run || f.Writer != frames[0].Writer {
			return invalid("frame %d is of run %s by writer %s; all must be of run %s by one writer", i, f.Run, f.Writer, batch.Run).in("frames")
		}
		batch.Writer = f.Writer
		for _, series := range f.Series {
			for k, at := range series.Times {
				switch {
				case at == 0:
					series.Times[k] = now
				case at < firstSecond*1e6 || at > lastSecond*1e6:
					return invalid("a time of %q is outside the years 1 to 9999: %d µs", shown([]byte(series.Key)), at).in("frames")
				}
			}
		}
	}
	if len(frames) == 0 {
		return invalid("there is no frame in it").in("frames")
	}
	batch.Facts = []event.Event{event.MetricsLogged{Frames: frames}}
	return nil
}

// take hands a batch to the tracker and answers once it is durable; with ?wait=1 once it can be read.
func (s *Server) take(w http.ResponseWriter, r *http.Request, batch event.Batch) error {
	got, err := s.Tracker.Take(r.Context(), batch)
	if err != nil {
		return err
	}
	if wait := r.URL.Query().Get("wait"); wait != "" && wait != "0" && wait != "false" {
		if err := s.Tracker.Await(r.Context(), got.Seq); err != nil {
			return err
		}
	}
	if got.Duplicate {
		s.counts.Duplicates.Add(1)
	} else {
		s.counts.Points.Add(int64(got.Points))
		s.counts.Facts.Add(int64(len(batch.Facts)))
	}
	run, err := s.view(r, batch.Run)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, received{got.Points, got.Duplicate, got.Seq, run})
	return nil
}

// baseURL is where the pages are.
func (s *Server) baseURL(r *http.Request) string {
	if s.URL != "" {
		return strings.TrimSuffix(s.URL, "/")
	}
	scheme := "http"
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s", scheme, r.Host)
}
