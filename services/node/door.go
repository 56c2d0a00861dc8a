package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"millrace/event"
	"millrace/graph"
	"millrace/services/api"
	"millrace/services/rules"
	"millrace/storage/blob"
	"millrace/web"
)

// door puts GraphQL, the page, health and metrics behind one address; a worker's has health and metrics only.
func (n *Node) door() (*api.Server, error) {
	c := api.Config{
		Graph: http.NotFoundHandler(), Token: n.config.Token, Hosts: n.config.Hosts, Log: n.log,
		Metrics: promhttp.HandlerFor(n.metrics(), promhttp.HandlerOpts{}),
		Ready: []api.Check{
			{Name: "log", Run: func(context.Context) error { return n.bus.Ready() }},
			{Name: "storage", Run: n.storageReady},
		},
	}
	if n.tracker != nil {
		only, err := persisted(n.config.GraphQL.PersistedOnly)
		if err != nil {
			return nil, err
		}
		n.serveTracker(&c, only)
	}
	return api.New(c)
}

// persisted reads the list of operations that alone are answered; no file, no list.
func persisted(file string) (graph.Persisted, error) {
	if file == "" {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("node: graphql.persisted_only: %w", err)
	}
	defer f.Close()
	return graph.ReadPersisted(f)
}

// serveTracker adds what only the tracker's role can answer.
func (n *Node) serveTracker(c *api.Config, only graph.Persisted) {
	roles := make([]string, len(n.config.Roles))
	for i, r := range n.config.Roles {
		roles[i] = string(r)
	}
	g := graph.Handler(graph.Config{Model: n.model, Tracker: n.tracker, Version: n.config.Version, Roles: roles, Durability: n.bus.Durability, Blob: n.openBlob, Past: n.past, Keeper: keeping{n.keeper}, Suites: suites{n.library()}, Log: n.log,
		Foreseen: n.tracker.Foreseen, Compared: n.tracker.Compared, Outlined: outlined, ReadyRules: rules.Ready, FillRule: rules.Fill, TryRule: n.tryRule,
		Page: web.GraphiQL(), Persisted: only, Timeout: n.config.GraphQL.Timeout, NoIntrospection: n.config.GraphQL.NoIntrospection})
	c.Logging = n.logging
	c.Graph, c.Drain, c.Mount = g, g.Close, map[string]http.Handler{"/": web.Handler()}
	if n.serving != nil {
		c.Mount["/v1/"] = n.serving
		c.Drain = func() error { return errors.Join(n.serving.Close(), g.Close()) }
	}
	c.Ready = append(c.Ready, api.Check{Name: "read model", Run: n.caughtUp})
	c.Blob = n.blob
}

// blob opens an object for download.
func (n *Node) blob(ctx context.Context, digest string) (io.ReadCloser, int64, error) {
	d, err := blob.ParseDigest(digest)
	if err != nil {
		return nil, 0, fs.ErrNotExist
	}
	info, err := n.blobs.Stat(ctx, d)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, 0, fs.ErrNotExist
	}
	if err != nil {
		return nil, 0, err
	}
	r, err := n.blobs.Reader(ctx, d)
	return r, info.Size, err
}

// stored tells the size of an object that is about to be named.
func (n *Node) stored(ctx context.Context, digest event.Digest) (int64, error) {
	d, err := blob.ParseDigest(string(digest))
	if err != nil {
		return 0, fs.ErrNotExist
	}
	info, err := n.blobs.Refresh(ctx, d)
	if errors.Is(err, blob.ErrNotFound) {
		return 0, fs.ErrNotExist
	}
	return info.Size, err
}

// openBlob opens an object for the curator's answers.
func (n *Node) openBlob(ctx context.Context, digest event.Digest) (io.ReadCloser, error) {
	r, _, err := n.blob(ctx, string(digest))
	return r, err
}

// storageReady asks for an object that is not there: the answer shows that the endpoint and the key work.
func (n *Node) storageReady(ctx context.Context) error {
	_, err := n.blobs.Stat(ctx, blob.DigestOf([]byte("are you there?")))
	if errors.Is(err, blob.ErrNotFound) {
		return nil
	}
	return err
}

// patience is how long callers of a node that has just started wait for its view.
const patience = time.Second

// catchUp lets the view reach what the log had at the start, so that nobody who comes back to a node that was killed sees less than it told
// before. A view that is far behind, as one that is folded anew, is shown as it is: Ready says so.
func (n *Node) catchUp(ctx context.Context) {
	if n.tracker == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	state, err := n.bus.State(ctx)
	if err == nil {
		err = n.model.WaitFor(ctx, state.Last)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		n.log.Info("the view is behind the log, and is shown as it is", "reason", err)
	}
}

// caughtUp tells whether the view has everything that the log has, give or take what comes just now.
func (n *Node) caughtUp(ctx context.Context) error {
	const near = 1000
	state, err := n.bus.State(ctx)
	if err != nil {
		return err
	}
	if at := n.model.Cursor().Applied; at+near < state.Last {
		return fmt.Errorf("node: the read model is at %d of %d", at, state.Last)
	}
	return nil
}

// URL is where the node serves, "" without the tracker's role.
func (n *Node) URL() string {
	if n.listener == nil {
		return ""
	}
	return "http://" + reachable(n.listener.Addr().String(), "127.0.0.1")
}

// reachable replaces the address that stands for all of a machine's by one that can be called.
func reachable(addr, host string) string {
	if h, port, err := net.SplitHostPort(addr); err == nil {
		if ip := net.ParseIP(h); ip != nil && ip.IsUnspecified() {
			return net.JoinHostPort(host, port)
		}
	}
	return addr
}

// Joining is how another process reaches what is embedded here: the log's URL and the object store's endpoint. Both are empty
// unless the log listens.
func (n *Node) Joining() (natsURL, s3Endpoint string) {
	if n.config.NATS.URL != "" || n.config.NATS.Listen == "" {
		return "", ""
	}
	host, err := os.Hostname()
	if err != nil {
		host = "127.0.0.1"
	}
	natsURL = "nats://" + reachable(strings.TrimPrefix(n.bus.URL(), "nats://"), host)
	s3Endpoint = n.config.S3.Endpoint
	if n.s3 != nil {
		s3Endpoint = "http://" + reachable(n.s3.Addr(), host)
	}
	return natsURL, s3Endpoint
}

// announce writes down where the node serves, so that commands find it by its data directory.
func (n *Node) announce() error {
	raw, err := json.Marshal(map[string]any{"url": n.URL(), "pid": os.Getpid()})
	if err != nil {
		return err
	}
	return os.WriteFile(n.announcement(), append(raw, '\n'), 0o600)
}

func (n *Node) retract() { _ = os.Remove(n.announcement()) }

func (n *Node) announcement() string { return filepath.Join(n.config.Data, "node.json") }
