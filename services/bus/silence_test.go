package bus_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"millrace/event"
	"millrace/services/bus"
)

// deaf is a server that can be told to drop messages without a word, as those of a cluster do while they elect a leader.
type deaf struct {
	*external
	refused chan struct{} // one for each message dropped, as far as it fits
}

const questions = "$JS.API.STREAM.INFO." + bus.Stream

func startDeaf(t *testing.T) *deaf {
	opts := natsOptions(t)
	opts.Users = users()
	return &deaf{external: startNATS(t, opts), refused: make(chan struct{}, 100)}
}

// users are the bus's, who is not heard on some subjects, and another who may do everything.
func users(deafTo ...string) []*server.User {
	lab := &server.User{Username: "lab", Password: "x"}
	if len(deafTo) > 0 {
		lab.Permissions = &server.Permissions{Publish: &server.SubjectPermission{Deny: deafTo}}
	}
	return []*server.User{lab, {Username: "admin", Password: "x"}}
}

// deafen drops from now on what the bus says on these subjects, and nothing else.
func (d *deaf) deafen(t *testing.T, to ...string) {
	t.Helper()
	opts := d.opts.Clone()
	opts.Users = users(to...)
	if err := d.srv.ReloadOptions(opts); err != nil {
		t.Fatal(err)
	}
}

// config is for a bus whose dropped messages are counted: NATS complains of each to the sender, though it gives no answer.
func (d *deaf) config() bus.Config {
	return bus.Config{URL: d.URL(), User: "lab", Password: "x", Log: slog.New(listener{slog.DiscardHandler, d.refused})}
}

type listener struct {
	slog.Handler
	refused chan struct{}
}

func (l listener) Enabled(context.Context, slog.Level) bool { return true }

func (l listener) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if strings.Contains(a.Value.String(), "Permissions Violation for Publish") {
			select {
			case l.refused <- struct{}{}:
			default:
			}
		}
		return true
	})
	return nil
}

// admin may ask everything.
func (d *deaf) admin(t *testing.T) jetstream.JetStream {
	return admin(t, strings.Replace(d.URL(), "//", "//admin:x@", 1))
}

func TestAPublishDoesNotWaitForAnAnswerThatNeverComes(t *testing.T) {
	d := startDeaf(t)
	b := open(t, d.config())
	js := d.admin(t)
	publish(t, b, beat("a"))
	takes := func(subjects string) {
		t.Helper()
		s, err := js.Stream(soon(t), bus.Stream)
		if err != nil {
			t.Fatal(err)
		}
		conf := s.CachedInfo().Config
		conf.Subjects = []string{subjects}
		if _, err := js.UpdateStream(soon(t), conf); err != nil {
			t.Fatal(err)
		}
	}
	takes("elsewhere.>") // a publish then hears that nobody listens, as in a cluster whose stream has no leader
	d.deafen(t, questions)
	type answer struct {
		seq uint64
		err error
	}
	answered := make(chan answer, 1)
	go func() {
		seq, err := b.Publish(soon(t), beat("b"))
		answered <- answer{seq, err}
	}()
	receive(t, d.refused)
	takes(event.Subjects)
	if a := receive(t, answered); a.seq != 2 || a.err != nil {
		t.Errorf("place %d, %v", a.seq, a.err)
	}
}

func TestAFactThatIsDroppedWithoutAWordIsSentAgain(t *testing.T) {
	d := startDeaf(t)
	b := open(t, d.config())
	publish(t, b, beat("a"))
	d.deafen(t, event.Subjects)
	answered := make(chan uint64, 1)
	go func() {
		seq, err := b.Publish(soon(t), beat("b"))
		if err != nil {
			t.Error(err)
		}
		answered <- seq
	}()
	receive(t, d.refused)
	d.deafen(t)
	if seq := receive(t, answered); seq != 2 {
		t.Errorf("place %d", seq)
	}
	if s, err := b.State(soon(t)); err != nil || s.Last != 2 {
		t.Errorf("the log ends at %d, %v", s.Last, err)
	}
}

func TestAQuestionWithoutAnAnswerIsPutAgain(t *testing.T) {
	t.Parallel() // it waits for a question to be given up
	d := startDeaf(t)
	b := open(t, d.config())
	publish(t, b, beat("a"))
	d.deafen(t, questions)
	answered := make(chan error, 1)
	go func() {
		s, err := b.State(soon(t))
		if err == nil && s.Last != 1 {
			t.Errorf("the log ends at %d", s.Last)
		}
		answered <- err
	}()
	receive(t, d.refused)
	d.deafen(t)
	if err := receive(t, answered); err != nil {
		t.Error(err)
	}
}

func TestAQuestionWithoutAnAnswerEndsWithItsContext(t *testing.T) {
	d := startDeaf(t)
	b := open(t, d.config())
	d.deafen(t, questions)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := b.State(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("State: %v", err)
	}
}
