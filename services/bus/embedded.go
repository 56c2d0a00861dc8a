package bus

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"millrace/event"
)

const (
	lockName = "millrace.lock"
	// startWithin bounds the start of the embedded server: it reads the log's index, which takes well under a second per gigabyte.
	startWithin = 2 * time.Minute
	// maxPayload leaves room for headers beside the largest body.
	maxPayload = event.MaxBody + 64<<10
)

// embedded is a NATS server inside this process, and the lock on its directory.
type embedded struct {
	server *server.Server
	lock   *os.File
	log    *serverLog
	dir    string
	held   bool // the directory held a log when we came
}

// startEmbedded opens the directory and starts the server on it. failed is called once if the server later fails to write: it then answers
// no question that is open.
func startEmbedded(c Config, failed func()) (_ *embedded, err error) {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("bus: store directory: %w", err)
	}
	lock, err := lockDir(c.Dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	opts := &server.Options{
		ServerName: "millrace", DontListen: true, NoSigs: true, DisableJetStreamBanner: true,
		JetStream: true, StoreDir: c.Dir, SyncAlways: !c.Relaxed, MaxPayload: maxPayload, Authorization: c.Token,
	}
	if c.Listen != "" {
		if err := listenOn(opts, c.Listen); err != nil {
			return nil, err
		}
	}
	_, statErr := os.Stat(filepath.Join(c.Dir, "jetstream", "$G", "streams", Stream))
	e := &embedded{lock: lock, dir: c.Dir, held: statErr == nil, log: &serverLog{log: c.Log, failed: failed}}
	e.server, err = server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("bus: embedded NATS: %w", err)
	}
	e.server.SetLoggerV2(e.log, false, false, false)
	e.server.Start()
	if fatal := e.log.fatal(); fatal != nil {
		e.stop()
		return nil, fmt.Errorf("bus: embedded NATS in %s: %w", c.Dir, fatal)
	}
	if !e.server.ReadyForConnections(startWithin) {
		e.stop()
		return nil, fmt.Errorf("bus: embedded NATS in %s was not ready within %v", c.Dir, startWithin)
	}
	return e, nil
}

// listenOn sets the address, and looks first whether it is free: the server itself only logs that it is not.
func listenOn(opts *server.Options, addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("bus: embedded NATS cannot listen on %s: %w: choose another address, or join the NATS that is there with a URL", addr, err)
	}
	if err := l.Close(); err != nil {
		return fmt.Errorf("bus: embedded NATS cannot listen on %s: %w", addr, err)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("bus: listen address %q: %w", addr, err)
	}
	opts.DontListen, opts.Host = false, host
	if opts.Port, err = strconv.Atoi(port); err != nil {
		return fmt.Errorf("bus: listen address %q: %w", addr, err)
	}
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	return nil
}

// stop ends the server, waits until its files are closed, and gives the directory back.
func (e *embedded) stop() {
	e.server.Shutdown()
	e.server.WaitForShutdown()
	e.lock.Close()
}

// fault is why the server can no longer store, or nil. A write error stays until a restart: JetStream will not trust the file again.
func (e *embedded) fault() error {
	if err := e.log.writeFault(); err != nil {
		return err
	}
	if e.server.Running() && !e.server.JetStreamEnabled() {
		return fmt.Errorf("JetStream has stopped: %w", errors.Join(e.log.fatal(), e.log.last()))
	}
	return nil
}

// serverLog takes the server's log lines into ours. The server tells of some faults there and nowhere else.
type serverLog struct {
	log    *slog.Logger
	failed func() // called at the first write fault

	mu        sync.Mutex
	fatalErr  error
	faultErr  error
	lastErr   error
	complains []string // warnings and errors since the start, the first few
}

func (l *serverLog) Noticef(format string, v ...any) {
	l.log.Debug("nats: " + fmt.Sprintf(format, v...))
}
func (l *serverLog) Debugf(string, ...any) {}
func (l *serverLog) Tracef(string, ...any) {}

func (l *serverLog) Warnf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	l.log.Warn("nats: " + line)
	l.keep(line)
}

func (l *serverLog) Errorf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	l.log.Error("nats: " + line)
	l.keep(line)
	l.mu.Lock()
	l.lastErr = errors.New(line)
	fault := l.faultErr == nil && strings.Contains(line, "critical write error")
	if fault {
		l.faultErr = errors.New(line)
	}
	l.mu.Unlock()
	if fault {
		l.failed()
	}
}

func (l *serverLog) Fatalf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	l.log.Error("nats: " + line)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatalErr == nil {
		l.fatalErr = errors.New(line)
	}
}

func (l *serverLog) keep(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.complains) < 8 {
		l.complains = append(l.complains, line)
	}
}

func (l *serverLog) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatalErr
}

func (l *serverLog) writeFault() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.faultErr
}

func (l *serverLog) last() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastErr
}

func (l *serverLog) complaints() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.complains, "; ")
}

func orUnknown(s string) string {
	if s == "" {
		return "(unknown)"
	}
	return s
}
