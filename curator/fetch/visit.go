package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Why a URL of a crawl is not among its pages. A status is "status_404".
const (
	robotsForbid      = "robots"
	robotsUnreachable = "robots_unreachable" // robots.txt did not come, so nothing may be fetched
	private           = "private_address"
	redirected        = "redirect"         // its target is asked for instead
	redirectElsewhere = "redirect_outside" // the target is not to be followed
	redirectsTooLong  = "too_many_redirects"
	contentType       = "content_type"
	contentEncoding   = "content_encoding"
	tooLarge          = "too_large"
	timedOut          = "timeout"
	unreachable       = "unreachable"
	noIndex           = "noindex"
	queueFull         = "queue_full"
	pageStored        = "page"
)

const (
	// attempts is how often a request is sent before its fault counts.
	attempts = 3
	// longestPause is how long a crawl waits for a host that asks for patience.
	longestPause = 5 * time.Minute
	// maxHops is how many redirects in a row are followed, of pages and of robots.txt (RFC 9309 asks for five).
	maxHops = 10
)

// visitor asks hosts for pages, one at a time each, as their robots.txt and the rate allow.
type visitor struct {
	crawl  Crawl
	token  string
	client *http.Client
	now    func() time.Time
	pause  time.Duration

	mu    sync.Mutex
	hosts map[string]*host
}

// host is what is known of one. Whoever is inside its gate may use the rest.
type host struct {
	*gate
	robots map[string]robots // by scheme and host with port
}

func newVisitor(c Crawl, f Fetcher) *visitor {
	transport := &http.Transport{
		DialContext:            dialer(c.AllowPrivate), // and no proxy, which would connect for us
		TLSHandshakeTimeout:    15 * time.Second,
		MaxIdleConnsPerHost:    1,
		MaxIdleConns:           64,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		TLSNextProto:           nil,
		Protocols:              new(http.Protocols),
	}
	transport.Protocols.SetHTTP1(true) // WARC has the text of HTTP/1.1
	return &visitor{
		crawl: c, token: productToken(c.UserAgent), now: f.Now, pause: f.pause(), hosts: map[string]*host{},
		client: &http.Client{
			Transport: transport,
			Timeout:   time.Duration(c.Timeout * float64(time.Second)),
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		},
	}
}

func (v *visitor) close() { v.client.CloseIdleConnections() }

// visit is what became of a URL.
type visit struct {
	why      string
	detail   string // for people: what the reason does not say
	page     *page
	links    []string
	to       string // where it redirects to
	received int64
}

func (v *visitor) host(name string) *host {
	v.mu.Lock()
	defer v.mu.Unlock()
	h := v.hosts[name]
	if h == nil {
		h = &host{newGate(), map[string]robots{}}
		v.hosts[name] = h
	}
	return h
}

// visit asks for one URL. The error is the context's.
func (v *visitor) visit(ctx context.Context, u *url.URL) (visit, error) {
	h := v.host(u.Hostname())
	var out visit
	for attempt := 1; ; attempt++ {
		if err := h.enter(ctx, v.now); err != nil {
			return visit{}, err
		}
		again, err := v.try(ctx, h, u, &out)
		if again == 0 || attempt == attempts || err != nil {
			h.leave()
			return out, err
		}
		again = max(again, v.pause<<(attempt-1))
		h.wait(v.now().Add(again)) // nobody asks this host meanwhile
		h.leave()
	}
}

// try asks once, inside the host's gate. again is not 0 when another try may do better, and then it is how long the host
// asks to wait at least.
func (v *visitor) try(ctx context.Context, h *host, u *url.URL, out *visit) (again time.Duration, err error) {
	rules, err := v.robots(ctx, h, u, out)
	if err != nil {
		return 0, err
	}
	if !rules.allows(u.RequestURI()) {
		out.why = robotsForbid
		if rules.none {
			out.why = cmp.Or(rules.why, robotsUnreachable)
		}
		return 0, nil
	}
	began := v.now()
	*out = visit{received: out.received}
	again, err = v.get(ctx, u, out)
	h.wait(began.Add(interval(v.crawl.Rate)))
	if rules.delay > 0 {
		h.wait(v.now().Add(rules.delay))
	}
	return again, err
}

