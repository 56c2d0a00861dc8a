package graph

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/transport"

	"millrace/event"
	"millrace/storage/readmodel"
)

// Config is what a Handler needs. Model and Tracker are required.
type Config struct {
	// Model answers every question.
	Model *readmodel.Model
	// Tracker takes every wish, and shows the log itself.
	Tracker Tracker
	// Version and Roles are shown by Query.system.
	Version string
	Roles   []string
	// Durability tells what an acknowledged fact survives and what to mend; nil: nothing is known.
	Durability func(context.Context) (summary string, warnings []string, err error)
	// Foreseen lists what is known to be another than it was before a reproduction of a run starts; nil: nothing is.
	Foreseen func(ctx context.Context, of event.RunID) ([]string, error)
	// Compared is how many points and digests of a reproduction that has no verdict yet were the same so far; nil: not known.
	Compared func(reproduction event.RunID) (points, digests int64)
	// Outlined says what a sweep's plan makes of what its trials have reached.
	Outlined func(readmodel.Sweep, []readmodel.TrialScore) (SweepOutline, error)
	// Blob reads a stored object, for what is asked about a dataset's documents; an error about one that is not there wraps
	// fs.ErrNotExist. nil: such questions are not answered.
	Blob func(ctx context.Context, digest event.Digest) (io.ReadCloser, error)
	// Past opens the read model as it was, for @asOf; nil: there is no looking back.
	Past Past
	// ReadyRules lists the templates of rules, FillRule makes a rule of one; nil: there are none.
	ReadyRules func() ([]json.RawMessage, error)
	FillRule   func(name string, set map[string]string) (event.RuleSaved, error)
	// TryRule tells what a rule would have done; told hears how far it is and may be nil. nil: no rule is tried here.
	TryRule func(ctx context.Context, wish RuleTrialWish, told func(done, total uint64)) (RuleTrial, error)
	// TrialTimeout bounds dryRunRule; 0: 60 s.
	TrialTimeout time.Duration
	// Keeper keeps storage and log small; nil: such wishes are refused.
	Keeper Keeper
	// Suites makes and reads suites; nil: none is saved here.
	Suites Suites
	// RedecideTimeout bounds Dataset.redecide; 0: 60 s.
	RedecideTimeout time.Duration
	// Log takes internal errors, which askers do not see; nil: slog.Default.
	Log *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Complexity is the most one operation may cost, counted in fields to be answered; 0: 500,000.
	Complexity int
	// Depth is how deep fields may be nested; 0: 16.
	Depth int
	// KeepAlive is how often idle subscriptions are pinged; 0: 15 s.
	KeepAlive time.Duration
	// WriteTimeout is how long a subscriber may take nothing before it is dropped; 0: 30 s.
	WriteTimeout time.Duration
	// Timeout is how long a question or a wish may take before it is answered with TIMEOUT; 0: 30 s. Subscriptions last.
	Timeout time.Duration
	// Persisted are the only operations that are answered; nil: all are.
	Persisted Persisted
	// NoIntrospection keeps the schema from those who ask for it.
	NoIntrospection bool
	// Page is what a browser that opens the address is shown: GraphiQL. nil: a few plain words.
	Page http.Handler
	// MinInterval is the least time between two values of one subscription; 0: 50 ms.
	MinInterval time.Duration
	// PointInterval is the same of points, for which nothing is looked for; 0: 2 ms. With many subscriptions it grows.
	PointInterval time.Duration
}

// Tracker turns wishes into facts. Its methods are safe for concurrent use.
type Tracker interface {
	// Submit fills in what a wish leaves out (ids, the spec's digest, defaults), refuses it with a Refusal, or publishes it and
	// returns once the read model has folded it. The envelope carries the completed event.
	Submit(ctx context.Context, wish event.Event) (event.Envelope, error)
	// Take takes what a writer logs of a run, all or nothing, and returns once it is durable. A batch that is sent again changes nothing.
	Take(ctx context.Context, batch event.Batch) (event.Receipt, error)
	// Await returns when the read model has folded what lies at a place.
	Await(ctx context.Context, seq uint64) error
	// Follow calls fn with every fact from a place on, in order, whose subject fits one of the filters (none: all), until ctx
	// ends or fn fails.
	Follow(ctx context.Context, from uint64, filters []string, fn func(event.Envelope) error) error
	// LastSeq is the place of the log's last fact, 0 when it is empty.
	LastSeq(ctx context.Context) (uint64, error)
}

