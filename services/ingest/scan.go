package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"
)

// maxDepth is how deep values may be nested.
const maxDepth = 64

// fault is what is wrong with a request, and where: "points[3].value".
type fault struct {
	code, field, message, hint string
}

func (f *fault) Error() string {
	if f.field == "" {
		return f.message
	}
	return f.field + ": " + f.message
}

func invalid(format string, args ...any) *fault {
	return &fault{code: codeInvalid, message: fmt.Sprintf(format, args...)}
}

// in says that a fault lies within a field.
func (f *fault) in(field string) *fault {
	if f == nil {
		return nil
	}
	g := *f
	switch {
	case f.field == "":
		g.field = field
	case f.field[0] == '[':
		g.field = field + f.field
	default:
		g.field = field + "." + f.field
	}
	return &g
}

func (f *fault) at(i int) *fault {
	if f == nil {
		return nil
	}
	return f.in("[" + strconv.Itoa(i) + "]")
}

// scanner reads JSON from memory, value by value, without making maps or boxes of it. Bytes that it returns are part of the body or of
// its scratch, good until the next call. It never reads beyond the body, and never nests deeper than maxDepth.
type scanner struct {
	b       []byte
	i       int
	scratch []byte
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// peek is the first byte of the next value, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *scanner) unexpected(want string) *fault {
	switch c := s.peek(); {
	case s.i >= len(s.b):
		return invalid("the body ends where %s should be", want)
	case c < ' ' || c >= utf8.RuneSelf:
		return invalid("byte 0x%02x at %d where %s should be", c, s.i, want)
	default:
		return invalid("%q at byte %d where %s should be", c, s.i, want)
	}
}

// object calls fn with each key, unquoted, standing before the value, which fn must read.
func (s *scanner) object(fn func(key []byte) *fault) *fault {
	if s.peek() != '{' {
		return s.unexpected("an object")
	}
	s.i++
	if s.peek() == '}' {
		s.i++
		return nil
	}
	for {
		if s.peek() != '"' {
			return s.unexpected("a field's name")
		}
		key, bad := s.text()
		if bad != nil {
			return bad
		}
		if s.peek() != ':' {
			return s.unexpected("':'")
		}
		s.i++
		if bad := fn(key); bad != nil {
			return bad
		}
		switch s.peek() {
		case ',':
			s.i++
		case '}':
			s.i++
			return nil
		default:
			return s.unexpected("',' or '}'")
		}
	}
}

// array calls fn before each element, which fn must read.
func (s *scanner) array(fn func(i int) *fault) *fault {
	if s.peek() != '[' {
		return s.unexpected("a list")
	}
	s.i++
	if s.peek() == ']' {
		s.i++
		return nil
	}
	for n := 0; ; n++ {
		if bad := fn(n); bad != nil {
			return bad.at(n)
		}
		switch s.peek() {
		case ',':
			s.i++
		case ']':
			s.i++
			return nil
		default:
			return s.unexpected("',' or ']'")
		}
	}
}

// text reads a string.
func (s *scanner) text() ([]byte, *fault) {
	if s.peek() != '"' {
		return nil, s.unexpected("a string")
	}
	from := s.i + 1
	for i := from; i < len(s.b); i++ {
		switch c := s.b[i]; {
		case c == '"':
			s.i = i + 1
			return s.b[from:i], nil
		case c == '\\' || c >= utf8.RuneSelf:
			return s.strangeText(from, i)
		case c < ' ':
			s.i = i
			return nil, s.unexpected("the rest of a string")
		}
	}
	s.i = len(s.b)
	return nil, s.unexpected("the end of a string")
}

