package safetensors

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"millrace/trainer/model/stored"
)

// Names of files in a folder as transformers has them.
const (
	ModelFile = "model.safetensors"
	IndexFile = "model.safetensors.index.json"
)

// ShardBytes is the size above which Hugging Face's tools divide a model.
const ShardBytes = 5_000_000_000

// maxShards bounds the files of one model, maxIndex the bytes of its index.
const (
	maxShards = 10_000
	maxIndex  = maxHeader
)

// index is model.safetensors.index.json.
type index struct {
	Metadata struct {
		TotalSize int64 `json:"total_size"`
	} `json:"metadata"`
	WeightMap map[string]string `json:"weight_map"`
}

// Shards divides tensors, in their order, into files of at most limit bytes of tensors, or of one tensor that is greater.
func Shards(tensors []stored.Tensor, limit int64) [][]stored.Tensor {
	var shards [][]stored.Tensor
	size := int64(0)
	for _, t := range tensors {
		if len(shards) == 0 || size+t.Size() > limit {
			shards, size = append(shards, nil), 0
		}
		last := len(shards) - 1
		shards[last] = append(shards[last], t)
		size += t.Size()
	}
	return shards
}

// ShardFile is the name of shard i of n, counted from 0.
func ShardFile(i, n int) string { return fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, n) }

// Index is the model.safetensors.index.json of shards.
func Index(shards [][]stored.Tensor) []byte {
	var x index
	x.WeightMap = map[string]string{}
	for i, shard := range shards {
		for _, t := range shard {
			x.WeightMap[t.Name] = ShardFile(i, len(shards))
			x.Metadata.TotalSize += t.Size()
		}
	}
	b, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		panic(err) // a struct of numbers and strings always marshals
	}
	return append(b, '\n')
}

// OpenShards reads the headers of the files that an index names, by open. Every tensor has to be in the file, and only in the file, that the
// index says. The tensors come in the order of the files' names and of their bytes. Errors about the content wrap ErrFormat.
func OpenShards(raw []byte, open func(name string) (io.ReaderAt, int64, error)) ([]stored.Tensor, error) {
	if len(raw) > maxIndex {
		return nil, broken("an index of %d bytes is over the limit of %d", len(raw), maxIndex)
	}
	var x index
	if err := json.Unmarshal(raw, &x); err != nil {
		return nil, broken("index: %w", err)
	}
	if len(x.WeightMap) == 0 || len(x.WeightMap) > maxTensors {
		return nil, broken("the index names %d tensors; 1 to %d are taken", len(x.WeightMap), maxTensors)
	}
	distinct := map[string]bool{}
	for _, f := range x.WeightMap {
		distinct[f] = true
	}
	if len(distinct) > maxShards {
		return nil, broken("the index names %d files, more than %d", len(distinct), maxShards)
	}
	files := slices.Sorted(maps.Keys(distinct))
	var all []stored.Tensor
	for _, name := range files {
		if name == "" || strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") {
			return nil, broken("the index names the file %.80q, which is not one beside it", name)
		}
		r, size, err := open(name)
		if err != nil {
			return nil, fmt.Errorf("safetensors: %s: %w", name, err)
		}
		tensors, _, err := Open(r, size)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, t := range tensors {
			if in := x.WeightMap[t.Name]; in != name {
				return nil, broken("%q is in %s; the index says %.80q", t.Name, name, in)
			}
		}
		all = append(all, tensors...)
	}
	if len(all) != len(x.WeightMap) {
		found := map[string]bool{}
		for _, t := range all {
			found[t.Name] = true
		}
		for name, file := range x.WeightMap {
			if !found[name] {
				return nil, broken("the index says that %q is in %s; it is not", name, file)
			}
		}
	}
	return all, nil
}
