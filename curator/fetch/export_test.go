package fetch

import (
	"bytes"
	"context"
	"net/netip"
	"net/url"
	"time"
)

// What the tests of the parts need.
type Robots = robots

func ParseRobots(data []byte, token string) Robots { return parseRobots(data, token) }
func (r robots) Allows(path string) bool           { return r.allows(path) }
func (r robots) Delay() time.Duration              { return r.delay }

func MatchStars(pattern, s string, whole bool) bool { return matchStars(pattern, s, whole) }
func Canonical(base *url.URL, ref string) (*url.URL, error) {
	return canonical(base, ref)
}
func Public(ip netip.Addr) bool { return public(ip) }
func Links(page []byte, at *url.URL, token string) (list []string, noIndex, noFollow bool) {
	list, w := links(page, at, token)
	return list, w.noIndex, w.noFollow
}

func Tag(value, token string) (noIndex, noFollow bool) {
	var w wishes
	w.addTag(value, token)
	return w.noIndex, w.noFollow
}

var (
	RetryAfter  = retryAfter
	NewGate     = newGate
	JournalName = journalName
)

func Enter(ctx context.Context, g *gate) error { return g.enter(ctx, time.Now) }
func Wait(g *gate, until time.Time)            { g.wait(until) }
func Leave(g *gate)                            { g.leave() }

// ParseCompletion reads what a server answered.
func ParseCompletion(data []byte) (output, why string, tokens Tokens, err error) {
	r, err := parseCompletion(data)
	return r.output, r.why, r.tokens, err
}

// ReadPrompts reads up to the first fault.
func ReadPrompts(data []byte) (list []Prompt) {
	readPrompts(context.Background(), "x", bytes.NewReader(data), func(p Prompt, err error) bool {
		if err == nil {
			list = append(list, p)
		}
		return err == nil
	})
	return list
}

// JournalHead is the first line of the journal of a Crawl or a Synthetic.
func JournalHead(c any) string {
	return `{"format":"` + journalFormat + `","of":"` + digestOf(c) + `"}` + "\n"
}
