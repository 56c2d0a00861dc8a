package fetch

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxRobots is how much of a robots.txt is read: RFC 9309, section 2.5, asks for at least 500 KiB.
const maxRobots = 500 << 10

// robots are a site's rules for one crawler, after RFC 9309.
type robots struct {
	rules []robotsRule
	delay time.Duration // of Crawl-delay, which the RFC does not have, but sites do
	none  bool          // robots.txt could not be reached: nothing may be fetched
	why   string        // with none: the reason, when it is not that
}

type robotsRule struct {
	pattern string
	allow   bool
}

// parseRobots reads a robots.txt for the crawler of a product token. Any bytes are a robots.txt; lines that say nothing
// are passed over.
func parseRobots(data []byte, token string) robots {
	data = bytes.TrimPrefix(data[:min(len(data), maxRobots)], []byte("\xef\xbb\xbf"))
	var ours, others robots // of groups that name us, and of those for everybody
	named := false
	var us, all bool  // whom the current group is for
	inAgents := false // the lines just before were user-agent lines
	for line := range strings.FieldsFuncSeq(string(data), func(r rune) bool { return r == '\n' || r == '\r' }) {
		line, _, _ = strings.Cut(line, "#")
		key, value, found := strings.Cut(line, ":")
		if !found {
			continue
		}
		value = strings.TrimSpace(value)
		switch key = strings.ToLower(strings.TrimSpace(key)); key {
		case "user-agent":
			if !inAgents {
				us, all = false, false
			}
			inAgents = true
			if strings.HasPrefix(value, "*") {
				all = true
			} else if strings.EqualFold(productToken(value), token) {
				us, named = true, true
			}
		case "allow", "disallow":
			inAgents = false
			if value == "" { // "Disallow:" forbids nothing
				continue
			}
			rule := robotsRule{normalPattern(value), key == "allow"}
			if us {
				ours.rules = append(ours.rules, rule)
			}
			if all {
				others.rules = append(others.rules, rule)
			}
		case "crawl-delay": // another record must not end the group: section 2.2.4
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil || !(seconds >= 0) {
				continue
			}
			delay := time.Duration(math.Min(seconds, 24*60*60) * float64(time.Second))
			if us {
				ours.delay = max(ours.delay, delay)
			}
			if all {
				others.delay = max(others.delay, delay)
			}
		}
	}
	if named {
		return ours
	}
	return others
}

// productToken is the name at the beginning of a user agent: letters, _ and -.
func productToken(agent string) string {
	end := strings.IndexFunc(agent, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_' && r != '-'
	})
	if end < 0 {
		end = len(agent)
	}
	return agent[:end]
}

// normalPattern writes a pattern's characters as canonical URLs have them; * and $ stay.
func normalPattern(p string) string {
	if !strings.HasPrefix(p, "/") && !strings.HasPrefix(p, "*") {
		p = "/" + p
	}
	return normalEscapes(p, true)
}

// allows tells whether a path, with its query if it has one, may be fetched: the longest rule that matches decides, and of
// two of one length the one that allows.
func (r robots) allows(path string) bool {
	if path == "/robots.txt" {
		return true
	}
	if r.none {
		return false
	}
	best, allow := -1, true
	for _, rule := range r.rules {
		if n := len(rule.pattern); (n > best || n == best && rule.allow) && matchRobots(rule.pattern, path) {
			best, allow = n, rule.allow
		}
	}
	return allow
}

// matchRobots tells whether a path begins as the pattern says: * is any characters, $ at the end is the path's end.
func matchRobots(pattern, path string) bool {
	pattern, whole := strings.CutSuffix(pattern, "$")
	return matchStars(pattern, path, whole)
}

// matchStars matches s from its beginning, and with whole to its end.
func matchStars(pattern, s string, whole bool) bool {
	first, rest, stars := strings.Cut(pattern, "*")
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	if !stars {
		return !whole || s == ""
	}
	for {
		var piece string
		piece, rest, stars = strings.Cut(rest, "*")
		if !stars && whole {
			return strings.HasSuffix(s, piece)
		}
		at := strings.Index(s, piece)
		if at < 0 {
			return false
		}
		if s = s[at+len(piece):]; !stars {
			return true
		}
	}
}
