package curator

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"millrace/curator/corpus"
	"millrace/curator/spool"
)

// Mixture says how much of each source a model is trained on. It decides after everything else, and about the training split only:
// what is held out is there once, whatever the mixture.
type Mixture struct {
	// Sources are the shares by source's name. A source that is not named is taken once.
	Sources map[string]Share `json:"sources"`
	// TotalBytes is how much text all sources shall have together, those without a weight included; 0 leaves those with a weight
	// as much, together, as they have.
	TotalBytes int64 `json:"total_bytes,omitempty"`
}

// Share is one source's part of a mixture: exactly one of Weight and Epochs.
type Share struct {
	// Weight is the source's part of what the sources with weights have together, in proportion to the others' weights.
	Weight float64 `json:"weight,omitempty"`
	// Epochs is how often the source is taken; 0.5 is half of it, 2.5 all of it twice and half of it once more.
	Epochs float64 `json:"epochs,omitempty"`
}

// maxEpochs is how often a document may be repeated. What was seen some four times teaches little more (arXiv:2305.16264).
const maxEpochs = 100

func (m *Mixture) check(names map[string]bool) error {
	if m == nil {
		return nil
	}
	if len(m.Sources) == 0 {
		return errors.New("sources is empty: give each source a weight, or epochs")
	}
	weights := false
	for _, name := range slices.Sorted(maps.Keys(m.Sources)) {
		s := m.Sources[name]
		switch {
		case !names[name]:
			return fmt.Errorf("there is no source %q", name)
		case (s.Weight != 0) == (s.Epochs != 0):
			return fmt.Errorf("%q: want one of weight and epochs", name)
		case !(s.Weight >= 0 && s.Weight <= 1e6):
			return fmt.Errorf("%q: weight is %v: want more than 0, to 1000000", name, s.Weight)
		case !(s.Epochs >= 0 && s.Epochs <= maxEpochs):
			return fmt.Errorf("%q: epochs is %v: want more than 0, to %d", name, s.Epochs, maxEpochs)
		}
		weights = weights || s.Weight > 0
	}
	switch {
	case m.TotalBytes < 0:
		return fmt.Errorf("total_bytes is %d: want 0 for as much as there is, or more", m.TotalBytes)
	case m.TotalBytes > 0 && !weights:
		return errors.New("total_bytes is shared out by weights, and no source has one")
	}
	return nil
}

// Mixed is what became of a source in a mixture: of the training split.
type Mixed struct {
	Source string `json:"source"`
	// Requested is the share of all text that the recipe asks for, Share the one that was reached.
	Requested float64 `json:"requested"`
	Share     float64 `json:"share"`
	Available int64   `json:"available"` // bytes of text before the mixture
	Bytes     int64   `json:"bytes"`     // of text, repeats included
	Tokens    int64   `json:"tokens"`    // with the <|endoftext|> after each document
	Documents int64   `json:"documents"` // different ones
	Copies    int64   `json:"copies"`    // documents, repeats included
}

// mix is a mixture that was worked out; nil takes everything once.
type mix struct {
	sources []mixed
	bytes   int64 // of the training split, about
}

// mixed is one source: every document so often, and once more those whose key is below.
type mixed struct {
	target float64 // bytes
	full   int64
	below  uint64
	Mixed
}

// weighed is a document of which it is to be decided how often it is taken.
type weighed struct {
	key  uint64
	size int64
}

// mixKey is by what documents are chosen: bytes 8 to 15 of the text's sha256, which have no say in what is held out.
func mixKey(d corpus.Doc) uint64 { return binary.BigEndian.Uint64(d.Digest[8:16]) }

// passes is how often documents are gone through.
func (m *mix) passes() int {
	if m == nil {
		return 1
	}
	most := int64(1) // the first, because of what is held out
	for i := range m.sources {
		most = max(most, m.sources[i].most())
	}
	return int(most)
}

// most is how often a document of the source is taken at most. It may be called while documents are counted.
func (s *mixed) most() int64 {
	if s.below > 0 {
		return s.full + 1
	}
	return s.full
}

// wanted is for the spool: the first pass wants everything, later ones what is repeated so often.
func (m *mix) wanted(pass int) spool.Wanted {
	if pass == 0 {
		return nil
	}
	return func(_, _ int64, low, high int) bool {
		for i := low; i <= high; i++ {
			if m.sources[i].most() > int64(pass) {
				return true
			}
		}
		return false
	}
}

