package token

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// MinVocabSize is the smallest BPE vocabulary: 256 bytes and <|endoftext|>.
const MinVocabSize = 257

// MaxVocabSize bounds a vocabulary; the largest in public use have about 260,000 tokens.
const MaxVocabSize = 1 << 20

// Trainer learns a BPE vocabulary. The zero value but for VocabSize works.
//
// The rule: of all adjacent pairs of tokens inside the pre-tokens of Pattern, merge the most frequent, everywhere; of
// equally frequent ones the pair whose left id is lower, then the one whose right id is lower; repeat. Ids are: 256 bytes in
// GPT-2's order, the merges in the order they were made, <|endoftext|>, then Special. The result depends on the multiset of
// pre-tokens only: not on Workers, nor on the order of documents.
type Trainer struct {
	// VocabSize is how many ids to make at most, the 256 bytes, <|endoftext|> and Special included.
	VocabSize int
	// Pattern cuts the text; empty means GPT2.
	Pattern Pattern
	// Special are the names of special tokens to add behind <|endoftext|>, as a chat template needs them.
	Special []string
	// MinPairCount stops training when the best pair is rarer than this; 0 means 2. A small text may thus give a
	// smaller vocabulary than was asked for.
	MinPairCount int64
	// Workers counts words in parallel; 0 means GOMAXPROCS.
	Workers int
	// Progress, when set, is called now and then from the goroutine that called Train.
	Progress func(TrainProgress)
}

// TrainProgress says how far training is. While documents are read only Bytes grows; then only Merges.
type TrainProgress struct {
	Bytes       int64 // of text read
	UniqueWords int   // distinct pre-tokens; 0 while they are counted
	Merges      int   // made so far
	WantMerges  int   // to make, unless the text runs out of pairs
}

// Sizes of what is handed to a counting worker, and how often progress is told.
const (
	chunkBytes    = 64 << 10
	batchBytes    = 1 << 20
	progressEvery = 64 // merges
)

// Train reads docs once. A document's end is a word boundary. It returns ctx's error when that ends first.
func (tr Trainer) Train(ctx context.Context, docs iter.Seq[string]) (*BPE, error) {
	if tr.Pattern == "" {
		tr.Pattern = GPT2
	}
	if err := tr.Pattern.Check(); err != nil {
		return nil, err
	}
	if least := MinVocabSize + len(tr.Special); tr.VocabSize < least || tr.VocabSize > MaxVocabSize {
		return nil, fmt.Errorf("token: vocab_size %d: want %d to %d", tr.VocabSize, least, MaxVocabSize)
	}
	special := append([]string{EndOfText}, tr.Special...)
	for i, name := range special {
		if name == "" || slices.Contains(special[:i], name) {
			return nil, fmt.Errorf("token: special token %q is empty or there twice", name)
		}
	}
	words, err := tr.countWords(ctx, docs)
	if err != nil {
		return nil, err
	}
	level := newByteLevel()
	tokens := make([][]byte, 256, tr.VocabSize)
	for id, b := range level.order {
		tokens[id] = []byte{b}
	}
	merges, err := tr.learn(ctx, words, level)
	if err != nil {
		return nil, err
	}
	for _, m := range merges {
		tokens = append(tokens, append(append([]byte(nil), tokens[m[0]]...), tokens[m[1]]...))
	}
	parts := bpeParts{pattern: tr.Pattern, special: make(map[int32]string, len(special)), merges: merges}
	for _, name := range special {
		parts.special[int32(len(tokens))] = name
		tokens = append(tokens, nil)
	}
	parts.tokens = tokens
	return newBPE(parts)
}

// wordCounts counts pre-tokens. The pointer saves hashing a known word twice.
type wordCounts map[string]*int64

func (w wordCounts) add(text string, scan func(string) int) {
	for len(text) > 0 {
		n := scan(text)
		if count, ok := w[text[:n]]; ok {
			*count++
		} else {
			one := int64(1)
			w[strings.Clone(text[:n])] = &one
		}
		text = text[n:]
	}
}

// countWords counts the pre-tokens of docs with several workers, each into a table of its own; sums do not depend on who
// counted what.
func (tr Trainer) countWords(ctx context.Context, docs iter.Seq[string]) (wordCounts, error) {
	workers := tr.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	scan := tr.Pattern.scanner()
	batches := make(chan []string, workers)
	tables := make([]wordCounts, workers)
	var wg sync.WaitGroup
	for i := range tables {
		tables[i] = wordCounts{}
		wg.Go(func() {
			for batch := range batches {
				for _, text := range batch {
					tables[i].add(text, scan)
				}
			}
		})
	}
	var batch []string
	var size int
	var p TrainProgress
	flush := func() {
		if len(batch) == 0 {
			return
		}
		batches <- batch
		p.Bytes += int64(size)
		batch, size = nil, 0
		tr.tell(p)
	}
	for text := range docs {
		if ctx.Err() != nil {
			break
		}
		for part := range Chunks(text, chunkBytes) {
			batch = append(batch, part)
			if size += len(part); size >= batchBytes {
				flush()
			}
		}
	}
	flush()
	close(batches)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("token: training stopped while counting words: %w", err)
	}
	all := tables[0]
	for _, table := range tables[1:] {
		for word, n := range table {
			if count, ok := all[word]; ok {
				*count += *n
			} else {
				all[word] = n
			}
		}
	}
	return all, nil
}

// least is MinPairCount, or what it is by default.
func (tr Trainer) least() int64 {
	if tr.MinPairCount <= 0 {
		return 2
	}
	return tr.MinPairCount
}

func (tr Trainer) tell(p TrainProgress) {
	if tr.Progress != nil {
		tr.Progress(p)
	}
}

