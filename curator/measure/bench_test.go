package measure_test

import (
	"bytes"
	"go/build"
	"os"
	"path/filepath"
	"testing"

	"millrace/curator/measure"
	"millrace/curator/words"
)

// texts are the documents of Go's own distribution, as far as they are there.
func texts(b *testing.B) (list []string, size int64) {
	for _, pattern := range []string{"src/*/doc.go", "src/*/*.go", "doc/*", "*.md"} {
		paths, err := filepath.Glob(filepath.Join(build.Default.GOROOT, pattern))
		if err != nil {
			b.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil || size > 8<<20 {
				continue
			}
			list = append(list, string(bytes.ToValidUTF8(data, nil)))
			size += int64(len(data))
		}
	}
	if len(list) == 0 {
		b.Skip("no Go distribution here")
	}
	return list, size
}

// BenchmarkMeasure takes all measurements of Go's sources on one core, C4's rewriting included.
func BenchmarkMeasure(b *testing.B) {
	list, size := texts(b)
	for _, splitter := range []string{words.Simple, words.Whitespace} {
		b.Run(splitter, func(b *testing.B) {
			m := measure.New(options(b, splitter))
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				for _, text := range list {
					m.Measure(text)
				}
			}
		})
	}
}
