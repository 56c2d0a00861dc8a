package rules

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"millrace/event"
	"millrace/services/bus"
)

// Notify says how messages leave. The zero value sends webhooks to public addresses, and no e-mail.
type Notify struct {
	// AllowPrivate lets webhooks go to addresses of private networks and of this machine.
	AllowPrivate bool
	// Timeout bounds one try; 0: 10 s.
	Timeout time.Duration
	Mail    Mail
	// Backoff is how long to wait between tries, Attempts how many there are; zeros: 1 s growing to 1 h, 12.
	Backoff  []time.Duration
	Attempts int
	// Getenv looks a variable up; nil: os.Getenv.
	Getenv func(string) string
}

func (n Notify) timeout() time.Duration {
	if n.Timeout > 0 {
		return n.Timeout
	}
	return 10 * time.Second
}

func (n Notify) env(name string) string {
	if n.Getenv != nil {
		return n.Getenv(name)
	}
	return os.Getenv(name)
}

// send puts a firing's message into the log, from where it goes out.
func (s *Service) send(ctx context.Context, fired event.RuleFired, seq uint64, a args, acted *event.RuleActed) error {
	id := event.NotificationID(event.DerivedID("notification", string(fired.Firing)))
	req := event.NotificationRequested{
		Notification: id, Rule: fired.Rule, Firing: fired.Firing, Seq: seq, Run: fired.Run, Channel: fired.Action,
		URL: a.URL, URLEnv: a.URLEnv, SecretEnv: a.SecretEnv, Title: cut(a.Title, maxName), Text: cut(a.Text, 10_000),
	}
	if fired.Action == "email" {
		var do map[string]struct {
			To    []string `json:"to"`
			Title string   `json:"title"`
			Text  string   `json:"text"`
		}
		if err := json.Unmarshal(fired.Then, &do); err != nil {
			return wrong("then", "", "email: %v", err)
		}
		m := do["email"]
		req.To, req.Title, req.Text = m.To, cut(m.Title, maxName), cut(m.Text, 10_000)
	}
	acted.Notification = id
	_, err := s.Bus.PublishOnce(ctx, req)
	if errors.Is(err, bus.ErrExists) {
		return nil
	}
	return err
}

// deliverAll sends messages, several at once so that one endpoint that hangs does not hold up the others.
func (s *Service) deliverAll(ctx context.Context) error {
	backoff, attempts := s.Notify.Backoff, s.Notify.Attempts
	if len(backoff) == 0 {
		backoff = []time.Duration{time.Second, 4 * time.Second, 15 * time.Second, time.Minute, 4 * time.Minute, 15 * time.Minute, time.Hour}
	}
	if attempts <= 0 {
		attempts = 12
	}
	return s.Bus.Work(ctx, bus.Group{
		Name: "rules-notify", Filters: []string{event.FactOf("notification", "requested")}, Parallel: lanes, Backoff: backoff, MaxAttempts: attempts,
		GaveUp: func(ctx context.Context, env event.Envelope, why error) error {
			m, ok := env.Event.(event.NotificationRequested)
			if !ok {
				return nil
			}
			f := event.Failure{Code: "undelivered", Message: cut(why.Error(), 2000)}
			tried, first := attempts, (*refusedTry)(nil)
			if errors.As(why, &first) {
				tried, f = first.attempt, event.Failure{Code: "refused", Message: cut(first.err.Error(), 2000), Hint: first.err.hint}
			}
			_, err := s.Bus.PublishOnce(ctx, event.NotificationFailed{Notification: m.Notification, Rule: m.Rule, Seq: m.Seq, Attempts: tried, Failure: f})
			if errors.Is(err, bus.ErrExists) {
				return nil
			}
			return err
		},
	}, s.deliver)
}

// refusedTry is why a message will never leave, and at which try that was found.
type refusedTry struct {
	attempt int
	err     *Error
}

func (r *refusedTry) Error() string { return r.err.Error() }

