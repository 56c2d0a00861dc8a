package filter

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"millrace/curator/words"

	"github.com/cespare/xxhash/v2"
)

// unigrams are words' frequencies.
type unigrams struct {
	words words.Splitter
	logs  map[uint64]float32 // ln p, by the word's hash
}

// unseen is ln p of a word that is not in the list: datatrove's 10⁻⁹.
var unseen = math.Log(1e-9)

// The bounds of a list of frequencies.
const (
	maxFrequencies = 1 << 24
	maxFrequency   = 1 << 50
)

// readUnigrams reads a word and a count a line. A first line whose second field is no number is a heading.
func readUnigrams(r io.Reader) (*unigrams, error) {
	splitter, err := words.ByName(words.Simple)
	if err != nil {
		return nil, err
	}
	u := &unigrams{words: splitter, logs: map[uint64]float32{}}
	in := bufio.NewScanner(r)
	in.Buffer(nil, 64<<10)
	counts := map[uint64]int64{}
	total := 0.0
	n := 0
	for in.Scan() {
		n++
		line := bytes.TrimSpace(in.Bytes())
		if len(line) == 0 {
			continue
		}
		at := bytes.LastIndexAny(line, "\t,")
		if at < 0 {
			return nil, fmt.Errorf("line %d: want a word, a tab or a comma, and its count", n)
		}
		count, err := strconv.ParseInt(string(bytes.TrimSpace(line[at+1:])), 10, 64)
		if err != nil && n == 1 {
			continue
		}
		if err != nil || count < 1 || count > maxFrequency {
			return nil, fmt.Errorf("line %d: the count is %.40q: want 1 or more", n, line[at+1:])
		}
		if len(counts) == maxFrequencies {
			return nil, fmt.Errorf("line %d: more than %d words", n, maxFrequencies)
		}
		counts[xxhash.Sum64(bytes.TrimSpace(line[:at]))] += count
		total += float64(count)
	}
	if errors.Is(in.Err(), bufio.ErrTooLong) {
		return nil, fmt.Errorf("line %d is too long", n+1)
	}
	if in.Err() != nil {
		return nil, in.Err()
	}
	if len(counts) == 0 {
		return nil, errors.New("no words in it")
	}
	for word, count := range counts {
		u.logs[word] = float32(math.Log(float64(count) / total))
	}
	return u, nil
}

// loss is minus the mean of ln p of the text's words; 0 for a text without.
func (u *unigrams) loss(text string) float64 {
	sum, n := 0.0, 0
	for i := 0; ; n++ {
		start, end := u.words.Next(text, i)
		if start == len(text) {
			break
		}
		i = end
		if p, ok := u.logs[xxhash.Sum64String(strings.ToLower(text[start:end]))]; ok {
			sum += float64(p)
		} else {
			sum += unseen
		}
	}
	if n == 0 {
		return 0
	}
	return -sum / float64(n)
}
