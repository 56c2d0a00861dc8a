package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"millrace/event"
)

// Client calls one node. It is safe for concurrent use.
type Client struct {
	url   string
	token string
	http  *http.Client
	asOf  string // the directive of a client that looks back
}

// New makes a client of the node at an address, e.g. "http://127.0.0.1:7070". The token is needed only where the node asks for one.
func New(address, token string) *Client {
	return &Client{url: strings.TrimRight(address, "/"), token: token, http: &http.Client{}}
}

// URL is the node's address.
func (c *Client) URL() string { return c.url }

// ErrUnreachable is returned when no node answers at the address.
var ErrUnreachable = errors.New("no node answers")

// QueryError is what a node says about a query it could not answer.
type QueryError struct {
	Message string
	Code    string // extensions.code, "" when there is none
}

func (e *QueryError) Error() string { return e.Message }

// Refused is why a wish was not granted: the node's userErrors, first one first.
type Refused struct{ Errors []UserError }

// UserError is one reason.
type UserError struct {
	Field   []string `json:"field"`
	Message string   `json:"message"`
	Hint    string   `json:"hint"`
	Code    string   `json:"code"`
}

func (r *Refused) Error() string {
	msgs := make([]string, len(r.Errors))
	for i, e := range r.Errors {
		msgs[i] = e.Message
	}
	return strings.Join(msgs, "; ")
}

// Hint is what to do about it, "" when the node does not know.
func (r *Refused) Hint() string {
	for _, e := range r.Errors {
		if e.Hint != "" {
			return e.Hint
		}
	}
	return ""
}

// maxAnswer bounds an answer in bytes.
const maxAnswer = 256 << 20

// Do asks a query or mutation and decodes its data into out.
func (c *Client) Do(ctx context.Context, query string, vars map[string]any, out any) error {
	resp, err := c.post(ctx, query, vars, "application/json")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("client: %s: %w: %w", c.url, ErrUnreachable, err)
	}
	return decode(raw, resp.StatusCode, out)
}

// Blob fetches an object of the store by its digest and checks it. ErrNotFound when there is none.
func (c *Client) Blob(ctx context.Context, digest event.Digest) ([]byte, error) {
	in, err := c.OpenBlob(ctx, digest)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxAnswer))
	if err = errors.Join(err, in.Close()); err != nil {
		return nil, fmt.Errorf("client: %s: %w: %w", c.url, ErrUnreachable, err)
	}
	if got := event.DigestOf(raw); got != digest {
		return nil, &QueryError{Message: fmt.Sprintf("object %s: what came is %s", digest, got)}
	}
	return raw, nil
}

// OpenBlob reads an object of the store from its beginning, without checking it; close it. ErrNotFound when there is none.
func (c *Client) OpenBlob(ctx context.Context, digest event.Digest) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/api/v1/blob/"+string(digest), nil)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("client: %w at %s: %w", ErrUnreachable, c.url, err)
	}
	switch {
	case resp.StatusCode == http.StatusOK:
		return resp.Body, nil
	case resp.StatusCode == http.StatusNotFound:
		err = fmt.Errorf("client: object %s: %w", digest, ErrNotFound)
	default:
		err = &QueryError{Message: fmt.Sprintf("object %s: the node answered %s", digest, resp.Status)}
	}
	return nil, errors.Join(err, resp.Body.Close())
}

// answer is GraphQL's response.
type answer struct {
	Data   json.RawMessage `json:"data"`
	Errors []struct {
		Message    string `json:"message"`
		Extensions struct {
			Code string `json:"code"`
		} `json:"extensions"`
	} `json:"errors"`
}

func decode(raw []byte, status int, out any) error {
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		e := &QueryError{Message: fmt.Sprintf("the node answers %d: %s", status, strings.TrimSpace(string(raw[:min(len(raw), 200)])))}
		if status == http.StatusUnauthorized {
			e.Code = "UNAUTHENTICATED"
		}
		return e
	}
	if len(a.Errors) > 0 {
		return &QueryError{Message: a.Errors[0].Message, Code: a.Errors[0].Extensions.Code}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(a.Data, out); err != nil {
		return fmt.Errorf("client: the answer has another form than was asked for: %w", err)
	}
	return nil
}

// mutate does one mutation and decodes its payload's field into out, or without a field all of it.
func (c *Client) mutate(ctx context.Context, query, name, field string, input, out any) error {
	var data map[string]json.RawMessage
	if err := c.Do(ctx, query, map[string]any{"input": input}, &data); err != nil {
		return err
	}
	var payload map[string]json.RawMessage
	if err := json.Unmarshal(data[name], &payload); err != nil {
		return fmt.Errorf("client: %s: %w", name, err)
	}
	var refused Refused
	if err := json.Unmarshal(payload["userErrors"], &refused.Errors); err != nil {
		return fmt.Errorf("client: %s: %w", name, err)
	}
	if len(refused.Errors) > 0 {
		return &refused
	}
	if field == "" {
		return json.Unmarshal(data[name], out)
	}
	return json.Unmarshal(payload[field], out)
}

// Subscribe calls fn with the data of each value until ctx or the subscription ends, or fn returns an error, which is
// returned as it is. It travels as server-sent events.
func (c *Client) Subscribe(ctx context.Context, query string, vars map[string]any, fn func(json.RawMessage) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := c.post(ctx, query, vars, "text/event-stream")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err != nil {
			return fmt.Errorf("client: %s: %w: %w", c.url, ErrUnreachable, err)
		}
		if err := decode(raw, resp.StatusCode, nil); err != nil {
			return err
		}
		return &QueryError{Message: fmt.Sprintf("%s answers a subscription at once: is it a node?", c.url)}
	}
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	kind := ""
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if errors.Is(err, io.EOF) {
				return fmt.Errorf("client: %s ended the subscription: %w", c.url, ErrUnreachable)
			}
			return fmt.Errorf("client: %s: %w: %w", c.url, ErrUnreachable, err)
		}
		field, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			if kind = value; kind == "complete" {
				return nil
			}
		case "data":
			if kind != "next" || value == "" {
				continue
			}
			var data json.RawMessage
			if err := decode([]byte(value), resp.StatusCode, &data); err != nil {
				return err
			}
			if err := fn(data); err != nil {
				return err
			}
		}
	}
}

func (c *Client) post(ctx context.Context, query string, vars map[string]any, accept string) (*http.Response, error) {
	query, err := c.lookingBack(query)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", accept)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var wrapped *url.Error // says the address again
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, fmt.Errorf("client: %w at %s: %w", ErrUnreachable, c.url, err)
	}
	return resp, nil
}