// get asks for a page and looks at what came.
func (v *visitor) get(ctx context.Context, u *url.URL, out *visit) (again time.Duration, err error) {
	at := v.now()
	address := ""
	req, resp, err := v.send(ctx, u, &address)
	if err != nil {
		return v.fault(ctx, err, out)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.Header.Get("Location") != "":
		out.why = redirected
		if to, err := canonical(u, resp.Header.Get("Location")); err == nil {
			out.to = to.String()
		} else {
			out.why, out.detail = redirectElsewhere, err.Error()
		}
		return 0, nil
	case resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNonAuthoritativeInfo:
		out.why = fmt.Sprintf("status_%d", resp.StatusCode)
		if !passing(resp.StatusCode) {
			return 0, nil
		}
		if again = retryAfter(resp.Header, v.now()); again > longestPause {
			return 0, nil
		}
		return max(again, 1), nil
	}
	kind := ""
	if declared := resp.Header.Get("Content-Type"); declared != "" {
		if kind, _, err = mime.ParseMediaType(declared); err != nil {
			kind, _, _ = strings.Cut(declared, ";")
			kind = strings.ToLower(strings.TrimSpace(kind))
		}
		if !readable(kind) {
			out.why, out.detail = contentType, clip(kind)
			return 0, nil
		}
	}
	limit := v.crawl.MaxPageBytes
	switch {
	case resp.Header.Get("Content-Encoding") != "" && resp.Header.Get("Content-Encoding") != "identity":
		out.why, out.detail = contentEncoding, clip(resp.Header.Get("Content-Encoding"))
		return 0, nil
	case resp.ContentLength > limit:
		out.why, out.detail = tooLarge, fmt.Sprintf("%d bytes, and max_page_bytes is %d", resp.ContentLength, limit)
		return 0, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	out.received += int64(len(body))
	if err != nil {
		return v.fault(ctx, err, out)
	}
	if int64(len(body)) > limit {
		out.why, out.detail = tooLarge, fmt.Sprintf("more than %d bytes, which max_page_bytes is", limit)
		return 0, nil
	}
	if kind == "" {
		kind, _, _ = strings.Cut(http.DetectContentType(body), ";")
		if !readable(kind) {
			out.why, out.detail = contentType, kind
			return 0, nil
		}
	}
	var w wishes
	if kind != "text/plain" {
		out.links, w = links(body, u, v.token)
	}
	for _, tag := range resp.Header.Values("X-Robots-Tag") {
		w.addTag(tag, v.token)
	}
	if w.noFollow {
		out.links = nil
	}
	if w.noIndex {
		out.why = noIndex
		return 0, nil
	}
	out.why, out.page = pageStored, newPage(req, resp, at, address, body)
	return 0, nil
}

func readable(kind string) bool {
	return kind == "text/html" || kind == "application/xhtml+xml" || kind == "text/plain"
}

// send sends a GET.
func (v *visitor) send(ctx context.Context, u *url.URL, address *string) (*http.Request, *http.Response, error) {
	trace := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
		if at, err := netip.ParseAddrPort(c.Conn.RemoteAddr().String()); err == nil {
			*address = at.Addr().Unmap().String()
		}
	}}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("User-Agent", v.crawl.UserAgent)
	req.Header.Set("Accept", "text/html, application/xhtml+xml, text/plain;q=0.9")
	resp, err := v.client.Do(req)
	return req, resp, err
}

// fault says what an error of the network means.
func (v *visitor) fault(ctx context.Context, err error, out *visit) (again time.Duration, _ error) {
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if inner := new(url.Error); errors.As(err, &inner) {
		err = inner.Err // without the URL, which is known
	}
	out.why, out.detail = unreachable, clip(err.Error())
	var slow net.Error
	switch {
	case errors.Is(err, errPrivate):
		out.why = private
		return 0, nil
	case errors.As(err, &slow) && slow.Timeout():
		out.why = timedOut
	}
	return 1, nil
}

// robots returns a site's rules, asking for them first if nobody has.
func (v *visitor) robots(ctx context.Context, h *host, u *url.URL, out *visit) (robots, error) {
	site := u.Scheme + "://" + u.Host
	if r, ok := h.robots[site]; ok {
		return r, nil
	}
	var r robots
	at, err := url.Parse(site + "/robots.txt")
	if err != nil {
		return r, err
	}
	for attempt, hops := 1, 0; ; {
		began := v.now()
		var again time.Duration
		var to *url.URL
		r, to, again, err = v.askRobots(ctx, at, out)
		h.wait(began.Add(interval(v.crawl.Rate)))
		if err != nil {
			return r, err
		}
		switch {
		case to != nil:
			if hops++; hops > maxHops { // as if there were none, says the RFC
				again, to, r = 0, nil, robots{}
			} else {
				at = to
			}
		case again > 0:
			if attempt++; attempt > attempts {
				again = 0
			} else {
				h.wait(v.now().Add(max(again, v.pause<<(attempt-2))))
			}
		}
		if to == nil && again == 0 {
			if r.none && out.why == private {
				r.why = private
			}
			h.wait(v.now().Add(r.delay))
			if err := sleep(ctx, h.next.Sub(v.now())); err != nil {
				return r, err
			}
			h.robots[site] = r
			return r, nil
		}
		if err := sleep(ctx, h.next.Sub(v.now())); err != nil {
			return r, err
		}
	}
}

// askRobots asks once: 4xx is no rules, and 5xx or no answer is that nothing may be fetched (RFC 9309, section 2.3.1).
func (v *visitor) askRobots(ctx context.Context, u *url.URL, out *visit) (r robots, to *url.URL, again time.Duration, err error) {
	var address string
	_, resp, err := v.send(ctx, u, &address)
	if err != nil {
		again, err = v.fault(ctx, err, out)
		return robots{none: true}, nil, again, err
	}
	defer resp.Body.Close()
	switch status := resp.StatusCode; {
	case status >= 300 && status < 400:
		to, err := canonical(u, resp.Header.Get("Location"))
		if err != nil || resp.Header.Get("Location") == "" {
			return robots{}, nil, 0, nil
		}
		return robots{}, to, 0, nil
	case status >= 500 || status == http.StatusTooManyRequests:
		out.detail = fmt.Sprintf("robots.txt: status %d", status)
		again = max(1, retryAfter(resp.Header, v.now()))
		if again > longestPause {
			again = 0
		}
		return robots{none: true}, nil, again, nil
	case status >= 400:
		return robots{}, nil, 0, nil
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxRobots))
	out.received += int64(len(data))
	if err != nil {
		again, err = v.fault(ctx, err, out)
		return robots{none: true}, nil, again, err
	}
	return parseRobots(data, v.token), nil, 0, nil
}

// clip makes one short line of a text that somebody else wrote.
func clip(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}
