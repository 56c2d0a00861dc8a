package serving

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
)

// fault is an error in OpenAI's form.
type fault struct {
	status  int
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

func (f *fault) Error() string { return f.Message }

// refuse says what is wrong with a request: which parameter, if it is one.
func refuse(param, format string, a ...any) *fault {
	f := &fault{status: http.StatusBadRequest, Type: "invalid_request_error", Message: fmt.Sprintf(format, a...)}
	if param != "" {
		f.Param = &param
	}
	return f
}

func (f *fault) as(status int, kind, code string) *fault {
	f.status, f.Type = status, kind
	if code != "" {
		f.Code = &code
	}
	return f
}

// faultOf is what a client is told of an error.
func faultOf(err error) *fault {
	var f *fault
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &large):
		return refuse("", "the request has more than %d bytes", large.Limit).as(http.StatusRequestEntityTooLarge, "invalid_request_error", "request_too_large")
	case errors.Is(err, ErrUnknownModel), errors.Is(err, fs.ErrNotExist):
		return refuse("model", "%v; GET /v1/models lists what there is", err).as(http.StatusNotFound, "invalid_request_error", "model_not_found")
	case errors.Is(err, errBusy):
		return refuse("", "%v; try again later", err).as(http.StatusTooManyRequests, "rate_limit_error", "too_many_requests")
	case errors.Is(err, errStopping), errors.Is(err, context.Canceled):
		return refuse("", "%v", errStopping).as(http.StatusServiceUnavailable, "server_error", "stopping")
	case errors.Is(err, errInternal):
		return refuse("", "%v", err).as(http.StatusInternalServerError, "server_error", "")
	}
	return refuse("model", "the model cannot be used: %v", err).as(http.StatusServiceUnavailable, "server_error", "model_unusable")
}

func fail(w http.ResponseWriter, err error) {
	f := faultOf(err)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(f.status)
	_ = json.NewEncoder(w).Encode(map[string]*fault{"error": f}) // the client may be gone
}
