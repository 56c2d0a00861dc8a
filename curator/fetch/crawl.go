package fetch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Crawl says what to take from the web. Start from DefaultCrawl; as JSON, what is not said is as there.
type Crawl struct {
	// URLs are where it begins, http or https. They are always taken; for links SameHost, Include and Exclude decide.
	URLs []string `json:"urls"`
	// Depth is how many links to follow away from URLs; 0 is none.
	Depth int `json:"depth"`
	// MaxPages ends the crawl when so many pages are stored.
	MaxPages int `json:"max_pages"`
	// SameHost follows links only to the hosts of URLs, and those that they redirect to.
	SameHost bool `json:"same_host"`
	// Include follows links to URLs that match one of the patterns, none: all; Exclude passes over others. In a pattern * is
	// any characters, and everything else is itself; the whole URL must match.
	Include []string `json:"include,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
	// Rate is how many requests a second a host gets at most; a Crawl-delay in robots.txt may make it fewer.
	Rate float64 `json:"rate"`
	// UserAgent is what hosts are told. Up to the first character that is no letter, _ or -, it is the name that robots.txt
	// may have rules for.
	UserAgent string `json:"user_agent"`
	// MaxPageBytes is the longest page, decompressed, that is stored.
	MaxPageBytes int64 `json:"max_page_bytes"`
	// Timeout is how many seconds a request may take.
	Timeout float64 `json:"timeout"`
	// AllowPrivate also asks addresses that are not public ones.
	AllowPrivate bool `json:"allow_private,omitempty"`
}

// DefaultCrawl has everything but URLs: one page each.
func DefaultCrawl() Crawl {
	return Crawl{MaxPages: 1000, SameHost: true, Rate: 1, UserAgent: "millrace/1 (collects text; obeys robots.txt)", MaxPageBytes: 4 << 20, Timeout: 30}
}

// UnmarshalJSON starts from DefaultCrawl. An unknown key is an error.
func (c *Crawl) UnmarshalJSON(data []byte) error {
	type plain Crawl
	p := plain(DefaultCrawl())
	err := strict(data, &p)
	*c = Crawl(p)
	return err
}

func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// Limits of a Crawl.
const (
	maxSeeds     = 10_000
	maxDepth     = 100
	maxPages     = 1_000_000
	maxPageBytes = 64 << 20
	maxPatterns  = 1000
)

// Check tells what is wrong.
func (c Crawl) Check() error {
	if len(c.URLs) == 0 || len(c.URLs) > maxSeeds {
		return fmt.Errorf("urls has %d entries: want 1 to %d", len(c.URLs), maxSeeds)
	}
	for i, u := range c.URLs {
		if _, err := canonical(nil, u); err != nil {
			return fmt.Errorf("urls[%d]: %w", i, err) // not the URL: it may have a password
		}
	}
	for _, p := range append(c.Include[:len(c.Include):len(c.Include)], c.Exclude...) {
		if p == "" || len(p) > maxURL {
			return fmt.Errorf("a pattern of %d bytes: want 1 to %d", len(p), maxURL)
		}
		if !strings.HasPrefix(p, "*") && !strings.HasPrefix(p, "http") {
			return fmt.Errorf("pattern %.80q matches no URL: it must match the whole, as https://example.org/docs/* or *.pdf", p)
		}
	}
	switch {
	case c.Depth < 0 || c.Depth > maxDepth:
		return fmt.Errorf("depth is %d: want 0 to %d", c.Depth, maxDepth)
	case c.MaxPages < 1 || c.MaxPages > maxPages:
		return fmt.Errorf("max_pages is %d: want 1 to %d", c.MaxPages, maxPages)
	case len(c.Include)+len(c.Exclude) > maxPatterns:
		return fmt.Errorf("%d patterns: the limit is %d", len(c.Include)+len(c.Exclude), maxPatterns)
	case !(c.Rate >= 0.001 && c.Rate <= 1000):
		return fmt.Errorf("rate is %v requests a second: want 0.001 to 1000", c.Rate)
	case c.MaxPageBytes < 1 || c.MaxPageBytes > maxPageBytes:
		return fmt.Errorf("max_page_bytes is %d: want 1 to %d", c.MaxPageBytes, maxPageBytes)
	case !(c.Timeout >= 0.1 && c.Timeout <= 600):
		return fmt.Errorf("timeout is %v seconds: want 0.1 to 600", c.Timeout)
	case productToken(c.UserAgent) == "" || len(c.UserAgent) > 500:
		return fmt.Errorf("user_agent is %.80q: want a name of letters, as mybot/1 (+https://example.org/bot)", c.UserAgent)
	}
	for _, r := range c.UserAgent {
		if r < ' ' || r > '~' {
			return errors.New("user_agent has a character that is not printable ASCII")
		}
	}
	return nil
}

// wants tells whether a link to a URL, as canonical writes it, is to be followed.
func (c Crawl) wants(url string) bool {
	match := func(patterns []string) bool {
		for _, p := range patterns {
			if matchStars(p, url, true) {
				return true
			}
		}
		return false
	}
	return (len(c.Include) == 0 || match(c.Include)) && !match(c.Exclude)
}

// queueLimit bounds the URLs that wait: far more than are likely to be needed.
func (c Crawl) queueLimit() int { return 10_000 + 8*c.MaxPages }

// window is how many pages may be on their way at once, held in memory until those before them are stored.
func (c Crawl) window() int {
	return int(math.Max(1, math.Min(32, float64(128<<20)/float64(c.MaxPageBytes))))
}
