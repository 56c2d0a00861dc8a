package readmodel_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
)

func goldenRun() readmodel.Run {
	at := func(s int64) time.Time { return time.Unix(s, 0).UTC() }
	joules := event.Number(8)
	return readmodel.Run{
		ID: "r", Seq: 300, Kind: event.Train, Status: event.Running, Archived: true, Starred: true, Name: "n", Note: "o", By: "b", Experiment: "x",
		SpecDigest: "s", Branch: &event.Branch{From: "p", Kind: event.Fork}, Tags: map[string]string{"k": "v"}, Labels: []string{"l"},
		CreatedAt: at(1), StartedAt: at(2), UpdatedAt: at(3), Steps: 7,
		Attempts: []readmodel.Attempt{{Attempt: 1, Worker: "w"}}, Spec: event.Spec{Inputs: []event.Input{{Role: "d", Digest: "h", Name: "m"}}},
		Spent: []readmodel.Spending{{ResourcesSpent: event.ResourcesSpent{Device: event.Device{Kind: "g", Name: "H", Count: 2}, Seconds: 1, Joules: &joules, Tokens: 5}, At: at(4)}},
		Kept:  readmodel.Kept{Bytes: 6, ByteSeconds: 0.5, At: at(5)},
	}
}

// TestGoldenHead pins what lies in files: a change is a new version and a rebuild.
func TestGoldenHead(t *testing.T) {

	for _, c := range []struct {
		name      string
		got, want string
	}{
		{"head", hex.EncodeToString(readmodel.GoldenHead(goldenRun(), time.Unix(9, 5).UTC())), goldenHead},
		{"config", hex.EncodeToString(readmodel.GoldenFlat(`{"b":{"c":[1,"x"]},"a":null}`)), "01" + "61" + "04" + "6e756c6c" + "05" + "622e632e30" + "01" + "31" + "05" + "622e632e31" + "03" + "227822"},
	} {
		if c.got != c.want {
			t.Errorf("%s is\n%s, want\n%s", c.name, c.got, c.want)
		}
	}
}

func FuzzDecodeHead(f *testing.F) {
	f.Add(readmodel.GoldenHead(goldenRun(), time.Unix(9, 5).UTC()))
	f.Add(readmodel.GoldenHead(readmodel.Run{ID: "r"}, time.Time{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		again, err := readmodel.RecodeHead(b)
		if err != nil {
			if !errors.Is(err, readmodel.ErrHead) {
				t.Fatal(err)
			}
			return
		}
		third, err := readmodel.RecodeHead(again)
		if err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%x then %x, error %v", again, third, err)
		}
	})
}

func FuzzDecodeConfig(f *testing.F) {
	f.Add(readmodel.GoldenFlat(`{"b":{"c":[1,"x"]},"a":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		again, err := readmodel.RecodeFlat(b)
		if err != nil {
			if !errors.Is(err, readmodel.ErrFlat) {
				t.Fatal(err)
			}
			return
		}
		if third, err := readmodel.RecodeFlat(again); err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%x then %x, error %v", again, third, err)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add("AAAAAAIBAQ", uint8(0))
	f.Add("AAAAAAMBYQIB", uint8(1))
	f.Fuzz(func(t *testing.T, s string, keys uint8) {
		again, err := readmodel.RecodeCursor(s, int(keys%9))
		if err != nil {
			if !errors.Is(err, readmodel.ErrBadQuery) {
				t.Fatal(err)
			}
			return
		}
		if third, err := readmodel.RecodeCursor(again, int(keys%9)); err != nil || third != again {
			t.Fatalf("%q then %q, error %v", again, third, err)
		}
	})
}

// goldenHead: flags; id; seq; kind; status; created, started, ended, updated, progressed, worked, since; steps; heartbeat; name, note, by, experiment, spec, parent, relation;
// tags; labels; workers; inputs; spendings.
const goldenHead = "26" + "0172" + "ac02" + "05747261696e" + "0772756e6e696e67" +
	"80897a" + "8092f401" + "ffffddf2dfffdfdc01" + "809bee02" + "ffffddf2dfffdfdc01" + "00" + "ffffddf2dfffdfdc01" + "0e" + "1205" +
	"016e" + "016f" + "0162" + "0178" + "0173" + "0170" + "04666f726b" + "02016b0176" + "01016c" + "010177" + "01016401680" + "16d" +
	"01" + "0167" + "0148" + "000000000000f03f" + "0000000000002040" + "0000000000000000" + "0000000000000000" + "0a000004" + "0800" +
	"0c" + "000000000000e03f" + "0a00"
