package fetch_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"millrace/curator/fetch"
)

// TestRobots has the RFC's own examples (sections 2.2.2, 2.2.3 and 5.1) among the rest.
func TestRobots(t *testing.T) {
	const simple = `
User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
`
	for _, c := range []struct {
		name, robots, agent, path string
		allowed                   bool
	}{
		{"others", simple, "millrace", "/", true},
		{"others", simple, "millrace", "/example/x", false},
		{"others", simple, "millrace", "/a.gif", false},
		{"others", simple, "millrace", "/a.gif?x", true},
		{"others", simple, "millrace", "/publications/a.html", true},
		{"foobot", simple, "foobot", "/", false},
		{"foobot, by case", simple, "FooBot", "/example/page.html", true},
		{"foobot, longest", simple, "foobot", "/example/allowed.gif", true},
		{"foobot, longest", simple, "foobot", "/example/other.gif", false},
		{"two agents", simple, "barbot", "/example/page.html", false},
		{"two agents", simple, "bazbot", "/example/page.html", false},
		{"two agents, not the others' rules", simple, "bazbot", "/a.gif", true},
		{"a group without rules", simple, "quxbot", "/example/", true},
		{"groups of one agent are one", "user-agent: a\ndisallow: /x\n\nuser-agent: b\ndisallow: /\n\nuser-agent: a\ndisallow: /y", "a", "/y", false},
		{"groups of one agent are one", "user-agent: a\ndisallow: /x\n\nuser-agent: b\ndisallow: /\n\nuser-agent: a\ndisallow: /y", "a", "/x", false},
		{"groups of one agent are one", "user-agent: a\ndisallow: /x\n\nuser-agent: b\ndisallow: /\n\nuser-agent: a\ndisallow: /y", "a", "/z", true},
		{"empty", "", "a", "/x", true},
		{"no group", "disallow: /", "a", "/x", true},
		{"an empty rule", "user-agent: *\ndisallow:", "a", "/x", true},
		{"a tie allows", "user-agent: *\ndisallow: /x\nallow: /x", "a", "/x", true},
		{"a tie allows", "user-agent: *\nallow: /x\ndisallow: /x", "a", "/x", true},
		{"comments", "user-agent: * # all\ndisallow: /x # not this\n", "a", "/x", false},
		{"carriage returns", "user-agent: *\rdisallow: /x\r\n", "a", "/x", false},
		{"a byte-order mark", "\ufeffuser-agent: *\ndisallow: /x", "a", "/x", false},
		{"a version", "user-agent: a/2.0\ndisallow: /x", "a", "/x", false},
		{"another's longer name", "user-agent: ab\ndisallow: /x", "a", "/x", true},
		{"itself", "user-agent: *\ndisallow: /", "a", "/robots.txt", true},
		{"escapes", "user-agent: *\ndisallow: /foo/bar/ツ", "a", "/foo/bar/%E3%83%84", false},
		{"escapes", "user-agent: *\ndisallow: /foo/bar/%e3%83%84", "a", "/foo/bar/%E3%83%84", false},
		{"escapes", "user-agent: *\ndisallow: /foo/bar/%62%61%7A", "a", "/foo/bar/baz", false},
		{"dollar", "user-agent: *\nallow: /this/exact/path$\ndisallow: /", "a", "/this/exact/path", true},
		{"dollar", "user-agent: *\nallow: /this/exact/path$\ndisallow: /", "a", "/this/exact/path/", false},
		{"star", "user-agent: *\ndisallow: /a*b*c", "a", "/axxbyyczz", false},
		{"star", "user-agent: *\ndisallow: /a*b*c", "a", "/axxcyyb", true},
		{"star in the middle of nothing", "user-agent: *\ndisallow: /a*b$", "a", "/ab", false},
		{"no slash", "user-agent: *\ndisallow: x", "a", "/x", false},
		{"other records do not end a group", "user-agent: a\nsitemap: /s\ncrawl-delay: 3\nuser-agent: b\ndisallow: /x", "a", "/x", false},
	} {
		if got := fetch.ParseRobots([]byte(c.robots), c.agent).Allows(c.path); got != c.allowed {
			t.Errorf("%s: %s may fetch %s: %v, want %v", c.name, c.agent, c.path, got, c.allowed)
		}
	}
}

func TestCrawlDelay(t *testing.T) {
	for robots, want := range map[string]time.Duration{
		"user-agent: *\ncrawl-delay: 2.5":                                        2500 * time.Millisecond,
		"user-agent: *\ncrawl-delay: 9\nuser-agent: a\ncrawl-delay: 1\nallow: /": time.Second, // what came before its name is not for it
		"user-agent: *\ncrawl-delay: 9\nallow: /\nuser-agent: a\ncrawl-delay: 1": time.Second,
		"user-agent: *\ncrawl-delay: soon":                                       0,
		"user-agent: *\ncrawl-delay: -1":                                         0,
		"user-agent: *\ncrawl-delay: NaN":                                        0,
		"user-agent: *\ncrawl-delay: 1e300":                                      24 * time.Hour,
		"user-agent: b\ncrawl-delay: 3":                                          0,
	} {
		if got := fetch.ParseRobots([]byte(robots), "a").Delay(); got != want {
			t.Errorf("%q: %s, want %s", robots, got, want)
		}
	}
}

// TestStarsAreRegexps compares with Go's regexp.
func TestStarsAreRegexps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*]{0,8}`).Draw(t, "pattern")
		s := rapid.StringMatching(`[ab]{0,10}`).Draw(t, "s")
		whole := rapid.Bool().Draw(t, "whole")
		expr := "^" + strings.ReplaceAll(pattern, "*", ".*")
		if whole {
			expr += "$"
		}
		if got, want := fetch.MatchStars(pattern, s, whole), regexp.MustCompile(expr).MatchString(s); got != want {
			t.Fatalf("%q matches %q: %v, want %v", pattern, s, got, want)
		}
	})
}

func FuzzRobots(f *testing.F) {
	f.Add([]byte("user-agent: *\ndisallow: /a*b$\nallow: /%41\ncrawl-delay: 1"), "/a%20b")
	f.Add([]byte("user-agent: millrace\ndisallow: ****$\n#\n:\n\xff:\x00"), "/")
	f.Fuzz(func(t *testing.T, data []byte, path string) {
		r := fetch.ParseRobots(data, "millrace")
		r.Allows(path)
		if !r.Allows("/robots.txt") || r.Delay() < 0 || r.Delay() > 24*time.Hour {
			t.Fatal("its own file, or its delay")
		}
	})
}
