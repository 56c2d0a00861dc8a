package curator_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"

	"millrace/curator"
	"millrace/curator/attribute"
	"millrace/curator/corpus"
	"millrace/curator/measure"

	"github.com/stretchr/testify/require"
)

// recorded is a dataset of so many documents as far as questions about them go: what is stored of decisions, and no shards.
func recorded(b *testing.B, documents int) curator.Dataset {
	r, err := curator.ParseRecipe([]byte(`{"name": "x", "sources": [{"name": "web", "folder": "web"}], "filters": {"gopher_quality": {}, "gopher_repetition": {}}, "attributes": true}`))
	require.NoError(b, err)
	m := curator.Manifest{Recipe: r, RecipeDigest: r.Digest()}
	var sink memory
	header := attribute.NewHeader(m.RecipeDigest, []string{"web"})
	w := attribute.NewWriter(header)
	var x attribute.Indexer
	defer x.Close()
	put := func(name string, data []byte) curator.AttributeBlob {
		d, err := sink.Put(context.Background(), name, data)
		require.NoError(b, err)
		return curator.AttributeBlob{Digest: d, Documents: w.Documents(), Size: int64(len(data))}
	}
	for i := range documents {
		doc := attribute.Record{ID: fmt.Sprintf("part-%04d.jsonl#%d", i/1000, i%1000), Bytes: 3000, Measured: true}
		doc.Digest = sha256.Sum256([]byte(doc.ID))
		for v := range doc.Values {
			doc.Values[v] = int64(doc.Digest[v%32]) * 3
		}
		doc.Values[measure.Chars] = 3000
		if doc.Digest[0] < 128 {
			doc.Why = corpus.Why{Reason: "gopher_quality.min_words", Value: 13, Limit: 50}
		}
		w.Add(doc)
		key := attribute.DocumentKey("web", doc.ID)
		require.NoError(b, x.Add(attribute.Entry{Key: key, Kind: attribute.Number, Value: uint64(i)}))
		require.NoError(b, x.Add(attribute.TextEntry(doc.Digest, attribute.AsRead, key)))
		if len(w.Bytes()) > 8<<20 || i == documents-1 {
			m.Attributes = append(m.Attributes, put("attributes", w.Bytes()))
			w = attribute.NewWriter(header)
		}
	}
	for part, err := range x.Blobs(context.Background(), m.RecipeDigest) {
		require.NoError(b, err)
		blob := put("index", part.Data)
		m.AttributeIndex = append(m.AttributeIndex, curator.IndexBlob{Digest: blob.Digest, First: fmt.Sprintf("%016x", uint64(part.First)), Size: blob.Size})
	}
	return sink.dataset(m)
}

const recordedDocuments = 500_000

func BenchmarkWhy(b *testing.B) {
	set := recorded(b, recordedDocuments)
	b.ReportMetric(float64(len(set.Manifest.Attributes)), "blobs")
	for i := 0; b.Loop(); i++ {
		found, err := set.Why(context.Background(), fmt.Sprintf("part-%04d.jsonl#%d", i*7%500, i%1000))
		require.NoError(b, err)
		require.Len(b, found, 1)
	}
}

func BenchmarkRedecide(b *testing.B) {
	set := recorded(b, recordedDocuments)
	other := set.Manifest.Recipe.Filters
	quality := *other.GopherQuality
	quality.MinWords = 300
	other.GopherQuality = &quality
	for b.Loop() {
		_, err := set.Redecide(context.Background(), other, nil)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.N)*recordedDocuments/b.Elapsed().Seconds(), "documents/s")
}
