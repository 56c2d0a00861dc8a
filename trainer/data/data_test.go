package data_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"millrace/trainer/data"
	"pgregory.net/rapid"
)

func TestShardsReadAsOneText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all data.IDs
		var shards []data.Tokens
		for range rapid.IntRange(1, 5).Draw(t, "shards") {
			ids := rapid.SliceOfN(rapid.Int32Range(0, 65535), 0, 20).Draw(t, "ids")
			all = append(all, ids...)
			var b []byte
			dtype := rapid.SampledFrom([]string{"uint16", "uint32"}).Draw(t, "dtype")
			for _, id := range ids {
				if dtype == "uint16" {
					b = binary.LittleEndian.AppendUint16(b, uint16(id))
				} else {
					b = binary.LittleEndian.AppendUint32(b, uint32(id))
				}
			}
			s, err := data.Bytes(b, dtype)
			if err != nil {
				t.Fatal(err)
			}
			shards = append(shards, s)
		}
		j := data.Concat(shards...)
		if j.Len() != all.Len() {
			t.Fatalf("%d tokens, want %d", j.Len(), all.Len())
		}
		at := rapid.Int64Range(0, all.Len()).Draw(t, "at")
		n := rapid.Int64Range(0, all.Len()-at).Draw(t, "n")
		got := make([]int32, n)
		if err := j.Read(got, at); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, []int32(all[at:at+n])) {
			t.Fatalf("%d from %d: %v, want %v", n, at, got, all[at:at+n])
		}
		if err := j.Read(make([]int32, all.Len()-at+1), at); err == nil {
			t.Fatal("a read beyond the end succeeded")
		}
	})
}

func TestBadShardsAreRefused(t *testing.T) {
	for want, f := range map[string]func() error{
		`dtype "int8"`: func() error { _, err := data.Bytes(nil, "int8"); return err },
		"3 bytes":      func() error { _, err := data.Bytes(make([]byte, 3), "uint16"); return err },
		"is not an id": func() error {
			s, err := data.Bytes([]byte{0, 0, 0, 0x80}, "uint32")
			if err != nil {
				return err
			}
			return s.Read(make([]int32, 1), 0)
		},
		"fewer than one window": func() error { _, err := data.NewSampler(data.IDs{1, 2}, 2, data.Epoch, 0); return err },
		"data.order":            func() error { _, err := data.NewSampler(data.IDs{1, 2, 3}, 2, "sorted", 0); return err },
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func count(n int) data.IDs {
	ids := make(data.IDs, n)
	for i := range ids {
		ids[i] = int32(i)
	}
	return ids
}

func TestEpochShowsEveryWindowOnce(t *testing.T) {
	const n, length = 103, 4 // 25 windows
	s, err := data.NewSampler(count(n), length, data.Epoch, 5)
	if err != nil {
		t.Fatal(err)
	}
	if s.Windows() != 25 {
		t.Fatalf("%d windows", s.Windows())
	}
	ids, targets := make([]int32, length), make([]int32, length)
	var orders [][]int32
	for epoch := range int64(3) {
		var order []int32
		for i := range s.Windows() {
			if err := s.Sample(ids, targets, epoch*s.Windows()+i); err != nil {
				t.Fatal(err)
			}
			for j := range ids {
				if targets[j] != ids[j]+1 || ids[j] != ids[0]+int32(j) {
					t.Fatalf("ids %v, targets %v", ids, targets)
				}
			}
			order = append(order, ids[0]/length)
		}
		orders = append(orders, slices.Clone(order))
		slices.Sort(order)
		for i, w := range order {
			if w != int32(i) {
				t.Fatalf("epoch %d showed windows %v", epoch, order)
			}
		}
	}
	if slices.Equal(orders[0], orders[1]) || slices.IsSorted(orders[0]) {
		t.Errorf("orders %v", orders)
	}
}

func TestSamplesAreAFunctionOfSeedAndNumber(t *testing.T) {
	for _, order := range []string{data.Epoch, data.Random} {
		sample := func(seed uint64, i int64) []int32 {
			s, err := data.NewSampler(count(5000), 7, order, seed)
			if err != nil {
				t.Fatal(err)
			}
			ids, targets := make([]int32, 7), make([]int32, 7)
			if err := s.Sample(ids, targets, i); err != nil {
				t.Fatal(err)
			}
			return ids
		}
		same := 0
		for i := range int64(50) {
			if !slices.Equal(sample(1, i), sample(1, i)) {
				t.Errorf("%s: sample %d changed", order, i)
			}
			if slices.Equal(sample(1, i), sample(2, i)) {
				same++
			}
		}
		if same > 3 {
			t.Errorf("%s: two seeds agree on %d of 50 samples", order, same)
		}
	}
}

// Every start is reachable, the last included.
func TestRandomReachesBothEnds(t *testing.T) {
	s, err := data.NewSampler(count(8), 5, data.Random, 1) // starts 0, 1, 2
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int32]bool{}
	ids, targets := make([]int32, 5), make([]int32, 5)
	for i := range int64(60) {
		if err := s.Sample(ids, targets, i); err != nil {
			t.Fatal(err)
		}
		seen[ids[0]] = true
	}
	if len(seen) != 3 || !seen[0] || !seen[2] {
		t.Errorf("starts seen: %v", seen)
	}
}
