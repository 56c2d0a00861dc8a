package rules_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"millrace/event"
	"millrace/services/rules"
)

const (
	hookKey  = "a-key-that-nobody-may-see"
	hookPath = "/hooks/a-path-that-nobody-may-see"
)

// hooked is a webhook as it came.
type hooked struct {
	header http.Header
	body   []byte
	path   string
}

// receiver answers webhooks, and keeps those that came. How the nth (from 0) is answered is told by answer.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	came []hooked
}

func receive(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		n := len(r.came)
		r.came = append(r.came, hooked{req.Header.Clone(), body, req.URL.Path})
		r.mu.Unlock()
		answer(n, w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) all() []hooked {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]hooked(nil), r.came...)
}

// notifying is a node's configuration for messages, with an environment of its own and short pauses.
func notifying(env map[string]string) rules.Notify {
	return rules.Notify{
		AllowPrivate: true, Backoff: []time.Duration{20 * time.Millisecond, 40 * time.Millisecond}, Attempts: 4,
		Getenv: func(name string) string { return env[name] },
	}
}

// shout saves a rule that sends a message of each alert.
func (l *lab) shout(name, when, then string) event.RuleID {
	return l.save(event.RuleSaved{Name: name, On: "run.alert_raised", When: when, Then: event.RawJSON(then)})
}

// messages waits until so many firings of a rule have a message that arrived or was given up, and returns them, newest first.
func (l *lab) messages(rule event.RuleID, n int) (delivered []event.NotificationDelivered, failed []event.NotificationFailed) {
	l.Helper()
	l.until("messages settled", func() bool {
		delivered, failed = nil, nil
		for _, env := range l.logged() {
			switch e := env.Event.(type) {
			case event.NotificationDelivered:
				if e.Rule == rule {
					delivered = append(delivered, e)
				}
			case event.NotificationFailed:
				if e.Rule == rule {
					failed = append(failed, e)
				}
			}
		}
		return len(delivered)+len(failed) >= n
	})
	return delivered, failed
}

// logged is the whole log.
func (l *lab) logged() []event.Envelope {
	l.Helper()
	state, err := l.bus.State(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	var out []event.Envelope
	for seq := max(state.First, 1); seq <= state.Last; seq++ {
		env, err := l.bus.At(l.Context(), seq)
		if err != nil {
			l.Fatal(err)
		}
		out = append(out, env)
	}
	return out
}

// secretive fails when a secret is in the log's facts or in what the process has told.
func (l *lab) secretive(secrets ...string) {
	l.Helper()
	for _, env := range l.logged() {
		raw, err := json.Marshal(env.Event)
		if err != nil {
			l.Fatal(err)
		}
		for _, s := range secrets {
			if bytes.Contains(raw, []byte(s)) {
				l.Errorf("%q is in the log: %s", s, raw)
			}
		}
	}
	for _, s := range secrets {
		if told := l.told.String(); strings.Contains(told, s) {
			l.Errorf("%q is in what the process tells: %s", s, told)
		}
	}
}

// talk is a process's log that a test reads.
type talk struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *talk) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *talk) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

