package dedup_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"millrace/curator/dedup"
	"millrace/curator/words"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// removals runs a search over texts; what it says is by text.
func removals(t require.TestingT, how dedup.Repeats, texts []string) [][]dedup.Range {
	s, err := how.Search(context.Background())
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	for _, text := range texts {
		require.NoError(t, s.Add(text))
	}
	var twice [2][][]dedup.Range
	for i := range twice {
		twice[i] = make([][]dedup.Range, len(texts))
		last := -1
		for r, err := range s.Removals() {
			require.NoError(t, err)
			require.Greater(t, r.Document, last)
			require.NotEmpty(t, r.Ranges)
			last = r.Document
			at := -1
			for _, x := range r.Ranges {
				require.Less(t, at, x.Start, "apart from each other")
				require.Less(t, x.Start, x.End)
				at = x.End
			}
			require.LessOrEqual(t, at, len(texts[r.Document]))
			twice[i][r.Document] = r.Ranges
		}
	}
	require.Equal(t, twice[0], twice[1], "they can be asked for again")
	return twice[0]
}

// anyhow draws how many workers and how little memory a search has.
func anyhow(t *rapid.T, level dedup.Level, dir string) dedup.Repeats {
	return dedup.Repeats{Level: level, Dir: dir, Workers: rapid.IntRange(1, 5).Draw(t, "workers"), SpillBytes: rapid.Int64Range(0, 3000).Draw(t, "spill")}
}

// marked is, of every byte of a text, whether it is in a range.
func marked(text string, ranges []dedup.Range) []bool {
	in := make([]bool, len(text))
	for _, r := range ranges {
		for i := r.Start; i < r.End; i++ {
			in[i] = true
		}
	}
	return in
}

func nothingLeft(t require.TestingT, dir string) {
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "temporary files stay")
}

func TestLinesAreTheObviousAnswer(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.StringOfN(rapid.RuneFrom([]rune("aé \t")), 0, 4, -1)
		text := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(line, 0, 6).Draw(t, "lines"), rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end"))
		})
		texts := rapid.SliceOfN(text, 0, 12).Draw(t, "texts")
		level := dedup.Lines{MinChars: rapid.Int64Range(1, 3).Draw(t, "min_chars")}
		got := removals(t, anyhow(t, level, dir), texts)
		seen := map[string]bool{}
		for i, text := range texts {
			var kept strings.Builder
			var mine []string
			for _, line := range strings.SplitAfter(text, "\n") {
				key := strings.Join(strings.Fields(line), " ")
				if int64(len([]rune(key))) >= level.MinChars && seen[key] {
					continue
				}
				kept.WriteString(line)
				if int64(len([]rune(key))) >= level.MinChars {
					mine = append(mine, key)
				}
			}
			for _, key := range mine {
				seen[key] = true
			}
			var left strings.Builder
			for j, in := range marked(text, got[i]) {
				if !in {
					left.WriteByte(text[j])
				}
			}
			require.Equal(t, kept.String(), left.String(), "%q", texts)
		}
	})
	nothingLeft(t, dir)
}

func TestSentencesAreTheObviousAnswer(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		sentence := rapid.SampledFrom([]string{"One.", " One.", "ONE!", " Two  2.", "Two 7.", " ...", "\n\nThree?", " é.", "。"})
		text := rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(sentence, 0, 9).Draw(t, "sentences"), "") })
		texts := rapid.SliceOfN(text, 0, 10).Draw(t, "texts")
		level := dedup.Sentences{Span: rapid.Int64Range(1, 4).Draw(t, "span")}
		got := removals(t, anyhow(t, level, dir), texts)
		seen := map[string]bool{}
		for i, text := range texts {
			var ends []int
			var simple []string
			for at := 0; words.SentenceEnd(text, at) > at; {
				end := words.SentenceEnd(text, at)
				simple = append(simple, string(dedup.Simplify(nil, text[at:end])))
				ends = append(ends, end)
				at = end
			}
			want := make([]bool, len(text))
			for j := 0; j+int(level.Span) <= len(simple); j++ {
				key := strings.Join(simple[j:j+int(level.Span)], " ")
				if strings.TrimSpace(key) == "" {
					continue
				}
				if seen[key] {
					start := 0
					if j > 0 {
						start = ends[j-1]
					}
					for k := start; k < ends[j+int(level.Span)-1]; k++ {
						want[k] = true
					}
				}
				seen[key] = true
			}
			require.Equal(t, want, marked(text, got[i]), "%q", texts)
		}
	})
	nothingLeft(t, dir)
}