// strangeText reads a string that has escapes or is not ASCII from i on.
func (s *scanner) strangeText(from, i int) ([]byte, *fault) {
	escaped := false
	for ; i < len(s.b) && s.b[i] != '"'; i++ {
		if s.b[i] < ' ' {
			s.i = i
			return nil, s.unexpected("the rest of a string")
		}
		if s.b[i] == '\\' {
			escaped = true
			i++
		}
	}
	if i >= len(s.b) {
		s.i = len(s.b)
		return nil, s.unexpected("the end of a string")
	}
	raw := s.b[from:i]
	if !utf8.Valid(raw) {
		s.i = i + 1
		return nil, invalid("the string before byte %d is not UTF-8", i)
	}
	s.i = i + 1
	if !escaped {
		return raw, nil
	}
	var text string
	if err := json.Unmarshal(s.b[from-1:i+1], &text); err != nil {
		return nil, invalid("the string before byte %d: %v", i, err)
	}
	s.scratch = append(s.scratch[:0], text...)
	return s.scratch, nil
}

// word reads a literal.
func (s *scanner) word(w string) bool {
	s.space()
	if len(s.b)-s.i >= len(w) && string(s.b[s.i:s.i+len(w)]) == w {
		s.i += len(w)
		return true
	}
	return false
}

// number reads the text of a JSON number.
func (s *scanner) number() ([]byte, *fault) {
	s.space()
	from, i := s.i, s.i
	digits := func() bool {
		n := i
		for i < len(s.b) && s.b[i]-'0' <= 9 {
			i++
		}
		return i > n
	}
	if i < len(s.b) && s.b[i] == '-' {
		i++
	}
	leading := i
	if !digits() || s.b[leading] == '0' && i > leading+1 {
		return nil, s.unexpected("a number")
	}
	if i < len(s.b) && s.b[i] == '.' {
		if i++; !digits() {
			return nil, s.unexpected("a number")
		}
	}
	if i < len(s.b) && s.b[i]|0x20 == 'e' {
		if i++; i < len(s.b) && (s.b[i] == '+' || s.b[i] == '-') {
			i++
		}
		if !digits() {
			return nil, s.unexpected("a number")
		}
	}
	s.i = i
	return s.b[from:i], nil
}

// integer reads a whole number of 64 bits.
func (s *scanner) integer() (int64, *fault) {
	c := s.peek()
	if c != '-' && c-'0' > 9 {
		return 0, s.unexpected("a whole number")
	}
	raw, bad := s.number()
	if bad != nil {
		return 0, bad
	}
	v, err := strconv.ParseInt(view(raw), 10, 64)
	if err != nil {
		return 0, invalid("%.40s is not a whole number of 64 bits", raw)
	}
	return v, nil
}

// natural reads a whole number, 0 or greater, of 64 bits.
func (s *scanner) natural() (uint64, *fault) {
	if c := s.peek(); c-'0' > 9 {
		return 0, s.unexpected("a whole number that is not negative")
	}
	raw, bad := s.number()
	if bad != nil {
		return 0, bad
	}
	v, err := strconv.ParseUint(view(raw), 10, 64)
	if err != nil {
		return 0, invalid("%.40s is not a whole number of 64 bits", raw)
	}
	return v, nil
}

// value reads a float: a number, or NaN, Infinity or -Infinity as a string or as the bare word that Python writes.
func (s *scanner) value() (float64, *fault) {
	switch c := s.peek(); c {
	case '"':
		text, bad := s.text()
		if bad != nil {
			return 0, bad
		}
		switch string(text) {
		case "NaN":
			return math.NaN(), nil
		case "Infinity":
			return math.Inf(1), nil
		case "-Infinity":
			return math.Inf(-1), nil
		}
		return 0, invalid("the string %.40q is no value: write a number, or \"NaN\", \"Infinity\", \"-Infinity\"", text)
	case 'N':
		if s.word("NaN") {
			return math.NaN(), nil
		}
	case 'I':
		if s.word("Infinity") {
			return math.Inf(1), nil
		}
	case '-':
		if s.word("-Infinity") {
			return math.Inf(-1), nil
		}
		return s.float()
	default:
		if c-'0' <= 9 {
			return s.float()
		}
	}
	return 0, s.unexpected("a number, or \"NaN\", \"Infinity\", \"-Infinity\",")
}

