package where

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// value reads one value of a field; `3d ago` is two tokens.
func (p *parser) value(f Field) (Value, *SyntaxError) {
	t := p.take()
	if err := p.count(t.at); err != nil {
		return Value{}, err
	}
	if t.kind != tokWord && t.kind != tokString {
		return Value{}, p.fail(t.at, "", "%s is compared with nothing: a value is wanted here", PrintField(f))
	}
	if t.segments != nil {
		return Value{}, p.fail(t.at, "put quotes around a text", "a value is wanted here")
	}
	bare := t.kind == tokWord
	switch u := unitOf(f.Name); u {
	case text:
		return p.wordValue(f, t)
	case loose:
		if !bare {
			return Value{Word: t.text}, nil
		}
		if b, ok := boolean(t.text); ok {
			return Value{Kind: Bool, Bool: b}, nil
		}
		if n, ok := plainNumber(t.text); ok {
			return Value{Kind: Number, Number: n}, nil
		}
		return Value{Word: t.text}, nil
	case flag:
		b, ok := boolean(t.text)
		if !ok {
			return Value{}, p.fail(t.at, "write true or false", "%s is true or false, not %q", f.Name, t.text)
		}
		return Value{Kind: Bool, Bool: b}, nil
	case instant:
		at, ok := p.instant(t)
		if !ok {
			return Value{}, p.fail(t.at, "write 2026-11-01, 2026-11-01T12:30, 3d ago, today or now", "%q is no time", t.text)
		}
		return Value{Kind: Time, Time: at}, nil
	default:
		n, ok := measure(t.text, u)
		if !ok {
			return Value{}, p.fail(t.at, wanted[u], "%s is a number, and %q is none", PrintField(f), t.text)
		}
		if next := p.peek(); u == duration && next.kind == tokWord && timeWord.MatchString(next.text) {
			return Value{}, p.fail(next.at, "write "+t.text+next.text[:1]+" in one word", "a unit is part of its number")
		}
		return Value{Kind: Number, Number: n}, nil
	}
}

var wanted = map[unit]string{
	number:   "write 1000, 1e-3, 10k, 3.5M, nan or inf",
	duration: "write seconds, or 90s, 2h30m, 3d",
	money:    "write 5 or $5",
	energy:   "write joules, or 3.6MJ, 2kWh",
}

func (p *parser) wordValue(f Field, t token) (Value, *SyntaxError) {
	if list := known(f.Name); list != nil {
		word := strings.ToLower(t.text)
		for _, w := range list {
			if w == word {
				return Value{Word: word}, nil
			}
		}
		hint := "it is one of " + strings.Join(list, ", ")
		if near := nearest(word, list); near != "" {
			hint = "did you mean " + near + "?"
		}
		return Value{}, p.fail(t.at, hint, "there is no %s %q", f.Name, t.text)
	}
	return Value{Word: t.text}, nil
}

func boolean(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "true", "yes":
		return true, true
	case "false", "no":
		return false, true
	}
	return false, false
}

// plainNumber reads 1000, 10_000, 1e-3, 10k, 3.5M, 2B, 1T, nan and inf.
func plainNumber(s string) (float64, bool) {
	switch strings.ToLower(s) {
	case "nan":
		return math.NaN(), true
	case "inf", "+inf", "infinity":
		return math.Inf(1), true
	case "-inf", "-infinity":
		return math.Inf(-1), true
	}
	scale := 1.0
	if s != "" {
		switch s[len(s)-1] {
		case 'k', 'K':
			scale = 1e3
		case 'M':
			scale = 1e6
		case 'B', 'G':
			scale = 1e9
		case 'T':
			scale = 1e12
		}
	}
	if scale != 1 {
		s = s[:len(s)-1]
	}
	n, ok := decimal(s)
	return n * scale, ok && !math.IsInf(n*scale, 0)
}

// decimal reads digits with a point and an exponent; strconv's hexadecimal and words are not ours.
func decimal(s string) (float64, bool) {
	if strings.Trim(s, "0123456789+-.eE_") != "" || strings.Contains(s, "__") || strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") {
		return 0, false
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	return n, err == nil
}

// measure reads a number with its unit.
func measure(s string, u unit) (float64, bool) {
	switch u {
	case duration:
		if n, ok := seconds(s); ok {
			return n, true
		}
	case money:
		s = strings.Replace(s, "$", "", 1)
	case energy:
		for _, j := range joules {
			if n, ok := strings.CutSuffix(s, j.unit); ok {
				if n, ok := decimal(n); ok {
					return n * j.scale, !math.IsInf(n*j.scale, 0)
				}
			}
		}
	}
	return plainNumber(s)
}

// timeWord is what people write after a number.
var timeWord = regexp.MustCompile(`^(?i)(s|sec|m|min|h|d|w|seconds?|minutes?|hours?|days?|weeks?|years?)$`)

var joules = []struct {
	unit  string
	scale float64
}{{"kWh", 3.6e6}, {"MWh", 3.6e9}, {"Wh", 3.6e3}, {"kJ", 1e3}, {"MJ", 1e6}, {"GJ", 1e9}, {"J", 1}}

var durations = []struct {
	unit    string
	seconds float64
}{{"ms", 1e-3}, {"us", 1e-6}, {"µs", 1e-6}, {"s", 1}, {"min", 60}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 7 * 86400}, {"y", 365 * 86400}}

// seconds reads 2h30m, 90s or 1.5d.
func seconds(s string) (float64, bool) {
	if s == "" {
		return 0, false
	}
	sum := 0.0
	for s != "" {
		end := strings.IndexFunc(s, func(c rune) bool { return c != '.' && (c < '0' || c > '9') })
		if end <= 0 {
			return 0, false
		}
		n, err := strconv.ParseFloat(s[:end], 64)
		if err != nil {
			return 0, false
		}
		s = s[end:]
		known := false
		for _, d := range durations {
			if rest, ok := strings.CutPrefix(s, d.unit); ok && (rest == "" || rest[0] >= '0' && rest[0] <= '9') {
				sum, s, known = sum+n*d.seconds, rest, true
				break
			}
		}
		if !known {
			return 0, false
		}
	}
	return sum, !math.IsInf(sum, 0)
}

// dates, from the shortest; without a zone they are UTC.
var dates = []string{"2006-01", time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", time.RFC3339}

// instant reads a date, or one told from now on back.
func (p *parser) instant(t token) (time.Time, bool) {
	now := p.now.UTC()
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	switch strings.ToLower(t.text) {
	case "now":
		return now, true
	case "today":
		return today, true
	case "yesterday":
		return today.AddDate(0, 0, -1), true
	}
	const century = 100 * 365 * 86400
	if n, ok := seconds(t.text); ok && n <= century && p.peek().is("ago") {
		p.take()
		return now.Add(-time.Duration(n * float64(time.Second))), true
	}
	for _, layout := range dates {
		if at, err := time.Parse(layout, strings.Replace(t.text, " ", "T", 1)); err == nil {
			at = at.UTC()
			return at, at.Year() >= 0 && at.Year() <= 9999
		}
	}
	return time.Time{}, false
}
