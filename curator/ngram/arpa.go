package ngram

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"millrace/curator/words"
)

// maxLine bounds a line of ARPA.
const maxLine = 1 << 20

// readARPA reads a model as SRILM and KenLM write it: the counts, then by length a line an n-gram with log10 p, the words,
// and log10 of the backoff weight.
func readARPA(in *bufio.Reader, splitter string) (*Model, error) {
	next, err := words.ByName(splitter)
	if err != nil {
		return nil, err
	}
	m := &Model{splitter: splitter, next: next, unknown: least}
	r := &arpa{in: bufio.NewScanner(in), m: m}
	r.in.Buffer(nil, maxLine)
	if err := r.read(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("%w: line %d has more than %d bytes", ErrModel, r.line+1, maxLine)
		}
		return nil, err
	}
	return m, nil
}

type arpa struct {
	in     *bufio.Scanner
	m      *Model
	line   int
	counts []int
}

func (r *arpa) fail(format string, args ...any) error {
	return fmt.Errorf("%w: line %d: %s", ErrModel, r.line, fmt.Sprintf(format, args...))
}

// next is the next line that is not blank; io.EOF behind the last.
func (r *arpa) next() (string, error) {
	for r.in.Scan() {
		r.line++
		if text := strings.TrimSpace(r.in.Text()); text != "" {
			return text, nil
		}
	}
	if err := r.in.Err(); err != nil {
		return "", err
	}
	return "", io.EOF
}

func (r *arpa) read() error {
	section := -1 // 0 \data\, n \n-grams:
	for {
		text, err := r.next()
		if errors.Is(err, io.EOF) {
			return r.fail("it ends without \\end\\: copy it again")
		}
		if err != nil {
			return err
		}
		switch {
		case text == `\data\` && section < 0:
			section = 0
		case text == `\end\`:
			if section != len(r.counts) || section == 0 {
				return r.fail("it ends behind n-grams of %d words", section)
			}
			return r.complete(section)
		case strings.HasPrefix(text, `\`):
			if section < 0 || section == len(r.counts) || text != fmt.Sprintf(`\%d-grams:`, section+1) {
				return r.fail("%.80q does not follow n-grams of %d words", text, section)
			}
			if section > 0 {
				if err := r.complete(section); err != nil {
					return err
				}
			}
			section++
			r.m.orders = append(r.m.orders, newTable(min(r.counts[section-1], 1<<16)))
		case section < 0:
			return r.fail("%.80q before \\data\\", text)
		case section == 0:
			length, n, ok := strings.Cut(strings.TrimPrefix(text, "ngram "), "=")
			count, err := strconv.Atoi(strings.TrimSpace(n))
			if !ok || strings.TrimSpace(length) != strconv.Itoa(len(r.counts)+1) || err != nil || count < 0 || count > maxNGrams || len(r.counts) == MaxOrder {
				return r.fail("%.80q: want \"ngram %d=count\", and at most %d of them", text, len(r.counts)+1, MaxOrder)
			}
			r.counts = append(r.counts, count)
		default:
			if err := r.gram(text, section); err != nil {
				return err
			}
		}
	}
}

func (r *arpa) complete(section int) error {
	if got := r.m.orders[section-1].n; got != r.counts[section-1] {
		return r.fail("%d n-grams of %d words: %d were announced", got, section, r.counts[section-1])
	}
	return nil
}

// gram is a line of one n-gram.
func (r *arpa) gram(text string, length int) error {
	fields := strings.Fields(text)
	if len(fields) != length+1 && len(fields) != length+2 {
		return r.fail("%d fields for an n-gram of %d words", len(fields), length)
	}
	prob, err := r.number(fields[0])
	if err != nil {
		return err
	}
	if prob > 0 {
		return r.fail("log p %s is above 0", fields[0])
	}
	s := slot{prob: prob}
	if len(fields) == length+2 {
		if s.backoff, err = r.number(fields[length+1]); err != nil {
			return err
		}
	}
	for i := length; i > 0; i-- { // the last word first
		word := arpaWord(fields[i])
		if s.key == 0 {
			s.key = word
		} else {
			s.key = before(s.key, word)
		}
	}
	if length == 1 && (fields[1] == "<unk>" || fields[1] == "<UNK>") {
		r.m.unknown = s.prob
	}
	t := &r.m.orders[length-1]
	if t.n >= r.counts[length-1] {
		return r.fail("more than the %d n-grams of %d words that were announced", r.counts[length-1], length)
	}
	if t.n*3 >= len(t.slots)*2 {
		t.double(r.counts[length-1])
	}
	if !t.put(s) {
		return r.fail("the n-gram is there twice")
	}
	return nil
}

func arpaWord(word string) uint64 {
	switch word {
	case "<s>":
		return begin
	case "</s>":
		return end
	}
	return wordHash([]byte(word))
}

// number is a base-10 logarithm as a natural one.
func (r *arpa) number(text string) (float32, error) {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(x) {
		return 0, r.fail("%.40q is no number", text)
	}
	return float32(min(max(x*math.Ln10, least), -least)), nil
}
