package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"millrace/event"
)

// RunState is what the log door says of a run with every answer.
type RunState struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	URL           string `json:"url"`
	StopRequested bool   `json:"stopRequested"`
	StopReason    string `json:"stopReason"`
	Seq           uint64 `json:"seq"`
}

// ended tells whether nothing more is expected of the run.
func (r RunState) ended() bool { return event.RunStatus(strings.ToLower(r.Status)).Ended() }

// DoorError is what the log door says to a request that it will not take.
type DoorError struct {
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Field   string `json:"field,omitempty"`
}

func (e *DoorError) Error() string {
	s := e.Message
	if e.Field != "" {
		s = e.Field + ": " + s
	}
	return fmt.Sprintf("%s (%s)", s, e.Code)
}

// Hinted is what to do about it, "" when the node does not know.
func (e *DoorError) Hinted() string { return e.Hint }

// notNow is an answer after which the same request may be taken later.
type notNow struct {
	err   error
	after time.Duration // as the node asked; 0: it did not say
}

func (e *notNow) Error() string { return e.err.Error() }
func (e *notNow) Unwrap() error { return e.err }

// door speaks the log door's protocol to one node.
type door struct {
	base  string
	token string
	http  *http.Client
	zip   bool
}

// The patience of one request. A body is at most some hundred kilobytes; artifacts have no bound but silence.
const (
	dialPatience    = 5 * time.Second
	answerPatience  = 30 * time.Second
	requestPatience = time.Minute
)

func newDoor(server, token string) *door {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialPatience, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   dialPatience,
		ResponseHeaderTimeout: answerPatience,
		IdleConnTimeout:       90 * time.Second,
		ForceAttemptHTTP2:     true,
	}
	return &door{base: server, token: token, http: &http.Client{Transport: t}, zip: !loopback(server)}
}

// loopback tells whether a server is this machine: packing costs more than sending there.
func loopback(server string) bool {
	u, err := url.Parse(server)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func (d *door) close() { d.http.CloseIdleConnections() }

// zipFrom is the size in bytes from which a body is packed: below it fits in a packet or two as it is.
const zipFrom = 1400

// packed is the body and its Content-Encoding.
func (d *door) packed(body []byte) ([]byte, string, error) {
	if !d.zip || len(body) < zipFrom {
		return body, "", nil
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		return nil, "", err
	}
	if _, err := w.Write(body); err != nil {
		return nil, "", err
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	if b.Len() > len(body)*9/10 {
		return body, "", nil
	}
	return b.Bytes(), "gzip", nil
}

// call asks the node and decodes its answer into out. Errors: *notNow when the same may be taken later (no answer, a node that is
// starting, a refused token), *DoorError when it never will, else of ctx.
func (d *door) call(ctx context.Context, method, path string, header map[string]string, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, requestPatience)
	defer cancel()
	body, encoding, err := d.packed(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, d.base+"/api/v1"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	if d.token != "" {
		req.Header.Set("Authorization", "Bearer "+d.token)
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return d.unreachable(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return d.unreachable(err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		if out == nil {
			return nil
		}
		if err := json.Unmarshal(raw, out); err != nil {
			return &notNow{err: fmt.Errorf("client: %s is no node: it answers %.80q", d.base, raw)}
		}
		return nil
	}
	return d.refusal(resp, raw)
}

func (d *door) unreachable(err error) error {
	var wrapped *url.Error // says the address again
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return &notNow{err: fmt.Errorf("client: %w at %s: %w", ErrUnreachable, d.base, err)}
}

// refusal reads an answer that is not 2xx. Only a node's own words make it final: a proxy's page about a tracker that is away is none.
func (d *door) refusal(resp *http.Response, raw []byte) error {
	var said struct {
		Error DoorError `json:"error"`
	}
	known := json.Unmarshal(raw, &said) == nil && said.Error.Code != ""
	e := &said.Error
	e.Status = resp.StatusCode
	if !known {
		e = &DoorError{Status: resp.StatusCode, Code: strconv.Itoa(resp.StatusCode), Message: fmt.Sprintf("%s answers %s", d.base, resp.Status)}
	}
	later := &notNow{err: e}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s >= 0 {
		later.after = min(time.Duration(s)*time.Second, maxBackOff)
	}
	switch {
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		if e.Hint == "" {
			e.Hint = "give the node's token in RunOptions.Token or MILLRACE_TOKEN"
		}
		return later
	case resp.StatusCode == http.StatusRequestTimeout, resp.StatusCode == http.StatusTooEarly, resp.StatusCode == http.StatusTooManyRequests:
		return later
	case known && resp.StatusCode >= 400 && resp.StatusCode < 500:
		return e
	}
	return later
}
