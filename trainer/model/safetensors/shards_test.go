package safetensors_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"millrace/trainer/model/safetensors"
	"millrace/trainer/model/stored"
	"pgregory.net/rapid"
)

func named(n int) []stored.Tensor {
	var all []stored.Tensor
	for i := range n {
		x := make([]float32, 8*(i%3+1))
		for j := range x {
			x[j] = float32(i*100+j) / 4
		}
		t := stored.Of(x, fmt.Sprintf("t%d", i), i%3+1, 8)
		d := []stored.DType{stored.F32, stored.F16, stored.BF16}[i%3]
		t, err := t.As(d)
		if err != nil {
			panic(err)
		}
		all = append(all, t)
	}
	return all
}

// files writes shards and gives what opens them.
func files(t interface{ Fatal(...any) }, shards [][]stored.Tensor) (map[string][]byte, func(string) (io.ReaderAt, int64, error)) {
	all := map[string][]byte{}
	for i, s := range shards {
		var b bytes.Buffer
		if _, err := safetensors.Write(&b, map[string]string{"format": "pt"}, s); err != nil {
			t.Fatal(err)
		}
		all[safetensors.ShardFile(i, len(shards))] = b.Bytes()
	}
	return all, func(name string) (io.ReaderAt, int64, error) {
		b, ok := all[name]
		if !ok {
			return nil, 0, fmt.Errorf("no file %s", name)
		}
		return bytes.NewReader(b), int64(len(b)), nil
	}
}

func TestShardsComeBackBitForBit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tensors := named(rapid.IntRange(1, 9).Draw(t, "tensors"))
		shards := safetensors.Shards(tensors, int64(rapid.IntRange(1, 300).Draw(t, "limit")))
		_, open := files(t, shards)
		got, err := safetensors.OpenShards(safetensors.Index(shards), open)
		if err != nil || len(got) != len(tensors) {
			t.Fatalf("%d of %d tensors: %v", len(got), len(tensors), err)
		}
		for i := range got {
			a, err := got[i].Bytes()
			b, err2 := tensors[i].Bytes()
			if err := errors.Join(err, err2); err != nil || got[i].Name != tensors[i].Name || got[i].DType != tensors[i].DType || !bytes.Equal(a, b) {
				t.Fatalf("%s %s, want %s %s: %v", got[i].Name, got[i].DType, tensors[i].Name, tensors[i].DType, err)
			}
		}
	})
}

func TestLyingIndexesAreRefused(t *testing.T) {
	shards := safetensors.Shards(named(4), 100)
	if len(shards) < 2 {
		t.Fatal(len(shards))
	}
	all, open := files(t, shards)
	index := string(safetensors.Index(shards))
	first, second := safetensors.ShardFile(0, len(shards)), safetensors.ShardFile(1, len(shards))
	for want, raw := range map[string]string{
		"not one beside it":   strings.ReplaceAll(index, first, "../"+first),
		"index says":          strings.Replace(index, `"t0": "`+first, `"t0": "`+second, 1),
		"it is not":           strings.Replace(index, `"t0"`, `"t99": "`+first+`", "t0"`, 1),
		"names 0 tensors":     `{"weight_map": {}}`,
		"no file":             strings.ReplaceAll(index, first, "other.safetensors"),
		"invalid character":   `{"weight_map":` + "\x00",
		"cannot unmarshal":    `[]`,
		`"t0" is in model-00`: strings.Replace(index, `"t0": "`+first+`",`, "", 1),
	} {
		if _, err := safetensors.OpenShards([]byte(raw), open); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	all[second] = all[second][:len(all[second])-1]
	if _, err := safetensors.OpenShards([]byte(index), open); !errors.Is(err, safetensors.ErrFormat) {
		t.Errorf("a file cut short: %v", err)
	}
}

// A file of another length than its header says is refused before its tensors are read.
func TestOpenComparesTheLength(t *testing.T) {
	var b bytes.Buffer
	if _, err := safetensors.Write(&b, nil, named(3)); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{-1, 1} {
		raw := append(bytes.Clone(b.Bytes()), 0)[:b.Len()+n]
		if _, _, err := safetensors.Open(bytes.NewReader(raw), int64(len(raw))); !errors.Is(err, safetensors.ErrFormat) {
			t.Errorf("%+d bytes: %v", n, err)
		}
	}
	if _, err := safetensors.Write(io.Discard, nil, []stored.Tensor{{Name: "q", DType: stored.Q8_0, Shape: []int{32}}}); err == nil {
		t.Error("Q8_0 was written")
	}
	lying := stored.Of([]float32{1}, "x", 1)
	lying.Shape = []int{2}
	if _, err := safetensors.Write(io.Discard, nil, []stored.Tensor{lying}); err == nil {
		t.Error("a tensor that writes less than it says")
	}
}

func FuzzOpenShards(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":4},"weight_map":{"a":"model-00001-of-00001.safetensors"}}`), []byte(file(`{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, "1234")))
	f.Add([]byte(`{"weight_map":{"a":"x","b":"x"}}`), []byte(file(`{"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]},"b":{"dtype":"F16","shape":[0],"data_offsets":[2,2]}}`, "12")))
	f.Fuzz(func(t *testing.T, index, raw []byte) {
		tensors, err := safetensors.OpenShards(index, func(string) (io.ReaderAt, int64, error) { return bytes.NewReader(raw), int64(len(raw)), nil })
		if err != nil {
			return
		}
		for _, x := range tensors {
			if b, err := x.Bytes(); err != nil || int64(len(b)) != x.Size() {
				t.Fatalf("%s: %d bytes: %v", x.Name, len(b), err)
			}
		}
	})
}