// A long text of long sentences keeps no more than it needs, and finds the same.
func TestSentencesOfALongText(t *testing.T) {
	for _, span := range []int64{1, 2, 3} {
		var b strings.Builder
		for i := range 40 {
			b.WriteString(strings.Repeat(fmt.Sprintf("w%c%c ", 'a'+i%20, 'b'), 3000) + ". ")
		}
		got := removals(t, dedup.Repeats{Level: dedup.Sentences{Span: span}, Dir: t.TempDir()}, []string{b.String()})
		require.Len(t, got[0], 1)
		require.Equal(t, b.Len()/2, got[0][0].Start+1, span)
	}
}

// pieced makes texts of few words out of shared pieces, so that many runs are equal.
func pieced(random *rand.Rand, n int) []string {
	var pieces [6][]string
	for i := range pieces {
		for range 5 + random.IntN(60) {
			pieces[i] = append(pieces[i], string(rune('a'+random.IntN(2))))
		}
	}
	pieces[0] = strings.Split(strings.Repeat("x ", 70), " ")
	pieces[1] = strings.Split(strings.Repeat("x y z ", 25), " ")
	var texts []string
	for range n {
		var all []string
		for range random.IntN(5) {
			p := pieces[random.IntN(len(pieces))]
			from := random.IntN(len(p))
			all = append(all, p[from:from+random.IntN(len(p)-from+1)]...)
			if random.IntN(2) == 0 {
				all = append(all, word(random))
			}
		}
		texts = append(texts, strings.Join(all, []string{" ", "\n", "  "}[random.IntN(3)]))
	}
	return texts
}

// What Substrings guarantees, against all pairs of words compared one by one.
func TestSubstringsGuarantee(t *testing.T) {
	dir := t.TempDir()
	const edge = 15
	cut := 0
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		n := 16 + random.IntN(20)
		texts := pieced(random, 2+random.IntN(6))
		got := removals(t, anyhow(t, dedup.Substrings{Words: int64(n)}, dir), texts)

		var all [][]string // words by document
		for _, text := range texts {
			all = append(all, strings.Fields(text)) // of letters only: words.Simple's too
		}
		for b, mine := range all {
			may := make([]bool, len(mine))  // in a run of n that was there before
			must := make([]bool, len(mine)) // by the guarantee
			for a := 0; a <= b; a++ {
				for i := range mine {
					for j := range all[a] {
						if a == b && j >= i {
							break
						}
						length := 0
						for i+length < len(mine) && j+length < len(all[a]) && mine[i+length] == all[a][j+length] && (a < b || j+length < i) {
							length++
						}
						if length >= n {
							for k := i; k < i+length; k++ {
								may[k] = true
							}
						}
						for k := i + edge; length >= n+edge && k < i+length-edge; k++ {
							must[k] = true
						}
					}
				}
			}
			in := marked(texts[b], got[b])
			at := 0
			for k, w := range mine {
				at += strings.Index(texts[b][at:], w)
				if in[at] {
					cut++
					require.True(t, may[k], "word %d of %q was not there before: n is %d of %q", k, texts[b], n, texts)
				}
				require.False(t, must[k] && !in[at], "word %d of %q was not found: n is %d of %q", k, texts[b], n, texts)
				at += len(w)
			}
		}
	})
	require.NotZero(t, cut)
	nothingLeft(t, dir)
}

