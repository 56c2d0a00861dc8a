package fetch

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/net/idna"
)

// maxURL is the longest URL that is followed, in bytes.
const maxURL = 2048

// canonical is the one spelling of an http or https URL under which it is fetched and remembered: without fragment, scheme
// and host in lower case (other scripts as xn--), no default port, no dot segments, %-escapes only where they are needed
// and then with capital digits (RFC 3986, section 6.2.2). ref is taken relative to base, when there is one.
func canonical(base *url.URL, ref string) (*url.URL, error) {
	ref = strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' { // as browsers do
			return -1
		}
		return r
	}, strings.Trim(ref, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\v\f\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f "))
	if len(ref) > maxURL {
		return nil, fmt.Errorf("a URL of %d bytes: the limit is %d", len(ref), maxURL)
	}
	ref, _, _ = strings.Cut(ref, "#")
	u, err := url.Parse(ref)
	if err != nil {
		return nil, errors.New("it is no URL") // url.Parse's error repeats it, with any password
	}
	if base != nil {
		u = base.ResolveReference(u)
	}
	u.Scheme = strings.ToLower(u.Scheme)
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("scheme %.20q: want http or https", u.Scheme)
	case u.User != nil:
		return nil, errors.New("it has a user or password, which nothing is fetched with")
	case u.Opaque != "" || u.Hostname() == "":
		return nil, errors.New("it has no host")
	}
	host, err := canonicalHost(u)
	if err != nil {
		return nil, err
	}
	path := removeDots(normalEscapes(u.EscapedPath(), false))
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	text := u.Scheme + "://" + host + path
	if u.RawQuery != "" {
		text += "?" + normalEscapes(u.RawQuery, true)
	}
	if len(text) > maxURL {
		return nil, fmt.Errorf("a URL of %d bytes: the limit is %d", len(text), maxURL)
	}
	u, err = url.Parse(text)
	if err != nil {
		return nil, errors.New("it is no URL")
	}
	return u, nil
}

func canonicalHost(u *url.URL) (string, error) {
	name, port := strings.TrimRight(strings.ToLower(u.Hostname()), "."), u.Port()
	if strings.Contains(name, ":") { // IPv6
		if strings.ContainsAny(name, "%[]") {
			return "", errors.New("an IPv6 address with a zone")
		}
		name = "[" + name + "]"
	} else {
		ascii, err := idna.Lookup.ToASCII(name)
		if err != nil || ascii == "" || strings.HasSuffix(ascii, ".") || strings.ContainsAny(ascii, "/?#@:[]%\\ ") {
			return "", fmt.Errorf("host %.80q is no name", name)
		}
		name = ascii
	}
	if port == "" || u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		return name, nil
	}
	return name + ":" + port, nil
}

// normalEscapes writes escapes with capital digits, takes them off characters that need none, and escapes what may not
// stand by itself. In queries and patterns ? and a % that begins no escape may stand, the latter as %25.
func normalEscapes(s string, query bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		escaped := false
		if c == '%' && i+2 < len(s) {
			if hi, lo := unhex(s[i+1]), unhex(s[i+2]); hi >= 0 && lo >= 0 {
				c, escaped = byte(hi<<4|lo), true
				i += 2
			}
		}
		plain := unreserved(c) || !escaped && (strings.IndexByte("!$&'()*+,;=:@/", c) >= 0 || query && c == '?')
		if plain {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// removeDots is RFC 3986, section 5.2.4, for a path that begins with /.
func removeDots(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	var out []string
	segments := strings.Split(path, "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case ".":
			if last {
				out = append(out, "")
			}
		case "..":
			if len(out) > 1 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, s)
		}
	}
	return strings.Join(out, "/")
}
