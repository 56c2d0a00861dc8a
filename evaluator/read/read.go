package read

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrData is wrapped by every error that says that data is not of its form; the error names the line.
var ErrData = errors.New("data")

// Bounds of a source.
const (
	MaxExamples = 1 << 20
	MaxBytes    = 1 << 30 // of a file, unpacked
	maxRow      = 8 << 20
	maxKept     = 512 << 20 // bytes of all examples together
	maxChoices  = 256
)

// Files are what a source is read from. Compressed ones (gzip) are unpacked on the way.
type Files struct {
	Data   io.Reader
	Labels io.Reader // of forms that publish answers apart (PIQA); nil otherwise
	// Solved asks for the examples that are shown solved, where a file has both (MMLU's archive: its dev split instead of test).
	Solved bool
	Limit  int64 // only the first so many, of each group; 0 is all
}

// Read reads all examples of a source. Its errors wrap ErrData, but for those of the files themselves.
func Read(form string, f Files) ([]Example, error) {
	if _, ok := Forms()[form]; !ok {
		return nil, fmt.Errorf("%w: there is no form %.40q, there are %s", ErrData, form, strings.Join(Names(), ", "))
	}
	data, err := unpacked(f.Data)
	if err != nil {
		return nil, fmt.Errorf("form %s: %w", form, err)
	}
	c := &collector{limit: f.Limit, seen: map[string]bool{}, groups: map[string]int64{}}
	switch form {
	case "jsonl":
		err = rows(data, c.general)
	case "text":
		err = c.wholeText(data)
	case "wikitext":
		err = c.wikitext(data)
	case "hellaswag":
		err = rows(data, c.hellaswag)
	case "arc":
		err = rows(data, c.arc)
	case "mmlu":
		err = c.mmlu(data, f.Solved)
	case "truthfulqa_mc1":
		err = rows(data, func(raw []byte) error { return c.truthfulqa(raw, false) })
	case "truthfulqa_mc2":
		err = rows(data, func(raw []byte) error { return c.truthfulqa(raw, true) })
	case "lambada":
		err = c.lambada(data)
	case "piqa":
		err = c.piqa(data, f.Labels)
	case "winogrande":
		err = rows(data, c.winogrande)
	case "humaneval":
		err = rows(data, c.humaneval)
	}
	if err != nil && !errors.Is(err, errEnough) {
		return nil, fmt.Errorf("form %s: %w", form, err)
	}
	if len(c.all) == 0 {
		return nil, fmt.Errorf("form %s: %w: there is no example in it", form, ErrData)
	}
	return c.all, nil
}

// errEnough ends reading when the limit is reached.
var errEnough = errors.New("enough")

// bad is an error of the data.
func bad(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrData}, args...)...)
}

// collector gathers examples within the bounds.
type collector struct {
	all    []Example
	limit  int64
	size   int
	seen   map[string]bool
	groups map[string]int64
	many   bool // groups are known only at the end, so that a limit ends nothing
}

// add takes an example. Its ID, or its place when it has none, is made unique.
func (c *collector) add(e Example) error {
	if c.limit > 0 && c.groups[e.Group] >= c.limit {
		if c.many {
			return nil
		}
		return errEnough
	}
	c.groups[e.Group]++
	if len(c.all) >= MaxExamples {
		return bad("more than %d examples", MaxExamples)
	}
	if len(e.Choices) > maxChoices {
		return bad("%d choices, the limit is %d", len(e.Choices), maxChoices)
	}
	for _, r := range e.Right {
		if r < 0 || r >= len(e.Choices) {
			return bad("answer %d of %d choices is out of range (the first is 0)", r, len(e.Choices))
		}
	}
	if e.ID == "" {
		e.ID = strconv.Itoa(len(c.all))
		if e.Group != "" {
			e.ID = e.Group + "/" + strconv.FormatInt(c.groups[e.Group]-1, 10)
		}
	}
	if len(e.ID) > 200 {
		e.ID = strings.ToValidUTF8(e.ID[:180], "")
	}
	for id, n := e.ID, len(c.all); c.seen[e.ID]; n++ {
		e.ID = fmt.Sprintf("%s#%d", id, n)
	}
	c.seen[e.ID] = true
	c.size += len(e.Text) + len(e.Original)
	for k, v := range e.Fields {
		c.size += len(k) + len(v)
	}
	for _, s := range e.Choices {
		c.size += len(s)
	}
	if c.size > maxKept {
		return bad("examples of more than %d bytes together", maxKept)
	}
	c.all = append(c.all, e)
	return nil
}

