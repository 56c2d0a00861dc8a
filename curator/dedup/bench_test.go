package dedup_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"millrace/curator/corpus"
	"millrace/curator/dedup"
)

// prose is text of about size bytes with the word lengths of English.
func prose(random *rand.Rand, size int) string {
	var b strings.Builder
	for b.Len() < size {
		for range 1 + random.IntN(8) {
			b.WriteByte(byte('a' + random.IntN(26)))
		}
		switch random.IntN(12) {
		case 0:
			b.WriteString(". The ")
		case 1:
			b.WriteString(", ")
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// BenchmarkSign is one core. datatrove's stage 1 has 0.8 to 0.9 MB/s in its users' reports.
func BenchmarkSign(b *testing.B) {
	text := prose(rand.New(rand.NewPCG(1, 1)), 4000)
	s := dedup.NewSigner()
	var sig dedup.Signature
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s.Sign(&sig, text)
	}
}

func BenchmarkSimplify(b *testing.B) {
	text := prose(rand.New(rand.NewPCG(1, 1)), 4000)
	for name, text := range map[string]string{"ascii": text, "accents": strings.ReplaceAll(text, "e", "é"), "han": strings.Repeat("我们都喜欢读书。", 200)} {
		b.Run(name, func(b *testing.B) {
			var buf []byte
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				buf = dedup.Simplify(buf[:0], text)
			}
		})
	}
}

// BenchmarkSearch is everything, on all cores: signatures, spilling, merging, verdicts; every fifth document is a near
// duplicate. Memory does not grow with the corpus but for 4 bytes a document.
func BenchmarkSearch(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 1))
	var docs []corpus.Doc
	var size int64
	for i := range 2000 {
		text := prose(random, 500+random.IntN(6000))
		if i%5 == 4 {
			text = docs[random.IntN(i)].Text + " once more"
		}
		docs = append(docs, corpus.New(0, fmt.Sprint(i), text))
		size += int64(len(text))
	}
	dir := b.TempDir()
	b.SetBytes(size)
	for b.Loop() {
		s, err := dedup.MinHash{Dir: dir}.Search(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		for _, d := range docs {
			if err := s.Add(d, nil); err != nil {
				b.Fatal(err)
			}
		}
		found := 0
		for v, err := range s.Verdicts() {
			if err != nil {
				b.Fatal(err)
			}
			if v.Of != nil {
				found++
			}
		}
		if found < 350 {
			b.Fatalf("%d of 400 near duplicates were found", found)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// corpusOf is documents of about 3 KB, of which every fifth repeats an earlier one but for white space.
func corpusOf(n int) (docs []corpus.Doc, size int64) {
	random := rand.New(rand.NewPCG(1, 1))
	for i := range n {
		text := prose(random, 500+random.IntN(6000))
		if i%5 == 4 {
			text = " " + docs[random.IntN(i)].Text
		}
		docs = append(docs, corpus.New(0, fmt.Sprint(i), text))
		size += int64(len(text))
	}
	return docs, size
}

// BenchmarkExact is everything, on all cores.
func BenchmarkExact(b *testing.B) {
	docs, size := corpusOf(20_000)
	dir := b.TempDir()
	for _, spill := range []int64{0, 64 << 10} {
		b.Run(fmt.Sprint("spill=", spill), func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				s, err := dedup.Exact{Dir: dir, SpillBytes: spill}.Search(context.Background())
				if err != nil {
					b.Fatal(err)
				}
				for _, d := range docs {
					if err := s.Add(d, nil); err != nil {
						b.Fatal(err)
					}
				}
				found := 0
				for v, err := range s.Verdicts() {
					if err != nil {
						b.Fatal(err)
					}
					if v.Of != nil {
						found++
					}
				}
				if found < 4000 {
					b.Fatalf("%d of 4000 duplicates were found", found)
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRepeats is each level on all cores, from texts to what is left of them. Every fifth document repeats an earlier one
// but for a few words.
func BenchmarkRepeats(b *testing.B) {
	docs, size := corpusOf(5000)
	var texts []string
	for i, d := range docs {
		text := strings.ReplaceAll(d.Text, ". ", ".\n")
		if i%5 == 4 {
			text = text[:len(text)/2] + " changed " + text[len(text)/2:]
		}
		texts = append(texts, text)
	}
	dir := b.TempDir()
	for name, level := range map[string]dedup.Level{"lines": dedup.DefaultLines(), "sentences": dedup.DefaultSentences(), "substrings": dedup.DefaultSubstrings()} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				s, err := dedup.Repeats{Level: level, Dir: dir}.Search(context.Background())
				if err != nil {
					b.Fatal(err)
				}
				for _, text := range texts {
					if err := s.Add(text); err != nil {
						b.Fatal(err)
					}
				}
				found := 0
				for r, err := range s.Removals() {
					if err != nil {
						b.Fatal(err)
					}
					if _, _, err := dedup.Cut(level, texts[r.Document], r.Ranges); err != nil {
						b.Fatal(err)
					}
					found++
				}
				b.ReportMetric(float64(s.Bytes())/float64(size), "spilled/byte")
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				if found < 900 {
					b.Fatalf("pieces of %d of 1000 documents were found", found)
				}
			}
		})
	}
}
