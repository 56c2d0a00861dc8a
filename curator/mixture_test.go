package curator_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"millrace/curator"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// sourcesOf makes folders a, b, … of so many documents of different lengths; a text begins with its source's name.
func sourcesOf(t *rapid.T, dir string, sizes []int) []curator.Source {
	var sources []curator.Source
	for i, n := range sizes {
		name := string(rune('a' + i))
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(path, 0o755))
		for j := range n {
			text := fmt.Sprintf("%s %d %s", name, j, strings.Repeat("x", rapid.IntRange(0, 400).Draw(t, "length")))
			require.NoError(t, os.WriteFile(filepath.Join(path, fmt.Sprintf("%03d.txt", j)), []byte(text), 0o644))
		}
		sources = append(sources, curator.Source{Folder: path})
	}
	return sources
}

func counts(texts []string) map[string]int {
	out := map[string]int{}
	for _, t := range texts {
		out[t]++
	}
	return out
}

func TestMixtureReachesItsShares(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		require.NoError(rt, err)
		r := recipe(sourcesOf(rt, dir, rapid.SliceOfN(rapid.IntRange(4, 25), 2, 4).Draw(rt, "documents"))...)
		r.HeldOut = rapid.SampledFrom([]float64{0, 0.3}).Draw(rt, "held out")
		r.HeldOutBy = rapid.SampledFrom([]string{curator.ByDocument, curator.ByTail}).Draw(rt, "by")
		var sink memory
		plain, err := curator.Curator{Sink: &sink}.Run(context.Background(), r)
		if errors.Is(err, curator.ErrSplitEmpty) {
			return
		}
		require.NoError(rt, err)
		before := texts(rt, &sink, plain, curator.Train)
		available := map[string]int64{}
		longest := 0
		for _, text := range before {
			available[text[:1]] += int64(len(text))
			longest = max(longest, len(text))
		}
		how := &curator.Mixture{Sources: map[string]curator.Share{}}
		weights, weighed, total := 0.0, int64(0), 0.0
		want := map[string]float64{}
		for i := range r.Sources {
			name := string(rune('a' + i))
			switch rapid.IntRange(0, 2).Draw(rt, "share of "+name) {
			case 0:
				how.Sources[name] = curator.Share{Weight: rapid.Float64Range(0.1, 3).Draw(rt, "weight")}
				weights += how.Sources[name].Weight
				weighed += available[name]
			case 1:
				how.Sources[name] = curator.Share{Epochs: rapid.Float64Range(0.1, 4).Draw(rt, "epochs")}
				want[name] = math.Floor(float64(available[name]) * how.Sources[name].Epochs) // whole bytes, as the curator shares them out
			default:
				want[name] = float64(available[name])
			}
			total += want[name]
		}
		if len(how.Sources) == 0 {
			return
		}
		free := float64(weighed)
		if weights > 0 && rapid.Bool().Draw(rt, "a total") {
			how.TotalBytes = int64(total) + int64(rapid.IntRange(1, 30_000).Draw(rt, "total"))
			free = float64(how.TotalBytes) - total
		}
		for name, share := range how.Sources {
			if share.Weight > 0 {
				want[name] = free * share.Weight / weights
				if available[name] == 0 {
					return // an error of its own
				}
			}
		}
		r.Mixture = how
		sink = memory{}
		m, err := curator.Curator{Sink: &sink, Workers: rapid.IntRange(1, 3).Draw(rt, "workers")}.Run(context.Background(), r)
		if errors.Is(err, curator.ErrSplitEmpty) || errors.Is(err, curator.ErrRecipe) {
			return // nothing is as small as what was asked for, or no source is there a hundred times
		}
		require.NoError(rt, err)
		parsed, err := curator.ParseManifest(m.JSON())
		require.NoError(rt, err)
		require.Equal(rt, m.Digest(), parsed.Digest())

		got := texts(rt, &sink, m, curator.Train)
		reached := map[string]int64{}
		for _, text := range got {
			reached[text[:1]] += int64(len(text))
		}
		for _, s := range m.Mixture {
			require.InDelta(rt, want[s.Source], float64(reached[s.Source]), float64(longest)+1, "%s", s.Source)
			require.LessOrEqual(rt, float64(reached[s.Source]), want[s.Source]+1)
			require.Equal(rt, reached[s.Source], s.Bytes)
			require.Equal(rt, available[s.Source], s.Available)
			require.Equal(rt, s.Bytes+s.Copies, s.Tokens, "bytes are tokens here")
		}
		times := counts(got)
		fewest, most := map[string]int{}, map[string]int{}
		for _, text := range before {
			n := times[text]
			if _, ok := fewest[text[:1]]; !ok {
				fewest[text[:1]] = n
			}
			fewest[text[:1]], most[text[:1]] = min(fewest[text[:1]], n), max(most[text[:1]], n)
			delete(times, text)
		}
		require.Empty(rt, times, "nothing that was not there before")
		for name := range most {
			require.LessOrEqual(rt, most[name]-fewest[name], 1, "%s", name)
		}
		if r.HeldOut > 0 {
			held := texts(rt, &sink, m, curator.HeldOut)
			plainly, _ := plain.Split(curator.HeldOut)
			kept, _ := m.Split(curator.HeldOut)
			require.Equal(rt, plainly, kept, "what is held out does not depend on the mixture")
			for _, text := range held {
				require.NotContains(rt, got, text)
			}
		}

		if r.HeldOutBy == curator.ByDocument {
			slices.Reverse(r.Sources)
			var turned memory
			again, err := curator.Curator{Sink: &turned}.Run(context.Background(), r)
			require.NoError(rt, err)
			require.ElementsMatch(rt, got, texts(rt, &turned, again, curator.Train), "the order of sources chooses nothing")
		}
	})
}