// unpacked is data without gzip, and an error behind MaxBytes.
func unpacked(r io.Reader) (*bufio.Reader, error) {
	if r == nil {
		return nil, bad("no file")
	}
	b := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := b.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, bad("gzip: %w", err)
		}
		return bufio.NewReaderSize(&bounded{r: z, left: MaxBytes, packed: true}, 64<<10), nil
	}
	return bufio.NewReaderSize(&bounded{r: b, left: MaxBytes}, 64<<10), nil
}

// bounded ends with an error behind so many bytes.
type bounded struct {
	r      io.Reader
	left   int64
	packed bool
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, bad("more than %d bytes", MaxBytes)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) && b.packed {
		err = bad("gzip: %w", err)
	}
	return n, err
}

// lines gives every line with its number, without its end. Empty lines are left out.
func lines(r io.Reader, do func(at int, line []byte) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), maxRow)
	at := 0
	for s.Scan() {
		at++
		line := s.Bytes()
		if at == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if !utf8.Valid(line) {
			return bad("line %d is not UTF-8", at)
		}
		if err := do(at, line); err != nil {
			if errors.Is(err, ErrData) {
				err = fmt.Errorf("line %d: %w", at, err)
			}
			return err
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return bad("line %d is longer than %d bytes", at+1, maxRow)
	}
	return s.Err()
}

// rows gives every JSON object of a file of JSON lines, or of one that is an array.
func rows(r *bufio.Reader, do func(raw []byte) error) error {
	if first, err := firstByte(r); err != nil || first != '[' {
		if err != nil {
			return err
		}
		return lines(r, func(_ int, line []byte) error { return do(line) })
	}
	d := json.NewDecoder(r)
	if _, err := d.Token(); err != nil {
		return bad("%w", err)
	}
	for at := 0; d.More(); at++ {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return bad("item %d: %w", at, err)
		}
		if len(raw) > maxRow {
			return bad("item %d is longer than %d bytes", at, maxRow)
		}
		if !utf8.Valid(raw) {
			return bad("item %d is not UTF-8", at)
		}
		if err := do(raw); err != nil {
			if errors.Is(err, ErrData) {
				err = fmt.Errorf("item %d: %w", at, err)
			}
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return bad("%w", err)
	}
	return nil
}

// firstByte is the first byte that is no white space, which stays; 0 of nothing.
func firstByte(r *bufio.Reader) (byte, error) {
	for n := 1; n <= 4096; n++ {
		p, err := r.Peek(n)
		if len(p) < n {
			if errors.Is(err, io.EOF) {
				return 0, nil
			}
			return 0, err
		}
		switch p[n-1] {
		case ' ', '\t', '\r', '\n', 0xEF, 0xBB, 0xBF:
		default:
			return p[n-1], nil
		}
	}
	return 0, nil
}

// decode reads one JSON value.
func decode(raw []byte, into any) error {
	if err := json.Unmarshal(raw, into); err != nil {
		return bad("%w", err)
	}
	return nil
}

// number is an integer that may be written as a string.
type number struct {
	set   bool
	value int
}

func (n *number) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "" || s == "null" {
		return nil
	}
	v, err := strconv.Atoi(s)
	if err != nil {
		return fmt.Errorf("%.40q is no whole number", s)
	}
	n.set, n.value = true, v
	return nil
}

// word is a string that may be written as a number.
type word string

func (w *word) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(w))
	}
	if s := string(b); s != "null" {
		if _, err := strconv.ParseFloat(s, 64); err != nil {
			return fmt.Errorf("%.40q is neither a text nor a number", s)
		}
		*w = word(s)
	}
	return nil
}

// space is what Python calls white space: Unicode's, and U+001C to U+001F.
func space(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// strip is Python's str.strip.
func strip(s string) string { return strings.TrimFunc(s, space) }

// capitalize is Python's str.capitalize: the first character upper case (title case), the others lower case.
func capitalize(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return ""
	}
	return string(unicode.ToTitle(r)) + strings.ToLower(s[n:])
}

// Words is how many parts Python's re.split(r"\s+", s) gives, which is how lm-eval counts words: white space at an end makes one more.
func Words(s string) int64 {
	n, in := int64(1), false
	for _, r := range s {
		if is := space(r); is && !in {
			n++
			in = true
		} else if !is {
			in = false
		}
	}
	return n
}