func (s *scanner) float() (float64, *fault) {
	raw, bad := s.number()
	if bad != nil {
		return 0, bad
	}
	v, err := strconv.ParseFloat(view(raw), 64)
	if err != nil { // beyond the range of float64
		return 0, invalid("%.40s is beyond what a float64 holds; write \"Infinity\" if you mean it", raw)
	}
	return v, nil
}

// Times that can be shown, in seconds since 1970: the years 1 to 9999.
const (
	firstSecond = -62135596800
	lastSecond  = 253402300799
)

// moment reads a time: seconds since 1970, or RFC 3339, in µs since 1970. Absent, null and 0 are now.
func (s *scanner) moment(now int64) (int64, *fault) {
	switch c := s.peek(); {
	case c == '"':
		text, bad := s.text()
		if bad != nil {
			return 0, bad
		}
		t, err := time.Parse(time.RFC3339Nano, string(text))
		if err != nil {
			return 0, invalid("%.40q is no time: write seconds since 1970, or RFC 3339 like 2026-11-21T09:30:00Z", text)
		}
		return bounded(float64(t.Unix()), t.UnixMicro(), now)
	case c == 'n' && s.word("null"):
		return now, nil
	case c == '-' || c-'0' <= 9:
		sec, bad := s.float()
		if bad != nil {
			return 0, bad
		}
		if sec == 0 {
			return now, nil
		}
		return bounded(sec, int64(math.Round(sec*1e6)), now)
	}
	return 0, s.unexpected("a time: seconds since 1970, or RFC 3339,")
}

func bounded(sec float64, micros, now int64) (int64, *fault) {
	if !(sec >= firstSecond && sec <= lastSecond) {
		bad := invalid("the time %v lies outside the years 1 to 9999", sec)
		bad.hint = "times are seconds since 1970, not milliseconds"
		return 0, bad
	}
	return micros, nil
}

// raw reads any value, and returns its text. The bare words NaN, Infinity and -Infinity become strings, as they do everywhere in the log.
func (s *scanner) raw() ([]byte, *fault) {
	s.space()
	from := s.i
	var words [][2]int
	if bad := s.skip(0, &words); bad != nil {
		return nil, bad
	}
	text := s.b[from:s.i]
	if len(words) == 0 {
		return text, nil
	}
	var out bytes.Buffer
	for _, w := range words {
		out.Write(s.b[from:w[0]])
		fmt.Fprintf(&out, "%q", s.b[w[0]:w[1]])
		from = w[1]
	}
	out.Write(s.b[from:s.i])
	return out.Bytes(), nil
}

// skip passes over a value and notes where bare words are that JSON does not have.
func (s *scanner) skip(depth int, words *[][2]int) *fault {
	if depth > maxDepth {
		return invalid("values are nested more than %d deep at byte %d", maxDepth, s.i)
	}
	c := s.peek()
	from := s.i
	switch c {
	case '{':
		return s.object(func([]byte) *fault { return s.skip(depth+1, words) })
	case '[':
		return s.array(func(int) *fault { return s.skip(depth+1, words) })
	case '"':
		_, bad := s.text()
		return bad
	case 't', 'f', 'n':
		if s.word("true") || s.word("false") || s.word("null") {
			return nil
		}
	case 'N', 'I', '-':
		if s.word("NaN") || s.word("Infinity") || s.word("-Infinity") {
			*words = append(*words, [2]int{from, s.i})
			return nil
		}
	}
	if c == '-' || c-'0' <= 9 {
		_, bad := s.number()
		return bad
	}
	return s.unexpected("a value")
}

// end refuses what follows the body's value.
func (s *scanner) end() *fault {
	if s.peek() != 0 || s.i < len(s.b) {
		return s.unexpected("the end")
	}
	return nil
}

// view is a string over bytes that do not change while it is used.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