// learn makes the merges of the words.
func (tr Trainer) learn(ctx context.Context, words wordCounts, level *byteLevel) ([][2]int32, error) {
	m, err := newMerger(words, level)
	if err != nil {
		return nil, err
	}
	p := TrainProgress{UniqueWords: len(words), WantMerges: tr.VocabSize - MinVocabSize - len(tr.Special)}
	for _, w := range m.words {
		p.Bytes += w.count * int64(w.size)
	}
	least := tr.least()
	merges := make([][2]int32, 0, p.WantMerges)
	for len(merges) < p.WantMerges {
		if len(merges)%progressEvery == 0 {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("token: training stopped after %d merges: %w", len(merges), err)
			}
			p.Merges = len(merges)
			tr.tell(p)
		}
		pair, ok := m.best(least)
		if !ok {
			break
		}
		m.merge(pair, int32(256+len(merges)))
		merges = append(merges, [2]int32{int32(pair >> 32), int32(uint32(pair))})
	}
	p.Merges = len(merges)
	tr.tell(p)
	return merges, nil
}

var errTooMuchText = errors.New("token: the distinct words of this text have more than 2³¹ bytes: train on a sample of it")

// word is a distinct pre-token: how often it occurs, and its length in bytes.
type word struct {
	count int64
	size  int32
}

// merger holds the distinct words as one array of symbols, linked inside each word. A merge turns the left symbol into
// the new one and unlinks the right, and only the places where the pair stands are visited: the whole training costs
// O(symbols · log) whatever the words look like.
//
// A pair can come into being only in the step that makes the newer of its two symbols, from left to right. So each
// pair's places are complete and in order once that step is over, and later its count only falls. That is why stale
// entries of the heap are always too high, and putting them back with the true count is enough.
type merger struct {
	words      []word
	symbols    []int32 // -1 where a symbol has become part of the one to its left
	wordOf     []int32
	prev, next []int32 // -1 at the ends of a word
	pairs      map[uint64]*pairStat
	heap       []rankedPair
}

type pairStat struct {
	count  int64
	places []int32 // of the left symbol; some may have gone
}

type rankedPair struct {
	count int64
	pair  uint64
}

func (a rankedPair) before(b rankedPair) bool {
	return a.count > b.count || a.count == b.count && a.pair < b.pair
}

func newMerger(words wordCounts, level *byteLevel) (*merger, error) {
	total := 0
	for w := range words {
		if total += len(w); total > math.MaxInt32 {
			return nil, errTooMuchText
		}
	}
	var idOf [256]int32
	for id, b := range level.order {
		idOf[b] = int32(id)
	}
	m := &merger{words: make([]word, 0, len(words)), symbols: make([]int32, total), wordOf: make([]int32, total),
		prev: make([]int32, total), next: make([]int32, total), pairs: map[uint64]*pairStat{}}
	at := int32(0)
	for w, count := range words {
		for i := range len(w) {
			m.symbols[at] = idOf[w[i]]
			m.wordOf[at] = int32(len(m.words))
			m.prev[at], m.next[at] = at-1, at+1
			at++
		}
		m.prev[at-int32(len(w))], m.next[at-1] = -1, -1
		m.words = append(m.words, word{*count, int32(len(w))})
	}
	for i, j := range m.next {
		if j >= 0 {
			m.add(pairKey(m.symbols[i], m.symbols[j]), int32(i))
		}
	}
	for pair, stat := range m.pairs {
		m.heap = pushHeap(m.heap, rankedPair{stat.count, pair})
	}
	return m, nil
}

func (m *merger) add(pair uint64, place int32) *pairStat {
	stat := m.pairs[pair]
	if stat == nil {
		stat = new(pairStat)
		m.pairs[pair] = stat
	}
	stat.count += m.words[m.wordOf[place]].count
	stat.places = append(stat.places, place)
	return stat
}

func (m *merger) drop(pair uint64, count int64) {
	if stat := m.pairs[pair]; stat != nil {
		stat.count -= count
	}
}

// best takes the most frequent pair off the heap; false when none occurs at least `least` times.
func (m *merger) best(least int64) (uint64, bool) {
	for len(m.heap) > 0 {
		var top rankedPair
		top, m.heap = popHeap(m.heap)
		stat := m.pairs[top.pair]
		if stat.count == top.count {
			return top.pair, top.count >= least
		}
		if stat.count >= least {
			m.heap = pushHeap(m.heap, rankedPair{stat.count, top.pair})
		} else {
			delete(m.pairs, top.pair)
		}
	}
	return 0, false
}

// merge replaces every occurrence of pair by id.
func (m *merger) merge(pair uint64, id int32) {
	left, right := int32(pair>>32), int32(uint32(pair))
	var fresh []uint64
	grow := func(p uint64, place int32) {
		if stat := m.add(p, place); len(stat.places) == 1 {
			fresh = append(fresh, p)
		}
	}
	for _, i := range m.pairs[pair].places {
		j := m.next[i]
		if m.symbols[i] != left || j < 0 || m.symbols[j] != right {
			continue
		}
		count := m.words[m.wordOf[i]].count
		if k := m.prev[i]; k >= 0 {
			m.drop(pairKey(m.symbols[k], left), count)
			grow(pairKey(m.symbols[k], id), k)
		}
		k := m.next[j]
		if k >= 0 {
			m.drop(pairKey(right, m.symbols[k]), count)
			grow(pairKey(id, m.symbols[k]), i)
			m.prev[k] = i
		}
		m.symbols[i], m.symbols[j], m.next[i] = id, -1, k
	}
	delete(m.pairs, pair)
	for _, p := range fresh {
		m.heap = pushHeap(m.heap, rankedPair{m.pairs[p].count, p})
	}
}