func (t *talk) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(t, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// TestAWebhookIsSignedAndTriedAgain: after two answers of 500 it arrives, each time under one name and with a signature that the receiver can
// check; neither its key nor its address is anywhere to be read.
func TestAWebhookIsSignedAndTriedAgain(t *testing.T) {
	r := receive(t, func(n int, w http.ResponseWriter, req *http.Request) {
		if n < 2 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	l := start(t, notifying(map[string]string{"HOOK_URL": r.URL + hookPath, "HOOK_KEY": hookKey}))
	l.train("A")
	id := l.shout("tell", "true", `{"webhook":{"url_env":"HOOK_URL","secret_env":"HOOK_KEY","title":"=event.title","text":"='of run ' + run.name"}}`)
	l.say(event.AlertRaised{Run: "A", Level: "error", Title: "hot", Key: "1"})
	delivered, failed := l.messages(id, 1)
	if len(failed) > 0 || delivered[0].Attempt != 3 || delivered[0].Status != 200 {
		t.Fatalf("%+v %+v", delivered, failed)
	}
	came := r.all()
	if len(came) != 3 {
		t.Fatalf("it came %d times", len(came))
	}
	for _, h := range came {
		at, name := h.header.Get("Millrace-Timestamp"), h.header.Get("Millrace-Delivery")
		mac := hmac.New(sha256.New, []byte(hookKey)) // as a receiver would
		mac.Write([]byte(at + "." + string(h.body)))
		if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); h.header.Get("Millrace-Signature") != want || at == "" {
			t.Errorf("signature %q at %q, want %q", h.header.Get("Millrace-Signature"), at, want)
		}
		if name != string(delivered[0].Notification) || h.path != hookPath {
			t.Errorf("%q at %s", name, h.path)
		}
	}
	var body struct{ Title, Text, Run, Rule, Firing string }
	if err := json.Unmarshal(came[2].body, &body); err != nil || body.Title != "hot" || body.Text != "hot\nof run A" || body.Run != "A" || body.Rule != string(id) || body.Firing == "" {
		t.Errorf("%s %v", came[2].body, err)
	}
	l.secretive(hookKey, hookPath, r.URL)
}

// TestAWebhookIsGivenUp when the other side never takes it, is away, answers with what is secret, or the environment lacks what is named.
func TestAWebhookIsGivenUp(t *testing.T) {
	angry := receive(t, func(_ int, w http.ResponseWriter, req *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 403 "+req.URL.Path+"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			_ = conn.Close()
		}
	})
	gone := receive(t, func(int, http.ResponseWriter, *http.Request) {})
	gone.Close()
	l := start(t, notifying(map[string]string{"ANGRY": angry.URL + hookPath, "GONE": gone.URL + hookPath, "ODD": "gopher://" + hookKey + hookPath, "BROKEN": "http://[" + hookKey}))
	l.train("A")
	for _, c := range []struct {
		name, then, code, says string
		attempts               int
	}{
		{"angry", `{"url_env":"ANGRY","title":"t"}`, "undelivered", "403", 4},
		{"gone", `{"url_env":"GONE","title":"t"}`, "undelivered", "GONE does not answer", 4},
		{"odd", `{"url_env":"ODD","title":"t"}`, "refused", "ODD", 1},
		{"broken", `{"url_env":"BROKEN","title":"t"}`, "refused", "BROKEN", 1},
		{"nowhere", `{"url_env":"NOWHERE","title":"t"}`, "refused", "NOWHERE is not set", 1},
		{"no key", `{"url_env":"ANGRY","secret_env":"NO_KEY","title":"t"}`, "refused", "NO_KEY is not set", 1},
	} {
		id := l.shout(c.name, `event.title == "`+c.name+`"`, `{"webhook":`+c.then+`}`)
		l.say(event.AlertRaised{Run: "A", Level: "warn", Title: c.name, Key: c.name})
		_, failed := l.messages(id, 1)
		if len(failed) != 1 || failed[0].Failure.Code != c.code || !strings.Contains(failed[0].Failure.Message, c.says) || failed[0].Attempts != c.attempts {
			t.Errorf("%s: %+v", c.name, failed)
		}
	}
	if n := len(angry.all()); n != 4 {
		t.Errorf("it was tried %d times", n)
	}
	l.secretive(hookKey, hookPath, gone.URL)
}

// TestPrivateAddressesAreRefused unless they are allowed: by number, by name, and behind a redirect, which is not followed.
func TestPrivateAddressesAreRefused(t *testing.T) {
	r := receive(t, func(_ int, w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/away" {
			http.Redirect(w, req, "/here", http.StatusTemporaryRedirect)
		}
	})
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	careful := notifying(nil)
	careful.AllowPrivate = false
	t.Run("refused", func(t *testing.T) {
		l := start(t, careful)
		l.train("A")
		for i, at := range []string{u.Host, "localhost:" + u.Port(), "[::ffff:127.0.0.1]:" + u.Port(), "10.1.2.3:80", "169.254.169.254", "[fd00::1]:80", "100.64.0.1:80", "0.0.0.0:" + u.Port()} {
			id := l.shout(at, `event.title == "`+at+`"`, `{"webhook":{"url":"http://`+at+`/","title":"t"}}`)
			l.say(event.AlertRaised{Run: "A", Level: "warn", Title: at, Key: string(rune('a' + i))})
			_, failed := l.messages(id, 1)
			if len(failed) != 1 || failed[0].Failure.Code != "refused" || !strings.Contains(failed[0].Failure.Hint, "rules.allow_private") {
				t.Errorf("%s: %+v", at, failed)
			}
		}
		if n := len(r.all()); n != 0 {
			t.Errorf("%d webhooks came through", n)
		}
	})
	t.Run("redirected", func(t *testing.T) {
		l := start(t, notifying(nil))
		l.train("A")
		id := l.shout("away", "true", `{"webhook":{"url":"`+r.URL+`/away","title":"t"}}`)
		l.say(event.AlertRaised{Run: "A", Level: "warn", Title: "t"})
		if _, failed := l.messages(id, 1); len(failed) != 1 || !strings.Contains(failed[0].Failure.Message, "307") {
			t.Errorf("%+v", failed)
		}
		for _, h := range r.all() {
			if h.path != "/away" {
				t.Errorf("it was followed to %s", h.path)
			}
		}
	})
}

// TestAHangingEndpointBlocksNoOtherMessage: many more messages to one that never answers than there are lanes, and one to another: that one
// arrives while the others hang. The time of one try is longer than the test waits.
func TestAHangingEndpointBlocksNoOtherMessage(t *testing.T) {
	release := make(chan struct{})
	hanging := receive(t, func(_ int, _ http.ResponseWriter, req *http.Request) {
		select {
		case <-release:
		case <-req.Context().Done():
		}
	})
	defer close(release)
	good := receive(t, func(int, http.ResponseWriter, *http.Request) {})
	n := notifying(nil)
	n.Timeout, n.Attempts, n.Backoff = 5*time.Minute, 0, []time.Duration{time.Minute}
	l := start(t, n)
	l.train("A")
	bad := l.shout("hangs", `event.level == "warn"`, `{"webhook":{"url":"`+hanging.URL+`","title":"t"}}`)
	id := l.shout("works", `event.level == "error"`, `{"webhook":{"url":"`+good.URL+`","title":"t"}}`)
	for i := range 20 {
		l.say(event.AlertRaised{Run: "A", Level: "warn", Title: "t", Key: string(rune('a' + i))})
	}
	l.acted(bad, 20)
	l.until("the first ones hang", func() bool { return len(hanging.all()) > 0 })
	l.say(event.AlertRaised{Run: "A", Level: "error", Title: "t", Key: "good"})
	if delivered, _ := l.messages(id, 1); len(delivered) != 1 || len(good.all()) != 1 {
		t.Errorf("%+v", delivered)
	}
	if delivered, failed := l.messages(bad, 0); len(delivered)+len(failed) != 0 {
		t.Errorf("%+v %+v", delivered, failed)
	}
}
