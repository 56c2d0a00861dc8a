package dedup_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"millrace/curator/corpus"
	"millrace/curator/dedup"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// search runs one over texts, whose ids are their positions.
func search(t require.TestingT, how dedup.MinHash, texts []string) []dedup.Verdict {
	s, err := how.Search(context.Background())
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	for i, text := range texts {
		d := corpus.New(i%3, fmt.Sprint(i), text)
		d.Ordinal = int64(2 * i)
		require.NoError(t, s.Add(d, nil))
	}
	var out []dedup.Verdict
	for v, err := range s.Verdicts() {
		require.NoError(t, err)
		out = append(out, v)
	}
	require.Len(t, out, len(texts))
	return out
}

// clustersOf is the slow and obvious answer: signatures compared pair by pair, clusters painted one after another.
func clustersOf(texts []string) []int {
	first := make([]int, len(texts))
	keys := make([][dedup.Bands]uint64, len(texts))
	signed := make([]bool, len(texts))
	s := dedup.NewSigner()
	for i, text := range texts {
		var sig dedup.Signature
		signed[i] = s.Sign(&sig, text)
		keys[i] = sig.BandKeys()
		first[i] = -1
	}
	linked := func(a, b int) bool {
		if !signed[a] || !signed[b] {
			return signed[a] == signed[b] && strings.Join(strings.Fields(texts[a]), " ") == strings.Join(strings.Fields(texts[b]), " ")
		}
		for i := range keys[a] {
			if keys[a][i] == keys[b][i] {
				return true
			}
		}
		return false
	}
	for i := range texts {
		if first[i] >= 0 {
			continue
		}
		first[i] = i
		for paint := []int{i}; len(paint) > 0; {
			a := paint[0]
			paint = paint[1:]
			for b := range texts {
				if first[b] < 0 && linked(a, b) {
					first[b] = i
					paint = append(paint, b)
				}
			}
		}
	}
	return first
}

// family makes texts of which many are alike: each is new, or an earlier one with some words changed.
func family(random *rand.Rand, n int) []string {
	var texts []string
	for range n {
		var words []string
		switch kind := random.IntN(5); {
		case kind == 0 || len(texts) == 0:
			for range random.IntN(60) {
				words = append(words, word(random))
			}
		case kind == 1:
			for range random.IntN(4) {
				words = append(words, string(rune('a'+random.IntN(2))))
			}
		default:
			words = strings.Fields(texts[random.IntN(len(texts))])
			for range random.IntN(4) {
				if len(words) > 0 {
					words[random.IntN(len(words))] = word(random)
				}
			}
		}
		texts = append(texts, strings.Join(words, []string{" ", "\n", ", "}[random.IntN(3)]))
	}
	return texts
}

func TestSearchIsTheObviousAnswer(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		texts := family(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), rapid.IntRange(0, 80).Draw(t, "documents"))
		want := clustersOf(texts)
		how := dedup.MinHash{Dir: dir, Workers: rapid.IntRange(1, 5).Draw(t, "workers"), SpillBytes: rapid.Int64Range(0, 20_000).Draw(t, "spill")}
		got := search(t, how, texts)
		for i, v := range got {
			require.Equal(t, fmt.Sprint(i), v.Doc.ID)
			require.EqualValues(t, 2*i, v.Doc.Ordinal)
			require.Equal(t, i%3, v.Doc.Source)
			require.EqualValues(t, len(texts[i]), v.Bytes)
			require.Equal(t, corpus.New(0, "", texts[i]).Digest, v.Doc.Digest)
			if want[i] == i {
				require.Nil(t, v.Of)
				require.Empty(t, v.Why)
				continue
			}
			require.NotNil(t, v.Of, "%d repeats %d", i, want[i])
			require.Equal(t, fmt.Sprint(want[i]), v.Of.ID)
			require.Equal(t, corpus.New(0, "", texts[want[i]]).Digest, v.Of.Digest)
		}
		one := search(t, dedup.MinHash{Dir: dir, Workers: 1}, texts)
		require.Equal(t, one, got, "workers and memory change nothing")
	})
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "temporary files stay")
}

func TestVerdictsSayWhy(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	text := prose(random, 6000)
	words := strings.Fields(text)
	changed := slices.Clone(words)
	changed[500] = "elsewhere"
	got := search(t, dedup.MinHash{Dir: t.TempDir()}, []string{
		text, prose(random, 3000), text, strings.ToUpper(text), strings.Join(changed, " "), "Of few words", "Of  few\nwords ", "of few words", "", " ",
	})
	whys := map[int]corpus.Why{}
	for i, v := range got {
		if v.Of != nil {
			whys[i] = v.Why
		}
	}
	near := whys[4].Value
	require.InDelta(t, 1-10.0/float64(len(words)), near, 0.02, "5 of the shingles on each side differ")
	require.Equal(t, map[int]corpus.Why{
		2: {Reason: dedup.Duplicate, Value: float64(len(text))},
		3: {Reason: dedup.NearDuplicate, Value: 1, Limit: dedup.Threshold},
		4: {Reason: dedup.NearDuplicate, Value: near, Limit: dedup.Threshold},
		6: {Reason: dedup.Duplicate, Value: 14},
		9: {Reason: dedup.Duplicate, Value: 1},
	}, whys)
	require.InDelta(t, 1.0/dedup.Bands, math.Pow(dedup.Threshold, dedup.BandHashes), 1e-12)
}

func TestSearchEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	for _, when := range []string{"adding", "verdicts", "never added"} {
		ctx, cancel := context.WithCancel(context.Background())
		s, err := dedup.MinHash{Dir: dir, Workers: 3}.Search(ctx)
		require.NoError(t, err)
		random := rand.New(rand.NewPCG(1, 1))
		for i := range 100 {
			if err = s.Add(corpus.New(0, fmt.Sprint(i), prose(random, 20_000)), nil); err != nil {
				break
			}
			if i == 30 && when == "adding" {
				cancel()
			}
			if i == 3 && when == "never added" {
				break
			}
		}
		switch when {
		case "adding":
			require.ErrorIs(t, err, context.Canceled)
		case "verdicts":
			require.NoError(t, err)
			for _, err = range s.Verdicts() {
				cancel()
			}
			require.ErrorIs(t, err, context.Canceled)
		}
		require.NoError(t, s.Close())
		cancel()
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestSearchNamesTheDisk(t *testing.T) {
	_, err := dedup.MinHash{Dir: t.TempDir() + "/nowhere"}.Search(context.Background())
	require.ErrorContains(t, err, "nowhere")
	require.ErrorContains(t, err, "TMPDIR")
}

func TestSearchRefusesAnEndlessID(t *testing.T) {
	s, err := dedup.MinHash{Dir: t.TempDir()}.Search(context.Background())
	require.NoError(t, err)
	require.ErrorContains(t, s.Add(corpus.New(0, strings.Repeat("x", 1<<20+1), "text"), nil), "the limit is 1048576")
	require.NoError(t, s.Close())
}
