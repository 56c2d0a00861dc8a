package main

import (
	"encoding/json"
	"testing"

	"millrace/curator"
)

// What is typed as a source becomes the key of a recipe that reads it.
func TestSourcesAreReadByWhatTheyAreCalled(t *testing.T) {
	for path, key := range map[string]string{
		"/texts": "folder", "/a.jsonl": "jsonl", "/a.JSONL.gz": "jsonl", "/a.ndjson.zst": "jsonl", "/a.csv": "csv", "/a.tsv.gz": "csv", "/a.parquet": "parquet",
		"/a.warc.gz": "warc", "/a.wet": "warc", "s3://bucket/texts": "folder", "s3://bucket/a.jsonl.zst": "jsonl",
	} {
		raw, err := folderRecipe("x", []string{path}, nil, 0, 300, curator.ByDocument)
		if err != nil {
			t.Fatal(err)
		}
		var tree struct{ Sources []map[string]string }
		if err := json.Unmarshal(raw, &tree); err != nil || tree.Sources[0][key] != path {
			t.Errorf("%s: %s %v", path, raw, err)
		}
		if _, err := curator.ParseRecipe(raw); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
