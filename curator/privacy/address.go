package privacy

import (
	"net/netip"
	"strings"
)

// Limits of RFC 5321.
const (
	maxLocal  = 64
	maxDomain = 253
)

// email finds the address around the @ at i: letters, digits and _ . + - % before it (RFC 5322 allows more signs, which in
// text are mostly not part of the address), a host name with a top-level domain of letters
// behind it.
func email(text string, i, from int) (start, end int, ok bool) {
	start = i
	for start > from && i-start <= maxLocal && localByte(text[start-1]) {
		start--
	}
	for start < i && strings.IndexByte(".-+%", text[start]) >= 0 {
		start++
	}
	if start == i || i-start > maxLocal || text[i-1] == '.' || strings.Contains(text[start:i], "..") {
		return 0, 0, false
	}
	end = i + 1
	label := end
	dots := 0
	for end < len(text) && end-i <= maxDomain {
		c := text[end]
		if c == '.' && end > label && end+1 < len(text) && wordByte(text[end+1]) && text[end+1] != '_' {
			dots++
			label = end + 1
		} else if !(wordByte(c) && c != '_' || c == '-' && end > label) {
			break
		}
		end++
	}
	for end > label && text[end-1] == '-' {
		end--
	}
	if dots == 0 || end-label < 2 || at(text, end) == '_' {
		return 0, 0, false
	}
	for _, c := range []byte(text[label:end]) {
		if digit(c) || c == '-' {
			return 0, 0, false
		}
	}
	return start, end, true
}

func localByte(c byte) bool {
	return wordByte(c) || strings.IndexByte(".-+%", c) >= 0
}

// ipv4 finds a public address at i: four numbers below 256 without leading zeros, with nothing of a longer number, name or
// version around them.
func ipv4(text string, i int) (end int) {
	if before := at(text, i-1); before == '.' || before == '-' || before == '$' || before == ',' || before == '@' {
		return 0
	}
	end = i
	for group := range 4 {
		if group > 0 {
			if at(text, end) != '.' {
				return 0
			}
			end++
		}
		from := end
		for end-from < 4 && digit(at(text, end)) {
			end++
		}
		if end == from || end-from > 3 {
			return 0
		}
	}
	switch c := at(text, end); {
	case wordByte(c), c == '.' && (wordByte(at(text, end+1))), c == '-' && wordByte(at(text, end+1)), c == '%':
		return 0
	}
	a, err := netip.ParseAddr(text[i:end])
	if err != nil || !public(a) || numbered(text, i) {
		return 0
	}
	return end
}

// numbered tells whether what stands before i says that a number follows that is no address.
func numbered(text string, i int) bool {
	before := strings.ToLower(strings.TrimRight(text[max(0, i-24):i], " \t:=\"'(#≥≤><~^"))
	from := len(before)
	for from > 0 && wordByte(before[from-1]) {
		from--
	}
	switch before[from:] {
	case "version", "versions", "ver", "v", "release", "releases", "rev", "revision", "build", "section", "sections", "sec", "chapter", "clause", "paragraph",
		"figure", "fig", "table", "appendix", "oid", "upgrade", "firmware", "_version", "__version__", "release_version", "§":
		return true
	}
	return strings.HasSuffix(before[from:], "_version") || strings.HasSuffix(before[from:], "version")
}

// reserved are the blocks that are not globally reachable (IANA's special-purpose registries), as far as netip does not
// name them.
var reserved = func() (list []netip.Prefix) {
	for _, p := range []string{"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"} {
		list = append(list, netip.MustParsePrefix(p))
	}
	return list
}()

// public tells an address that somebody on the Internet can have.
func public(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Is6() && a.As16()[0]>>5 != 1 { // 2000::/3 is all that is given out
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// ipv6 finds a public address around the colon at i.
func ipv6(text string, i, from int) (start, end int, ok bool) {
	start = i
	for start > from && i-start < 5 && hex(text[start-1]) {
		start--
	}
	if start > from && (wordByte(text[start-1]) || text[start-1] == ':' || text[start-1] == '.') || i == start {
		return 0, 0, false // a public address begins with a digit
	}
	end = i
	colons := 0
	for end < len(text) && end-start < 40 && (hex(text[end]) || text[end] == ':') {
		if text[end] == ':' {
			colons++
		}
		end++
	}
	if text[end-1] == ':' && !strings.HasSuffix(text[start:end], "::") {
		end-- // a sentence's colon
		colons--
	}
	if colons < 2 || wordByte(at(text, end)) || at(text, end) == ':' && (hex(at(text, end+1)) || at(text, end+1) == ':') || at(text, end) == '.' && wordByte(at(text, end+1)) {
		return 0, 0, false
	}
	a, err := netip.ParseAddr(text[start:end])
	if err != nil || !a.Is6() || !public(a) {
		return 0, 0, false
	}
	return start, end, true
}

func hex(c byte) bool { return digit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