// deliver sends one message.
func (s *Service) deliver(ctx context.Context, env event.Envelope, d bus.Delivery) error {
	m, ok := env.Event.(event.NotificationRequested)
	if !ok {
		return bus.Poison(fmt.Errorf("rules: %s is no message", env.Event.Type()))
	}
	done := event.NotificationDelivered{Notification: m.Notification, Rule: m.Rule, Seq: m.Seq, Attempt: d.Attempt}
	if _, err := s.Bus.Last(ctx, done.Subject()); err == nil {
		return nil
	} else if !errors.Is(err, bus.ErrNone) {
		return err
	}
	leave, err := s.doors.enter(ctx, to(m))
	if err != nil {
		return err
	}
	defer leave()
	began := s.Now()
	bounded, cancel := context.WithTimeout(ctx, s.Notify.timeout())
	defer cancel()
	switch m.Channel {
	case "webhook":
		done.Status, err = s.Notify.post(bounded, m, began)
	case "email":
		err = s.Notify.Mail.send(bounded, m, began, s.Notify.env)
	default:
		err = wrong("channel", "", "there is no channel %q", m.Channel)
	}
	var refused *Error
	if errors.As(err, &refused) {
		return bus.Poison(&refusedTry{d.Attempt, refused})
	}
	if err != nil {
		return err
	}
	done.Seconds = event.Number(s.Now().Sub(began).Seconds())
	if _, err = s.Bus.PublishOnce(ctx, done); errors.Is(err, bus.ErrExists) {
		return nil
	}
	return err
}

// message is the body of a webhook.
type message struct {
	Notification event.NotificationID `json:"notification"`
	Rule         event.RuleID         `json:"rule"`
	Firing       event.FiringID       `json:"firing"`
	Run          event.RunID          `json:"run,omitempty"`
	Title        string               `json:"title"`
	Text         string               `json:"text"` // chat programs show this one
}

// Sign is the signature of a webhook's body at a time (seconds since 1970): HMAC-SHA256 over "<time>.<body>", in hexadecimal.
func Sign(secret string, at int64, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(strconv.FormatInt(at, 10) + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// post sends a webhook once.
func (n Notify) post(ctx context.Context, m event.NotificationRequested, now time.Time) (status int, err error) {
	target := m.URL
	if m.URLEnv != "" {
		if target = n.env(m.URLEnv); target == "" {
			return 0, wrong("url_env", "set it in the environment of the node", "the environment variable %s is not set where the node runs", m.URLEnv)
		}
	}
	text := m.Title
	if m.Text != "" {
		text += "\n" + m.Text
	}
	body, err := json.Marshal(message{m.Notification, m.Rule, m.Firing, m.Run, m.Title, text})
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil || req.URL.Scheme != "http" && req.URL.Scheme != "https" || req.URL.Host == "" {
		if m.URLEnv != "" { // the address is a secret
			return 0, wrong("url_env", "set it to one that begins with https:// or http://", "the environment variable %s holds no address of a webhook", m.URLEnv)
		}
		return 0, wrong("url", "", "the webhook's address cannot be used")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "millrace")
	req.Header.Set("Millrace-Delivery", string(m.Notification))
	if m.SecretEnv != "" {
		secret := n.env(m.SecretEnv)
		if secret == "" {
			return 0, wrong("secret_env", "set it in the environment of the node", "the environment variable %s is not set where the node runs", m.SecretEnv)
		}
		at := now.Unix()
		req.Header.Set("Millrace-Timestamp", strconv.FormatInt(at, 10))
		req.Header.Set("Millrace-Signature", "sha256="+Sign(secret, at, body))
	}
	transport := &http.Transport{DialContext: n.dialer().DialContext, DisableKeepAlives: true, ResponseHeaderTimeout: n.timeout()}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		var refused *Error
		if errors.As(err, &refused) {
			if m.URLEnv != "" {
				return 0, wrong("url_env", refused.hint, "the environment variable %s leads to an address of a private network", m.URLEnv)
			}
			return 0, refused
		}
		if m.URLEnv != "" { // the address is a secret
			return 0, fmt.Errorf("rules: the webhook of %s does not answer", m.URLEnv)
		}
		return 0, fmt.Errorf("rules: webhook: %w", err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	if res.StatusCode/100 != 2 {
		return res.StatusCode, fmt.Errorf("rules: the webhook answers %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	}
	return res.StatusCode, nil
}

// dialer connects to public addresses only, unless private ones are allowed: it looks at the address that was found, so that no name can hide one.
func (n Notify) dialer() *net.Dialer {
	return &net.Dialer{Timeout: n.timeout(), Control: func(_, address string, _ syscall.RawConn) error {
		if n.AllowPrivate {
			return nil
		}
		at, err := netip.ParseAddrPort(address)
		if err != nil || !public(at.Addr().Unmap()) {
			return wrong("url", "allow it with rules.allow_private in the node's configuration", "%s is an address of a private network", address)
		}
		return nil
	}}
}

// reserved are address ranges that are nobody's on the internet, besides those that net/netip knows.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("2002::/16"),
}

func public(a netip.Addr) bool {
	if a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
