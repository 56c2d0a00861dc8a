package bus

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"millrace/event"
)

// Config says where the log is. With URL it is on a NATS server elsewhere, otherwise on one inside this process that keeps its files in
// Dir. Secrets are never logged and never part of an error.
type Config struct {
	// URL of an external NATS, or several with commas: "nats://a:4222,nats://b:4222".
	URL string
	// Token, or User and Password, or a credentials file, as the external server asks. With Listen, other processes need the Token too.
	Token, User, Password, CredsFile string
	// CAFile, CertFile and KeyFile are PEM files for TLS to an external server.
	CAFile, CertFile, KeyFile string
	// Monitor is the base URL of the external server's HTTP monitoring ("http://a:8222"), which Durability asks for its sync interval.
	Monitor string
	// Replicas asks for copies of the stream when it is created on an external server; 0 is 3 in a cluster and 1 otherwise.
	Replicas int

	// Dir is the embedded server's directory; it is created. One process at a time has it open.
	Dir string
	// Listen lets other processes join the embedded server: "127.0.0.1:4222"; port 0 picks one, see Bus.URL. Empty: in-process only.
	// An address that other machines can reach needs a Token.
	Listen string
	// Relaxed lets the embedded server acknowledge before fsync: a power cut may lose the last two minutes.
	Relaxed bool

	// MaxBytes bounds the stream when it is created; 0 is no bound. A full stream refuses facts (ErrFull), it never drops old ones.
	MaxBytes int64
	// Source is the ce-source of what this process publishes, e.g. "/node/laptop".
	Source string
	// Unreadable is told of each fact that this version cannot read, besides the log. It must not block.
	Unreadable func(Unreadable)
	// Now, Random and Log default to time.Now, crypto/rand and slog.Default.
	Now    func() time.Time
	Random io.Reader
	Log    *slog.Logger
}

// Unreadable is a fact that was skipped because it could not be decoded, or facts from Seq on that are missing (ErrMissing).
type Unreadable struct {
	Seq     uint64
	Subject string // "" of missing ones
	Group   string // of Work, "" for the others
	Err     error
}

// withDefaults fills what was left zero, and refuses what cannot work.
func (c Config) withDefaults() (Config, error) {
	if c.URL == "" && c.Dir == "" {
		return c, fmt.Errorf("bus: neither a NATS URL nor a directory for the embedded server is set")
	}
	if c.Source == "" {
		c.Source = "/millrace"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Replicas < 0 || c.Replicas > 5 {
		return c, fmt.Errorf("bus: %d replicas: NATS keeps 1 to 5", c.Replicas)
	}
	if c.MaxBytes < 0 {
		return c, fmt.Errorf("bus: a stream of at most %d bytes: the bound cannot be negative; 0 is none", c.MaxBytes)
	}
	if c.URL == "" && c.Listen != "" {
		host, _, err := net.SplitHostPort(c.Listen)
		if err != nil {
			return c, fmt.Errorf("bus: listen address %q is not host:port: %w", c.Listen, err)
		}
		if c.Token == "" && !loopback(host) {
			return c, fmt.Errorf("bus: listening on %s would let anybody on the network write the log: set a token, or listen on 127.0.0.1", c.Listen)
		}
	}
	return c, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// redacted is a list of URLs without passwords, for people.
func redacted(urls string) string {
	parts := strings.Split(urls, ",")
	for i, p := range parts {
		p = strings.TrimSpace(p)
		u, err := url.Parse(p)
		switch {
		case err != nil || (u.User == nil && strings.Contains(p, "@")):
			if at := strings.LastIndexByte(p, '@'); at >= 0 { // not a URL we understand: show the host alone
				p = p[at+1:]
			}
		case u.User != nil:
			u.User = url.User("xxxxx") // a lone user is a token
			p = u.String()
		}
		parts[i] = p
	}
	return strings.Join(parts, ",")
}

// checkFilter refuses a subject pattern that cannot match any fact; the server would wait for one for ever.
func checkFilter(filter string) error {
	tokens := strings.Split(filter, ".")
	if !strings.HasPrefix(filter, event.Prefix) {
		return fmt.Errorf("bus: filter %q: every subject begins with %q", filter, event.Prefix)
	}
	for i, tok := range tokens {
		if tok == "*" || tok == ">" && i == len(tokens)-1 || event.ValidID(tok) {
			continue
		}
		return fmt.Errorf("bus: filter %q: %q is no part of a subject (a word, * for any word, or > at the end for any rest)", filter, tok)
	}
	return nil
}