// copies is how often a document is in the training split.
func (m *mix) copies(d corpus.Doc) int {
	if m == nil {
		return 1
	}
	s := &m.sources[d.Source]
	n := s.full
	if mixKey(d) < s.below {
		n++
	}
	return int(n)
}

// makeMix works the recipe's mixture out, for which it goes through the documents once, and holds 16 bytes of each.
func (w *work) makeMix(ctx context.Context) error {
	if w.recipe.Mixture == nil {
		return nil
	}
	docs := make([][]weighed, len(w.recipe.Sources))
	for p, err := range w.parts(ctx) {
		if err != nil {
			return err
		}
		if p.split == 0 {
			docs[p.doc.Source] = append(docs[p.doc.Source], weighed{mixKey(p.doc), int64(len(p.text))})
		}
	}
	m := &mix{sources: make([]mixed, len(docs))}
	for i, source := range docs {
		m.sources[i].Source = w.recipe.Sources[i].Name
		for _, d := range source {
			m.sources[i].Available += d.size
		}
	}
	if err := m.aim(*w.recipe.Mixture); err != nil {
		return fmt.Errorf("%w: mixture: %w", ErrRecipe, err)
	}
	total := 0.0
	for _, s := range m.sources {
		total += s.target
	}
	for i := range m.sources {
		s := &m.sources[i]
		if err := s.choose(docs[i]); err != nil {
			return fmt.Errorf("%w: mixture: %w", ErrRecipe, err)
		}
		s.Requested = s.target / total
	}
	m.bytes = int64(total)
	w.mix = m
	return nil
}

// aim says how many bytes of each source are wanted.
func (m *mix) aim(how Mixture) error {
	var byName []*mixed // so that the order of sources does not change a bit
	for i := range m.sources {
		byName = append(byName, &m.sources[i])
	}
	slices.SortFunc(byName, func(a, b *mixed) int { return cmp.Compare(a.Source, b.Source) })
	var weights, free, taken float64
	for _, s := range byName {
		share := how.Sources[s.Source]
		if share.Weight > 0 {
			weights += share.Weight
			free += float64(s.Available)
			continue
		}
		s.target = math.Floor(float64(s.Available) * cmp.Or(share.Epochs, 1))
		taken += s.target
	}
	if how.TotalBytes > 0 {
		if free = float64(how.TotalBytes) - taken; free <= 0 {
			return fmt.Errorf("total_bytes is %d, but the sources without a weight have %.0f already: more helps, or epochs below 1 for them", how.TotalBytes, taken)
		}
	}
	for _, s := range byName {
		if weight := how.Sources[s.Source].Weight; weight > 0 {
			s.target = math.Floor(free * weight / weights)
		}
	}
	if free+taken == 0 {
		return errors.New("no source has text to train on")
	}
	return nil
}

// choose says which documents get a source as near below its target as whole documents do: those with the lowest keys.
func (s *mixed) choose(docs []weighed) error {
	target := int64(s.target)
	if s.Available == 0 {
		if target > 0 {
			return fmt.Errorf("source %q has nothing to train on, and shall have %d bytes", s.Source, target)
		}
		return nil
	}
	if s.full = target / s.Available; target > maxEpochs*s.Available {
		return fmt.Errorf("source %q has %d bytes and shall have %d: that is more than %d times the same; give it less weight, or more text", s.Source, s.Available, target, maxEpochs)
	}
	left := target - s.full*s.Available
	slices.SortFunc(docs, func(a, b weighed) int { return cmp.Compare(a.key, b.key) })
	for i := 0; i < len(docs); {
		size, end := int64(0), i
		for ; end < len(docs) && docs[end].key == docs[i].key; end++ { // equal texts go together
			size += docs[end].size
		}
		if left -= size; left < 0 {
			s.below = docs[i].key
			return nil
		}
		i = end
	}
	return nil
}

// count counts a part of the training split that was encoded.
func (m *mix) count(source, copy int, bytes, tokens int64, last bool) {
	if m == nil {
		return
	}
	s := &m.sources[source].Mixed
	s.Bytes += bytes
	s.Tokens += tokens
	if last {
		s.Tokens++ // <|endoftext|>
		s.Copies++
		if copy == 0 {
			s.Documents++
		}
	}
}

// report is what the manifest says.
func (m *mix) report() []Mixed {
	if m == nil {
		return nil
	}
	var out []Mixed
	total := int64(0)
	for _, s := range m.sources {
		total += s.Bytes
	}
	for _, s := range m.sources {
		s.Share = float64(s.Bytes) / float64(max(total, 1))
		out = append(out, s.Mixed)
	}
	return out
}
