package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Check is one condition of being ready, e.g. that the log can be reached. It is given two seconds.
type Check struct {
	Name string
	Run  func(ctx context.Context) error
}

const checkTimeout = 2 * time.Second

type checked struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Error  string `json:"error,omitempty"`
	Millis int64  `json:"millis"`
}

// healthz says that the process lives.
func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprintln(w, "ok")
}

// readyz says whether requests would be answered. What exactly is wrong is told to those who may know it.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	results := make([]checked, len(s.Ready))
	var wg sync.WaitGroup
	for i, c := range s.Ready {
		wg.Go(func() {
			began := time.Now()
			err := c.run(ctx)
			results[i] = checked{Name: c.Name, OK: err == nil, Millis: time.Since(began).Milliseconds()}
			if err != nil {
				s.Log.Debug("api: not ready", "check", c.Name, "error", err)
				results[i].Error = "failed; the server's log says more"
				if s.Token == "" || s.authentic(r) {
					results[i].Error = err.Error()
				}
			}
		})
	}
	wg.Wait()
	ready := true
	for _, c := range results {
		ready = ready && c.OK
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(struct {
		Ready  bool      `json:"ready"`
		Checks []checked `json:"checks"`
	}{ready, results})
}

func (c Check) run(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return c.Run(ctx)
}
