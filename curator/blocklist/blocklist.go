package blocklist

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/net/publicsuffix"
)

// Kind says what a list is of.
type Kind int

const (
	// Domains are registered domains ("example.com") and hosts ("ads.example.com").
	Domains Kind = iota
	// URLs are whole addresses.
	URLs
	// Words and SoftWords are what may stand between signs in an address: one of the first, or several of the others, speak
	// against it.
	Words
	SoftWords
	// Subwords speak against it wherever they stand, signs left out.
	Subwords
	Kinds // how many
)

// Found is what the lists say of an address.
type Found struct {
	Domain, Host, URL bool  // it, its registered domain or its host is listed
	Words, SoftWords  int64 // different ones
	Subwords          int64 // places where one ends
}

// Lists are lists that were read. Any number of goroutines may look things up in them.
type Lists struct {
	domains, urls set
	words, soft   map[string]bool
	sub           automaton
}

// set holds hashes of 64 bits: a list of 5 million lines takes 40 MB, and meets another address by chance once in 10¹² times.
type set []uint64

func (s set) has(text string) bool {
	_, found := slices.BinarySearch(s, xxhash.Sum64String(text))
	return found
}

// The bounds of lists.
const (
	maxLine     = 64 << 10
	maxEntries  = 1 << 26
	maxSubwords = 1 << 22 // bytes of all
)

// ErrList is wrapped by errors about a list that cannot be used.
var ErrList = errors.New("cannot use list")

// Reader collects lists.
type Reader struct {
	lists    Lists
	subwords []string
	bytes    int
}

// Read adds a list: a line an entry, but blank ones and those that begin with #. Of words only ASCII letters and numbers
// count, in lower case.
func (r *Reader) Read(kind Kind, in io.Reader) error {
	s := bufio.NewScanner(in)
	s.Buffer(nil, maxLine)
	n := 0
	for ; s.Scan(); n++ {
		line := strings.TrimSpace(s.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if kind >= Words {
			if line = squeeze(line); line == "" {
				return fmt.Errorf("%w: line %d has no letter or number", ErrList, n+1)
			}
		}
		if len(r.lists.domains)+len(r.lists.urls)+len(r.lists.words)+len(r.lists.soft) >= maxEntries {
			return fmt.Errorf("%w: line %d: more than %d entries", ErrList, n+1, maxEntries)
		}
		switch kind {
		case Domains:
			r.lists.domains = append(r.lists.domains, xxhash.Sum64String(strings.ToLower(line)))
		case URLs:
			r.lists.urls = append(r.lists.urls, xxhash.Sum64String(line))
		case Words:
			put(&r.lists.words, line)
		case SoftWords:
			put(&r.lists.soft, line)
		case Subwords:
			if r.bytes += len(line); r.bytes > maxSubwords {
				return fmt.Errorf("%w: line %d: subwords of more than %d bytes", ErrList, n+1, maxSubwords)
			}
			r.subwords = append(r.subwords, line)
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("%w: line %d has more than %d bytes", ErrList, n+1, maxLine)
	}
	return s.Err()
}

func put(set *map[string]bool, word string) {
	if *set == nil {
		*set = map[string]bool{}
	}
	(*set)[word] = true
}

// Lists are the lists that were read.
func (r *Reader) Lists() *Lists {
	l := r.lists
	for _, s := range []*set{&l.domains, &l.urls} {
		slices.Sort(*s)
		*s = slices.Compact(*s)
	}
	l.sub = newAutomaton(r.subwords)
	return &l
}

// alphanumeric tells ASCII letters and numbers.
func alphanumeric(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' }

// squeeze leaves ASCII letters and numbers, in lower case.
func squeeze(s string) string {
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if c := s[i]; alphanumeric(c) {
			if c >= 'A' && c <= 'Z' {
				c |= 0x20
			}
			b = append(b, c)
		}
	}
	return string(b)
}

// Ask looks an address up. An empty one has nothing against it. Words are compared as they stand: datatrove compares capitals
// with its lists in lower case, so "Free" is no "free"; subwords are found in lower case.
func (l *Lists) Ask(address string) Found {
	var f Found
	if address == "" {
		return f
	}
	if host := hostOf(address); host != "" {
		f.Host = l.domains.has(host)
		if domain := registered(host); domain != "" {
			f.Domain = l.domains.has(domain)
		}
	}
	f.URL = l.urls.has(address)
	if len(l.words)+len(l.soft) > 0 {
		var seen []string
		for word := range strings.FieldsFuncSeq(address, func(r rune) bool { return r >= 0x80 || !alphanumeric(byte(r)) }) {
			hard, soft := l.words[word], l.soft[word]
			if !hard && !soft || slices.Contains(seen, word) {
				continue
			}
			seen = append(seen, word)
			if hard {
				f.Words++
			}
			if soft {
				f.SoftWords++
			}
		}
	}
	f.Subwords = l.sub.count(address)
	return f
}

// hostOf is an address's host in lower case, without a dot at its end; "" if it has none.
func hostOf(address string) string {
	if !strings.Contains(address, "://") {
		address = "//" + strings.TrimPrefix(address, "//")
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
}

// registered is the domain that somebody registered, by the ICANN part of the public suffix list: of "a.b.co.uk" that is
// "b.co.uk", and of "me.github.io" "github.io". It is "" for numbers and names without a dot.
func registered(host string) string {
	if c := host[len(host)-1]; c >= '0' && c <= '9' || strings.IndexByte(host, ':') >= 0 {
		return "" // no name ends in a digit
	}
	suffix, icann := publicsuffix.PublicSuffix(host)
	for !icann {
		_, rest, more := strings.Cut(suffix, ".")
		if !more {
			break // a name that the list does not know
		}
		suffix, icann = publicsuffix.PublicSuffix(rest)
	}
	if len(host) <= len(suffix) {
		return ""
	}
	name := host[:len(host)-len(suffix)-1]
	return host[strings.LastIndexByte(name, '.')+1:]
}
