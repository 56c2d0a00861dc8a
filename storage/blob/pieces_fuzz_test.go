package blob

import (
	"errors"
	"testing"
)

// FuzzPieces: a list that is accepted adds up, and one that is not is corrupt.
func FuzzPieces(f *testing.F) {
	d := DigestOf([]byte("piece"))
	f.Add([]byte(`{"format":"millrace.pieces.v1","size":5,"pieces":[{"digest":"` + string(d) + `","size":5}]}`))
	f.Add([]byte(`{"format":"millrace.pieces.v1","size":7,"rest":{"digest":"` + string(d) + `","size":2},"pieces":[{"size":1},{"digest":"` + string(d) + `","size":5},{"size":1}]}`))
	f.Add([]byte(`{"format":"millrace.pieces.v1","size":9223372036854775807,"pieces":[{"size":9223372036854775807},{"size":1}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := parsePieces(raw)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		sum, rest := int64(0), int64(0)
		for _, x := range p.Pieces {
			sum += x.Size
			if x.Digest == "" {
				rest += x.Size
			}
		}
		if sum != p.Size || rest > maxRest || (rest > 0) != (p.Rest != nil && p.Rest.Size == rest) && p.Rest != nil && p.Rest.Size != 0 {
			t.Fatalf("%+v", p)
		}
		for _, r := range p.refs() {
			if r.Digest.Key() == "" {
				t.Fatalf("%+v", p)
			}
		}
	})
}
