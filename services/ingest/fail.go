package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"millrace/services/tracker"
	"millrace/storage/readmodel"
)

// The codes of an answer that is an error.
const (
	codeInvalid     = tracker.Invalid
	codeNotFound    = tracker.NotFound
	codeConflict    = tracker.Conflict
	codeTooLarge    = tracker.TooLarge
	codeUnavailable = tracker.Unavailable
	codeInternal    = "INTERNAL"
)

var statuses = map[string]int{
	codeInvalid: http.StatusBadRequest, codeNotFound: http.StatusNotFound, codeConflict: http.StatusConflict,
	codeTooLarge: http.StatusRequestEntityTooLarge, codeUnavailable: http.StatusServiceUnavailable, codeInternal: http.StatusInternalServerError,
}

type failure struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`
		Field   string `json:"field,omitempty"`
	} `json:"error"`
}

// fail answers with what is wrong. What is our own fault is logged, and not shown.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var out failure
	e := &out.Error
	var f *fault
	var refusal *tracker.Refusal
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		e.Code, e.Message, e.Hint, e.Field = f.code, f.message, f.hint, f.field
	case errors.As(err, &refusal):
		e.Code, e.Message, e.Hint, e.Field = refusal.Code(), refusal.Error(), refusal.Hint(), strings.Join(refusal.Field(), ".")
	case errors.As(err, &tooLong):
		e.Code, e.Message, e.Hint = codeTooLarge, tooLong.Error(), "send smaller batches"
	case errors.Is(err, readmodel.ErrNotFound):
		e.Code, e.Message = codeNotFound, "there is no such run"
	case errors.Is(err, readmodel.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Code, e.Message, e.Hint = codeUnavailable, "it was not answered in time, or the node is shutting down", "send it again"
	default:
		e.Code, e.Message = codeInternal, "internal error; the server's log says more"
	}
	status := statuses[e.Code]
	if status == 0 {
		status = http.StatusInternalServerError
	}
	s.counts.refused(status)
	switch status {
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "2")
		s.Log.Warn("ingest: not taken", "path", r.URL.Path, "error", err)
	case http.StatusInternalServerError:
		s.Log.Error("ingest: a request failed", "path", r.URL.Path, "error", err)
	}
	answer(w, status, out)
}

func answer(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
