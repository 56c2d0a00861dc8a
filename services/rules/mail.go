package rules

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"

	"millrace/event"
)

// Mail is the server that e-mail leaves by. Its password is in an environment variable, which is named.
type Mail struct {
	Addr        string // host:port
	From        string
	User        string
	PasswordEnv string
	// Plain lets it speak without TLS, to a server of one's own; otherwise STARTTLS is wanted.
	Plain bool
	// TLS is for servers with a certificate of one's own (RootCAs); nil: the system's are trusted.
	TLS *tls.Config
}

// send sends one e-mail by net/smtp, which is frozen and does what is needed.
func (c Mail) send(ctx context.Context, m event.NotificationRequested, now time.Time, env func(string) string) error {
	if c.Addr == "" || c.From == "" {
		return wrong("email", "set rules.mail.addr and rules.mail.from in the node's configuration", "this node sends no e-mail")
	}
	host, _, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return wrong("email", "", "rules.mail.addr is %q, not host:port", c.Addr)
	}
	from, err := mail.ParseAddress(c.From)
	if err != nil {
		return wrong("email", "", "rules.mail.from is %q, not an address", c.From)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("rules: mail: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // a process that ends waits for no server
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	client, err := smtp.NewClient(conn, host)
	if err != nil {
		return fmt.Errorf("rules: mail: %w", err)
	}
	defer client.Close()
	if ok, _ := client.Extension("STARTTLS"); ok {
		conf := &tls.Config{}
		if c.TLS != nil {
			conf = c.TLS.Clone()
		}
		conf.ServerName = host
		if err := client.StartTLS(conf); err != nil {
			return fmt.Errorf("rules: mail: STARTTLS: %w", err)
		}
	} else if !c.Plain {
		return wrong("email", "set rules.mail.plain for a server of your own", "the mail server %s offers no STARTTLS", host)
	}
	if c.User != "" {
		password := env(c.PasswordEnv)
		if password == "" {
			return wrong("email", "set it in the environment of the node", "the environment variable %s is not set where the node runs", c.PasswordEnv)
		}
		if err := client.Auth(smtp.PlainAuth("", c.User, password, host)); err != nil {
			var answer *textproto.Error
			switch { // what the server says may have the password in it
			case !errors.As(err, &answer):
				return fmt.Errorf("rules: mail: login: %w", err)
			case answer.Code/100 == 5:
				return wrong("email", "look at rules.mail.user and at the environment variable that rules.mail.password_env names", "the mail server does not take the user and password (%d)", answer.Code)
			}
			return fmt.Errorf("rules: mail: the server answers %d to the login", answer.Code)
		}
	}
	if err := client.Mail(from.Address); err != nil {
		return fmt.Errorf("rules: mail: %w", err)
	}
	for _, to := range m.To {
		a, err := mail.ParseAddress(to)
		if err != nil {
			return wrong("email", "", "%q is not an address", to)
		}
		if err := client.Rcpt(a.Address); err != nil {
			return fmt.Errorf("rules: mail: %w", err)
		}
	}
	w, err := client.Data()
	if err != nil {
		return fmt.Errorf("rules: mail: %w", err)
	}
	if _, err := w.Write(letter(from, m, now)); err != nil {
		return fmt.Errorf("rules: mail: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("rules: mail: %w", err)
	}
	_ = client.Quit() // it has taken the letter
	return nil
}

// letter is an e-mail's text, RFC 5322. Its id is the message's, so that a repeat can be told.
func letter(from *mail.Address, m event.NotificationRequested, now time.Time) []byte {
	line := strings.NewReplacer("\r", " ", "\n", " ")
	_, domain, _ := strings.Cut(from.Address, "@")
	to := make([]string, len(m.To))
	for i, text := range m.To {
		if a, err := mail.ParseAddress(text); err == nil { // it was read before
			to[i] = a.String()
		}
	}
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"From", from.String()}, {"To", strings.Join(to, ",\r\n ")}, {"Subject", mime.QEncoding.Encode("utf-8", line.Replace(m.Title))},
		{"Date", now.Format(time.RFC1123Z)}, {"Message-ID", fmt.Sprintf("<%s@%s>", m.Notification, domain)}, {"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(m.Title + "\n\n" + m.Text + "\n"))
	if m.Run != "" {
		fmt.Fprintf(w, "\nrun %s, rule %s\n", m.Run, m.Rule)
	}
	_ = w.Close()
	return b.Bytes()
}
