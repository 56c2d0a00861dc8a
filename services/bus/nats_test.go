package bus_test

import (
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"millrace/acceptance/freeport"
)

// external is a NATS server on TCP that can be stopped and started again on the same port and files.
type external struct {
	t    testing.TB
	opts *server.Options
	mu   sync.Mutex
	srv  *server.Server
}

func natsOptions(t testing.TB) *server.Options {
	return &server.Options{
		Host: "127.0.0.1", Port: freeport.New(t), JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true, DisableJetStreamBanner: true,
	}
}

func startNATS(t testing.TB, opts *server.Options) *external {
	n := &external{t: t, opts: opts}
	n.start()
	t.Cleanup(n.stop)
	return n
}

func (n *external) start() {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	srv, err := server.NewServer(n.opts.Clone()) // a server fills its options in
	if err != nil {
		n.t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(30 * time.Second) {
		n.t.Fatal("NATS did not start")
	}
	n.srv = srv
}

// stop ends the server, as a restart of its machine would; a second stop does nothing.
func (n *external) stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.srv == nil {
		return
	}
	n.srv.Shutdown()
	n.srv.WaitForShutdown()
	n.srv = nil
}

func (n *external) URL() string {
	return "nats://" + net.JoinHostPort(n.opts.Host, strconv.Itoa(n.opts.Port))
}