// Nobody learns from a text that follows itself: a document comes again when all others have been there.
func TestMixtureRepeatsFarApart(t *testing.T) {
	r := recipe(curator.Source{Name: "x", Folder: many(t, 40)})
	r.HeldOut = 0
	r.Mixture = &curator.Mixture{Sources: map[string]curator.Share{"x": {Epochs: 2.5}}}
	var sink memory
	m, err := curator.Curator{Sink: &sink}.Run(context.Background(), r)
	require.NoError(t, err)
	got := texts(t, &sink, m, curator.Train)
	require.Equal(t, got[:40], got[40:80])
	require.Len(t, counts(got[80:]), len(got)-80)
	require.Equal(t, []curator.Mixed{{Source: "x", Requested: 1, Share: 1, Available: m.Mixture[0].Available, Bytes: m.Splits[0].Bytes, Tokens: m.Splits[0].Tokens,
		Documents: 40, Copies: int64(len(got))}}, m.Mixture)
	require.InDelta(t, 2.5, float64(m.Mixture[0].Bytes)/float64(m.Mixture[0].Available), 0.03)

	r.Mixture.Sources["x"] = curator.Share{Epochs: 100}
	m, err = curator.Curator{Sink: &sink}.Run(context.Background(), r)
	require.NoError(t, err)
	require.EqualValues(t, 4000, m.Splits[0].Documents)
}

func TestMixtureErrors(t *testing.T) {
	dir := many(t, 20)
	for mixture, want := range map[string]string{
		"{sources: {}}":                                             "sources is empty",
		"{sources: {y: {weight: 1}}}":                               `there is no source "y"`,
		"{sources: {x: {}}}":                                        "want one of weight and epochs",
		"{sources: {x: {weight: 1, epochs: 1}}}":                    "want one of weight and epochs",
		"{sources: {x: {weight: -1}}}":                              "weight is -1",
		"{sources: {x: {epochs: 101}}}":                             "epochs is 101",
		"{sources: {x: {epochs: 1}}, total_bytes: 5}":               "no source has one",
		"{sources: {x: {weight: 1}}, total_bytes: -1}":              "total_bytes is -1",
		"{sources: {x: {wieght: 1}}}":                               `mixture.sources.x.wieght is not a known key`,
		"{sources: {x: {weight: 1}}, total_bytes: 100000000000000}": "more than 100 times the same",
	} {
		r, err := curator.ParseRecipe(fmt.Appendf(nil, "name: x\nsources: [{name: x, folder: %q}]\ntokenizer: {kind: byte}\nmixture: %s\n", dir, mixture))
		if err == nil {
			_, err = curator.Curator{Sink: &memory{}}.Run(context.Background(), r)
		}
		require.ErrorIs(t, err, curator.ErrRecipe, mixture)
		require.ErrorContains(t, err, want, mixture)
	}
	_, err := curator.ParseRecipe([]byte("name: x\nsources: [{name: x, folder: y}]\nmixture: {sources: {x: {weight: .nan}}}\n"))
	require.ErrorIs(t, err, curator.ErrRecipe)
}
