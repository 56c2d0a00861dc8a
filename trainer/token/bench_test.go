package token_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"millrace/trainer/token"
)

// prose is text whose words are as unevenly used as in a language: n bytes, always the same.
func prose(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 30_000)
	for i := range words {
		w := make([]byte, 2+r.IntN(9))
		for j := range w {
			w[j] = "etaoinshrdlucmfwypvbgkqjxz"[int(26*math.Pow(r.Float64(), 2))]
		}
		words[i] = string(w)
	}
	zipf := rand.NewZipf(r, 1.1, 5, uint64(len(words)-1))
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(words[zipf.Uint64()])
		b.WriteString([]string{" ", " ", " ", " ", " ", " ", " ", ", ", ". ", "\n", fmt.Sprint(" ", r.IntN(2000), " ")}[r.IntN(11)])
	}
	return b.String()[:n]
}

func BenchmarkTrain(b *testing.B) {
	text := prose(10 << 20)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := (token.Trainer{VocabSize: 4096}).Train(context.Background(), slices.Values([]string{text})); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	text := prose(4 << 20)
	for _, p := range token.Patterns() {
		tok, err := token.Trainer{VocabSize: 4096, Pattern: p}.Train(context.Background(), slices.Values([]string{text}))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(string(p), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			var ids []int32
			for b.Loop() {
				ids, _ = tok.Append(ids[:0], text)
			}
			b.ReportMetric(float64(len(text))/float64(len(ids)), "bytes/token")
		})
	}
}

func BenchmarkSplit(b *testing.B) {
	text := prose(4 << 20)
	for _, p := range token.Patterns() {
		b.Run(string(p), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			n := 0
			for b.Loop() {
				for range p.Split(text) {
					n++
				}
			}
		})
	}
}

// BenchmarkEncodeNew encodes with an empty cache: every piece is merged.
func BenchmarkEncodeNew(b *testing.B) {
	text := prose(1 << 20)
	file := train(b, 4096, text).JSON()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		b.StopTimer()
		tok, err := token.Parse(file)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if _, err := token.Encode(tok, text); err != nil {
			b.Fatal(err)
		}
	}
}
