package keeper_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"millrace/event"
	"millrace/services/keeper"
)

const digestA = "sha256:6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"

// Golden bytes of what is stored: docs/formats/archive.md.
const (
	goldenCatalogue = `{"format":"millrace.archive.v1","log":"MILLRACE@2026-11-01T12:00:00Z","segments":[{"first":1,"last":1,"facts":1,"from":"2026-11-01T12:00:01Z","until":"2026-11-01T12:00:01Z",` +
		`"records":{"digest":"` + digestA + `","size":150},"subjects":{"digest":"` + digestA + `","size":40}}]}`
	goldenHeader = `{"format":"millrace.snapshot.v1","layout":2,"log":"MILLRACE@2026-11-01T12:00:00Z","place":7,"fact":"id","bytes":65536,"piece":4194304,` +
		`"sha256":"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"}`
	goldenSegment = "6d72736567" + "00010a" + // "mrseg" 0 1 "\n", then records
		"2f" + "01" + "16" + "6d696c6c726163652e72756e2e722e64656c65746564" + "01" + "05" + "63652d6964" + "04" + "69642d31" + "7b2272756e223a2272227d"
)

func packedGolden(t testing.TB) []byte {
	t.Helper()
	raw, err := hex.DecodeString(goldenSegment)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	return enc.EncodeAll(raw, nil)
}

func TestGoldenBytesAreRead(t *testing.T) {
	var got []event.Record
	if err := keeper.ReadSegment(packedGolden(t), func(r event.Record) error {
		got = append(got, r)
		return nil
	}); err != nil || len(got) != 1 || got[0].Seq != 1 || got[0].Subject != "millrace.run.r.deleted" || got[0].ID() != "id-1" || string(got[0].Body) != `{"run":"r"}` {
		t.Errorf("%+v %v", got, err)
	}
	if c, err := keeper.ParseCatalogue([]byte(goldenCatalogue)); err != nil || c.Through() != 1 || c.Segments[0].Records.Size != 150 {
		t.Errorf("%+v %v", c, err)
	}
	if h, err := keeper.ParseHeader([]byte(goldenHeader)); err != nil || h.Place != 7 || h.Layout != 2 {
		t.Errorf("%+v %v", h, err)
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	for name, raw := range map[string]string{
		"no JSON":        "x",
		"another format": strings.Replace(goldenCatalogue, "archive.v1", "archive.v2", 1),
		"no log":         strings.Replace(goldenCatalogue, "MILLRACE@2026-11-01T12:00:00Z", "", 1),
		"a gap":          strings.Replace(goldenCatalogue, `"segments":[`, `"segments":[{"first":5,"last":9,"facts":1,"records":{"digest":"`+digestA+`"},"subjects":{"digest":"`+digestA+`"}},`, 1),
		"no digest":      strings.Replace(goldenCatalogue, digestA, "sha256:x", 1),
		"backwards":      strings.Replace(goldenCatalogue, `"last":1`, `"last":0`, 1),
	} {
		if _, err := keeper.ParseCatalogue([]byte(raw)); !errors.Is(err, keeper.ErrArchive) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, raw := range map[string]string{
		"no JSON":        "x",
		"another format": strings.Replace(goldenHeader, "snapshot.v1", "snapshot.v2", 1),
		"no bytes":       strings.Replace(goldenHeader, "65536", "0", 1),
		"many pieces":    strings.Replace(goldenHeader, "4194304", "1", 1),
		"no sum":         strings.Replace(goldenHeader, "6e34", "", 1),
	} {
		if _, err := keeper.ParseHeader([]byte(raw)); !errors.Is(err, keeper.ErrSnapshot) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadSegment(f *testing.F) {
	f.Add(packedGolden(f))
	f.Add([]byte("nonsense"))
	f.Fuzz(func(t *testing.T, b []byte) {
		last := uint64(0)
		err := keeper.ReadSegment(b, func(r event.Record) error {
			if r.Seq <= last {
				t.Fatalf("place %d after %d", r.Seq, last)
			}
			last = r.Seq
			return nil
		})
		if err != nil && !errors.Is(err, keeper.ErrArchive) {
			t.Fatal(err)
		}
	})
}

func FuzzParseCatalogue(f *testing.F) {
	f.Add([]byte(goldenCatalogue))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := keeper.ParseCatalogue(b)
		if err != nil && !errors.Is(err, keeper.ErrArchive) {
			t.Fatal(err)
		}
		for i, s := range c.Segments {
			if s.Last < s.First || i > 0 && s.First != c.Segments[i-1].Last+1 {
				t.Fatalf("%+v", c)
			}
		}
	})
}

func FuzzParseHeader(f *testing.F) {
	f.Add([]byte(goldenHeader))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := keeper.ParseHeader(b); err != nil && !errors.Is(err, keeper.ErrSnapshot) {
			t.Fatal(err)
		}
	})
}
