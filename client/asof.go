package client

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrPast is returned for a wish or a subscription of a client that looks back: the past does not change.
var ErrPast = errors.New("the past can only be looked at")

// AsOf is a client whose queries are answered as they would have been when a place was the log's last. Its mutations and subscriptions return
// ErrPast.
func (c *Client) AsOf(seq uint64) *Client {
	past := *c
	past.asOf = fmt.Sprintf("@asOf(seq: %d)", seq)
	return &past
}

// AsOfTime is AsOf for an instant.
func (c *Client) AsOfTime(t time.Time) *Client {
	past := *c
	past.asOf = fmt.Sprintf("@asOf(time: %q)", t.UTC().Format(time.RFC3339Nano))
	return &past
}

// lookingBack puts the directive into a query: before its first selection.
func (c *Client) lookingBack(query string) (string, error) {
	if c.asOf == "" {
		return query, nil
	}
	trimmed := strings.TrimSpace(query)
	head, selection, ok := strings.Cut(trimmed, "{")
	switch {
	case !ok || !strings.HasPrefix(trimmed, "query") && head != "":
		return "", fmt.Errorf("client: %w", ErrPast)
	case head == "":
		head = "query "
	}
	return head + c.asOf + " {" + selection, nil
}