// Neither workers nor memory change the result, nor does what is not natural.
func TestRepeatsDoNotDependOnWorkers(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.StringOfN(rapid.RuneFrom([]rune("ab. \n")), 0, 200, -1)), 0, 20).Draw(t, "texts")
		texts = append(texts, texts...)
		for _, level := range []dedup.Level{dedup.Lines{MinChars: 1}, dedup.Sentences{Span: 1}, dedup.Substrings{Words: 16}} {
			require.Equal(t, removals(t, dedup.Repeats{Level: level, Dir: dir, Workers: 1}, texts), removals(t, anyhow(t, level, dir), texts))
		}
	})
	nothingLeft(t, dir)
}

func TestRepeatsEndWithTheirContext(t *testing.T) {
	dir := t.TempDir()
	for _, when := range []string{"adding", "removals", "never added"} {
		ctx, cancel := context.WithCancel(context.Background())
		s, err := dedup.Repeats{Level: dedup.DefaultLines(), Dir: dir, Workers: 3, SpillBytes: 100_000}.Search(ctx)
		require.NoError(t, err)
		text := strings.ReplaceAll(prose(rand.New(rand.NewPCG(1, 1)), 300_000), ". ", ".\n")
		for i := range 100 {
			if err = s.Add(text); err != nil {
				break
			}
			if i == 10 && when == "adding" {
				cancel()
			}
			if i == 3 && when == "never added" {
				break
			}
			if i == 20 && when == "removals" {
				break
			}
		}
		switch when {
		case "adding":
			require.ErrorIs(t, err, context.Canceled)
		case "removals":
			require.NoError(t, err)
			for _, err = range s.Removals() {
				cancel()
			}
			require.ErrorIs(t, err, context.Canceled)
			for _, err = range s.Removals() {
				require.ErrorIs(t, err, context.Canceled)
			}
		}
		require.NoError(t, s.Close())
		cancel()
	}
	nothingLeft(t, dir)
	_, err := dedup.Repeats{Level: dedup.DefaultLines(), Dir: dir + "/nowhere"}.Search(context.Background())
	require.ErrorContains(t, err, "temporary files are in "+dir+"/nowhere: free room there")
	_, err = dedup.Repeats{Level: dedup.Lines{}}.Search(context.Background())
	require.ErrorContains(t, err, "min_chars is 0")
}

// What is written is less than what was read.
func TestRepeatsTakeLessRoomThanTheText(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	var texts []string
	size := int64(0)
	for range 200 {
		text := strings.ReplaceAll(prose(random, 1000+random.IntN(4000)), ". ", ".\n")
		texts = append(texts, text, text)
		size += 2 * int64(len(text))
	}
	short := strings.Repeat("a line of 20 letters\n", 200) // the worst that DefaultLines looks at
	for level, want := range map[dedup.Level]struct {
		texts []string
		most  float64
	}{
		dedup.DefaultLines():      {texts, 0.5},
		dedup.DefaultSentences():  {texts, 0.5},
		dedup.DefaultSubstrings(): {texts, 0.6},
		dedup.Lines{MinChars: 20}: {[]string{short, short, short}, 0.8},
	} {
		s, err := dedup.Repeats{Level: level, Dir: t.TempDir()}.Search(context.Background())
		require.NoError(t, err)
		size := 0
		for _, text := range want.texts {
			size += len(text)
			require.NoError(t, s.Add(text))
		}
		for _, err := range s.Removals() {
			require.NoError(t, err)
		}
		require.Less(t, float64(s.Bytes())/float64(size), want.most, "%#v", level)
		t.Logf("%#v: %.2f of the text", level, float64(s.Bytes())/float64(size))
		require.NoError(t, s.Close())
	}
}