// Refusal is what an error of Submit is, by errors.As, when the wish is at fault and not the system.
type Refusal interface {
	error
	// Code is "INVALID", "NOT_FOUND", "CONFLICT" or "UNAVAILABLE".
	Code() string
	// Hint says what to do, "" when there is nothing to say.
	Hint() string
	// Field is the path within the input, nil when it is about the whole.
	Field() []string
}

// Server answers GraphQL over HTTP.
type Server struct {
	gql  *handler.Server
	live *lives
	log  *slog.Logger
	idle time.Duration // a write to a stream may take so long
	page http.Handler
}

// Handler makes a Server.
func Handler(c Config) *Server {
	c = c.withDefaults()
	live := newLives()
	root := &resolver{Config: c, live: live, desk: &desk{}, redeciding: make(chan struct{}, maxRedeciding)}
	gql := handler.New(asOf{executable(root), root})
	gql.AddTransport(transport.Websocket{
		Implementation:   sockets{log: c.Log, timeout: c.WriteTimeout, live: live},
		InitTimeout:      10 * time.Second,
		PingPongInterval: c.KeepAlive,
		PayloadReadLimit: ptr(int64(maxBody)),
	})
	gql.AddTransport(transport.Options{AllowedMethods: []string{http.MethodOptions, http.MethodGet, http.MethodPost}})
	gql.AddTransport(transport.GET{})
	gql.AddTransport(transport.SSE{KeepAlivePingInterval: c.KeepAlive})
	gql.AddTransport(transport.POST{})
	gql.SetQueryCache(newQueryCache())
	gql.SetParserTokenLimit(maxTokens)
	gql.SetErrorPresenter(root.present)
	gql.SetRecoverFunc(root.recovered)
	if !c.NoIntrospection {
		gql.Use(extension.Introspection{})
	}
	gql.Use(newPersisting(c.Persisted))
	gql.AroundOperations(root.withinTime)
	gql.AroundFields(unlessOver)
	gql.Use(depthLimit(c.Depth))
	gql.Use(extension.FixedComplexityLimit(c.Complexity))
	return &Server{gql: gql, live: live, log: c.Log, idle: c.WriteTimeout, page: c.Page}
}

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Complexity == 0 {
		c.Complexity = 500_000
	}
	if c.Depth == 0 {
		c.Depth = 16
	}
	if c.KeepAlive == 0 {
		c.KeepAlive = 15 * time.Second
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = 30 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Page == nil {
		c.Page = http.HandlerFunc(plainPage)
	}
	if c.RedecideTimeout == 0 {
		c.RedecideTimeout = time.Minute
	}
	if c.TrialTimeout == 0 {
		c.TrialTimeout = time.Minute
	}
	if c.MinInterval == 0 {
		c.MinInterval = 50 * time.Millisecond
	}
	if c.PointInterval == 0 {
		c.PointInterval = 2 * time.Millisecond
	}
	return c
}

// Close ends every subscription and waits for them; questions and wishes are answered on. Call it when the shutdown begins:
// net/http does not wait for sockets.
func (s *Server) Close() error {
	s.live.close()
	return nil
}

// maxLives bounds the sockets, streams and subscriptions that go on at once.
const maxLives = 10_000

// lives are the sockets, streams and subscriptions that go on.
type lives struct {
	mu     sync.Mutex
	wg     sync.WaitGroup
	count  int
	ctx    context.Context
	cancel context.CancelFunc
}

func newLives() *lives {
	l := &lives{}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// enter joins the living: the context ends with the server too. Without an error leave must be called.
func (l *lives) enter(ctx context.Context) (_ context.Context, leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return nil, nil, question{code: codeUnavailable, message: "the server is shutting down"}
	}
	if l.count >= maxLives {
		return nil, nil, question{code: codeUnavailable, message: "there are too many subscriptions already; try again later"}
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.ctx, cancel)
	release := l.add()
	return ctx, func() { stop(); cancel(); release() }, nil
}

// hold makes close wait for something short, unless close has nothing left to wait for.
func (l *lives) hold() (release func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == 0 && l.ctx.Err() != nil {
		return nil, false
	}
	return l.add(), true
}

// add counts one more. The lock must be held: nothing may join once close waits for none.
func (l *lives) add() (release func()) {
	l.count++
	l.wg.Add(1)
	return func() {
		l.mu.Lock()
		l.count--
		l.mu.Unlock()
		l.wg.Done()
	}
}

// share is how many times longer each subscription waits because there are others: all together send as much as pointReaders alone.
func (l *lives) share() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Duration(max(1, l.count/pointReaders))
}

func (l *lives) close() {
	l.mu.Lock()
	l.cancel()
	l.mu.Unlock()
	l.wg.Wait()
}

func ptr[T any](v T) *T { return &v }
