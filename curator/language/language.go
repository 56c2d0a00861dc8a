package language

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

//go:embed profiles.tsv
var file string

// Identifier tells languages. Any number of goroutines may use it.
type Identifier struct {
	labels   []string
	profiles []profile
	alone    [scripts]int // the label of a script's only language; -1 for scripts of several, or none
	slots    []slot       // by open addressing
	weights  []weight
	scratch  sync.Pool // of *tally
}

// profile is one language in one script.
type profile struct {
	script int
	label  int
}

// slot is a trigram, and where its weights are; 0 is no trigram.
type slot struct {
	key        uint64
	start, end uint32
}

// weight is what a trigram says for a language: 300 for its most frequent, 1 for the last of its profile.
type weight struct {
	profile uint16
	points  uint16
}

const (
	slotBits       = 15
	profileEntries = 300
)

// BuiltIn is the identifier of this program's own profiles; it is made at the first call, in some 10 ms, and takes 1 MiB.
var BuiltIn = sync.OnceValue(parse)

func parse() *Identifier {
	x := &Identifier{slots: make([]slot, 1<<slotBits)}
	found := map[uint64][]weight{}
	var keys []uint64
	for line := range strings.Lines(file) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		p := profile{slices.Index(names[:], fields[0]), x.label(fields[1])}
		for i, gram := range strings.Split(fields[2], "|") {
			r := []rune(strings.ReplaceAll(gram, "_", " "))
			key := keyOf(r[0], r[1], r[2])
			if found[key] == nil {
				keys = append(keys, key)
			}
			found[key] = append(found[key], weight{uint16(len(x.profiles)), uint16(profileEntries - i)})
		}
		x.profiles = append(x.profiles, p)
	}
	for s, label := range only {
		if x.alone[s] = -1; label != "" {
			x.alone[s] = x.label(label)
		}
	}
	for _, key := range keys {
		start := len(x.weights)
		x.weights = append(x.weights, found[key]...)
		x.slots[x.find(key)] = slot{key, uint32(start), uint32(len(x.weights))}
	}
	x.scratch.New = func() any {
		return &tally{points: make([]int64, len(x.profiles)), different: make([]int, len(x.profiles)), seen: make([]uint64, len(x.slots)/64)}
	}
	return x
}

func (x *Identifier) label(name string) int {
	if i := slices.Index(x.labels, name); i >= 0 {
		return i
	}
	x.labels = append(x.labels, name)
	return len(x.labels) - 1
}

// Labels are the languages: ISO 639-1 where that has a code, else 639-3, as lid.176 has them.
func (x *Identifier) Labels() []string { return slices.Clone(x.labels) }

func keyOf(a, b, c rune) uint64 { return uint64(a)<<42 | uint64(b)<<21 | uint64(c) }

// find is the index of a trigram's slot, or of the empty one where it would be.
func (x *Identifier) find(key uint64) uint64 {
	for at := key * 0x9e3779b97f4a7c15 >> (64 - slotBits); ; at = (at + 1) & (1<<slotBits - 1) {
		if k := x.slots[at].key; k == key || k == 0 {
			return at
		}
	}
}

// tally is what is counted of a text.
type tally struct {
	points    []int64  // by profile
	different []int    // trigrams that gave points, by profile
	seen      []uint64 // bits of slots
	letters   [scripts]int64
}

// Predict is the language of a text, as its index in Labels, and a score from 0 to 1: the share of letters that are of the
// language's script, and where a script has several languages, times how clearly the best is before the second. ok is false
// for a text without a letter that any of them uses.
func (x *Identifier) Predict(text string) (label int, score float64, ok bool) {
	t := x.scratch.Get().(*tally)
	defer x.scratch.Put(t)
	clear(t.points)
	clear(t.different)
	clear(t.seen)
	clear(t.letters[:])
	x.count(t, text)

	script, all := 0, int64(0)
	for s, n := range t.letters {
		all += n
		if n > t.letters[script] {
			script = s
		}
	}
	if all == 0 {
		return 0, 0, false
	}
	letters := t.letters[script]
	if (script == han || script == kana) && t.letters[kana]*kanaShare >= t.letters[han] {
		script, letters = kana, t.letters[kana]+t.letters[han]
	}
	share := float64(letters) / float64(all)
	if label := x.alone[script]; label >= 0 {
		return label, share, true
	}
	best, second := -1, -1
	for p, points := range t.points {
		switch {
		case x.profiles[p].script != script || points == 0:
		case best < 0 || points > t.points[best]:
			best, second = p, best
		case second < 0 || points > t.points[second]:
			second = p
		}
	}
	if best < 0 {
		return 0, 0, false
	}
	return x.profiles[best].label, share * t.sure(best, second), true
}

// kanaShare: Japanese has a kana to so many Han characters at least.
const kanaShare = 16

// sure is whatlanggo's confidence: how far the best is before the second, against what is enough for so many trigrams.
func (t *tally) sure(best, second int) float64 {
	if second < 0 {
		return min(1, float64(t.points[best])/500)
	}
	ahead := float64(t.points[best]-t.points[second]) / float64(t.points[second])
	return min(1, ahead/(12/float64(t.different[best])+0.05))
}

func (x *Identifier) count(t *tally, text string) {
	a, b := ' ', ' '
	for i := 0; i <= len(text); {
		c, n := ' ', 1 // also behind the end
		if i < len(text) {
			if c, n = rune(text[i]), 1; c < utf8.RuneSelf {
				if c = lower[c]; c != ' ' {
					t.letters[latin]++
				}
			} else if c, n = utf8.DecodeRuneInString(text[i:]); !unicode.IsLetter(c) && !unicode.IsMark(c) {
				c = ' '
			} else {
				t.letters[scriptOf(c)]++
				c = unicode.ToLower(c)
			}
		}
		i += n
		if b != ' ' || a != ' ' && c != ' ' { // what spaces stand around is no trigram
			if at := x.find(keyOf(a, b, c)); x.slots[at].key != 0 {
				x.add(t, at)
			}
		}
		a, b = b, c
	}
	t.letters[none] = 0
}

func (x *Identifier) add(t *tally, at uint64) {
	s := &x.slots[at]
	list := x.weights[s.start:s.end]
	for _, w := range list {
		t.points[w.profile] += int64(w.points)
	}
	if bit := uint64(1) << (at % 64); t.seen[at/64]&bit == 0 {
		t.seen[at/64] |= bit
		for _, w := range list {
			t.different[w.profile]++
		}
	}
}

// lower is a letter of ASCII in lower case, and a space for anything else.
var lower = func() (t [utf8.RuneSelf]rune) {
	for c := range t {
		t[c] = ' '
		if l := c | 0x20; l >= 'a' && l <= 'z' {
			t[c] = rune(l)
		}
	}
	return t
}()
