package rules_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"millrace/event"
	"millrace/services/rules"
)

const mailPassword = "a-password-that-nobody-may-see"

// post is a small SMTP server (RFC 5321, 3207, 4954) that keeps the letters it takes.
type post struct {
	net.Listener
	secure   *tls.Config // nil: it offers no STARTTLS
	password string      // "": it asks for none
	hangs    bool        // it greets nobody
	rude     bool        // it closes instead of saying good-bye
	full     int         // so many recipients it refuses for now

	mu      sync.Mutex
	letters []letter
	logins  int
	wg      sync.WaitGroup
	open    map[net.Conn]bool
}

type letter struct {
	from string
	to   []string
	data string
	safe bool // it came through TLS
}

// mailbox starts a server; it ends with the test.
func mailbox(t *testing.T, p *post) *post {
	t.Helper()
	var err error
	if p.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	p.open = map[net.Conn]bool{}
	p.wg.Go(func() {
		for {
			conn, err := p.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.open[conn] = true
			p.mu.Unlock()
			p.wg.Go(func() {
				defer conn.Close()
				if p.hangs {
					_, _ = io.Copy(io.Discard, conn)
					return
				}
				p.talk(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = p.Listener.Close()
		p.mu.Lock()
		for conn := range p.open {
			_ = conn.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

// talk serves one connection.
func (p *post) talk(conn net.Conn) {
	in, safe, known := bufio.NewReader(conn), false, p.password == ""
	say := func(text string) { _, _ = io.WriteString(conn, text+"\r\n") }
	var now letter
	say("220 post")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		verb := strings.ToUpper(strings.SplitN(line+" ", " ", 2)[0])
		switch {
		case verb == "EHLO":
			text := "250-post\r\n"
			if p.secure != nil && !safe {
				text += "250-STARTTLS\r\n"
			}
			say(text + "250 AUTH PLAIN")
		case verb == "STARTTLS" && p.secure != nil:
			say("220 go on")
			through := tls.Server(conn, p.secure)
			if through.Handshake() != nil {
				return
			}
			conn, in, safe = through, bufio.NewReader(through), true
		case verb == "AUTH":
			p.mu.Lock()
			p.logins++
			p.mu.Unlock()
			_, given, _ := strings.Cut(line, "PLAIN ")
			raw, _ := base64.StdEncoding.DecodeString(given)
			if known = string(raw) == "\x00miller\x00"+p.password; !known {
				say("535 no such user and password: " + string(raw[1:])) // as talkative as a server can be
				continue
			}
			say("235 welcome")
		case !known:
			say("530 who are you")
		case verb == "MAIL":
			now = letter{from: line, safe: safe}
			say("250 yes")
		case verb == "RCPT":
			p.mu.Lock()
			p.full--
			full := p.full >= 0
			p.mu.Unlock()
			if full {
				say("452 later")
				continue
			}
			now.to = append(now.to, line)
			say("250 yes")
		case verb == "DATA":
			say("354 go on")
			var text strings.Builder
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				text.WriteString(strings.TrimPrefix(line, "."))
			}
			now.data = text.String()
			p.mu.Lock()
			p.letters = append(p.letters, now)
			p.mu.Unlock()
			say("250 taken")
			if p.rude {
				return
			}
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("502 what")
		}
	}
}

func (p *post) taken() []letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]letter(nil), p.letters...)
}

// selfMade is a certificate for 127.0.0.1 and those who trust it.
func selfMade(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(made)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}, &tls.Config{RootCAs: roots}
}

// by is a configuration that sends by a server.
func (p *post) by(password string) rules.Notify {
	n := notifying(map[string]string{"MAIL_PASSWORD": password})
	n.Mail = rules.Mail{Addr: p.Addr().String(), From: "Mühle <mill@example.com>", User: "miller", PasswordEnv: "MAIL_PASSWORD"}
	return n
}

// write has a rule send a letter.
func (l *lab) write() event.RuleID {
	l.Helper()
	id := l.shout("write", "true", `{"email":{"to":["Änne <a@example.com>","b@example.com"],"title":"=event.title","text":"=event.text"}}`)
	l.say(event.AlertRaised{Run: "A", Level: "warn", Title: "Größer\r\nBcc: c@example.com", Text: ".\r\nas is = " + strings.Repeat("x", 200)})
	return id
}

// TestAnEmailLeavesThroughTLS with a password, to a server whose certificate is trusted; a letter that was taken is not sent again because of a
// server that does not say good-bye, and one that is refused for now comes again.
func TestAnEmailLeavesThroughTLS(t *testing.T) {
	server, client := selfMade(t)
	p := mailbox(t, &post{secure: server, password: mailPassword, rude: true, full: 1})
	n := p.by(mailPassword)
	n.Mail.TLS = client
	l := start(t, n)
	l.train("A")
	delivered, failed := l.messages(l.write(), 1)
	got := p.taken()
	if len(delivered) != 1 || delivered[0].Attempt != 2 || len(failed) != 0 || len(got) != 1 {
		t.Fatalf("%+v %+v, %d letters", delivered, failed, len(got))
	}
	if g := got[0]; !g.safe || !strings.Contains(g.from, "<mill@example.com>") || len(g.to) != 2 || !strings.Contains(g.to[0], "<a@example.com>") {
		t.Errorf("%+v", g)
	}
	m, err := mail.ReadMessage(strings.NewReader(got[0].data))
	if err != nil {
		t.Fatalf("%v in %s", err, got[0].data)
	}
	title, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || title != "Größer  Bcc: c@example.com" || m.Header.Get("Bcc") != "" {
		t.Errorf("%q %v", title, err)
	}
	if to, err := m.Header.AddressList("To"); err != nil || len(to) != 2 || to[0].Name != "Änne" {
		t.Errorf("%v %v", to, err)
	}
	for i := range len(got[0].data) {
		if got[0].data[i] > 127 {
			t.Fatal("it is not all ASCII")
		}
	}
	text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil || !strings.Contains(string(text), "\r\n.\r\nas is = "+strings.Repeat("x", 200)) || !strings.Contains(string(text), "run A") {
		t.Errorf("%q %v", text, err)
	}
	if id := m.Header.Get("Message-ID"); id != fmt.Sprintf("<%s@example.com>", delivered[0].Notification) {
		t.Errorf("%s", id)
	}
	l.secretive(mailPassword)
}

// TestAnEmailIsRefused: no STARTTLS, a certificate that nobody trusts, a wrong password, none set. The password goes nowhere that is not
// trusted, and stands nowhere.
func TestAnEmailIsRefused(t *testing.T) {
	server, client := selfMade(t)
	for _, c := range []struct {
		name, set, code, says string
		post                  *post
		trust                 *tls.Config
		logins                int
	}{
		{"no TLS", mailPassword, "refused", "no STARTTLS", &post{password: mailPassword}, client, 0},
		{"no trust", mailPassword, "undelivered", "STARTTLS", &post{secure: server, password: mailPassword}, nil, 0},
		{"wrong", mailPassword + "!", "refused", "user and password", &post{secure: server, password: mailPassword}, client, 1},
		{"unset", "", "refused", "MAIL_PASSWORD is not set", &post{secure: server, password: mailPassword}, client, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := mailbox(t, c.post)
			n := p.by(c.set)
			n.Mail.TLS = c.trust
			l := start(t, n)
			l.train("A")
			delivered, failed := l.messages(l.write(), 1)
			if len(delivered) > 0 || failed[0].Failure.Code != c.code || !strings.Contains(failed[0].Failure.Message, c.says) {
				t.Errorf("%+v %+v", delivered, failed)
			}
			if c.code == "refused" && failed[0].Attempts != 1 || len(p.taken()) != 0 || p.logins != c.logins {
				t.Errorf("%d attempts, %d letters, %d logins", failed[0].Attempts, len(p.taken()), p.logins)
			}
			l.secretive(mailPassword)
		})
	}
}

// TestAMailServerThatHangs is given up, and the rules can be ended while it hangs.
func TestAMailServerThatHangs(t *testing.T) {
	p := mailbox(t, &post{hangs: true})
	n := p.by(mailPassword)
	n.Timeout, n.Attempts = 50*time.Millisecond, 2
	l := start(t, n)
	l.train("A")
	if _, failed := l.messages(l.write(), 1); len(failed) != 1 || failed[0].Attempts != 2 || failed[0].Failure.Code != "undelivered" {
		t.Errorf("%+v", failed)
	}
	l.end()
	l.service.Notify.Timeout = 24 * time.Hour
	l.begin()
	before := p.connected()
	l.say(event.AlertRaised{Run: "A", Level: "warn", Title: "again", Key: "again"})
	l.until("it hangs again", func() bool { return p.connected() > before })
	// The lab ends with it hanging.
}

func (p *post) connected() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}
