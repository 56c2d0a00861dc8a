package event_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"millrace/event"
)

func recordOf(t testing.TB, seq uint64, e event.Event) event.Record {
	t.Helper()
	headers, body, err := event.Encode(event.Envelope{ID: "id-1", Source: "/test", Time: time.Unix(1_790_000_000, 0), Event: e})
	if err != nil {
		t.Fatal(err)
	}
	r := event.Record{Seq: seq, Subject: e.Subject(), Body: body}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		r.Attributes = append(r.Attributes, event.Attribute{Name: name, Value: headers[name]})
	}
	return r
}

// TestRecordBytes pins the form in which archives keep facts.
func TestRecordBytes(t *testing.T) {
	r := event.Record{Seq: 300, Subject: "millrace.run.r.deleted", Body: []byte(`{"run":"r"}`), Attributes: []event.Attribute{{"ce-id", "id-1"}, {"ce-specversion", "1.0"}}}
	const want = "43" + // 67 bytes follow
		"ac02" + "16" + "6d696c6c726163652e72756e2e722e64656c65746564" + // 300, millrace.run.r.deleted
		"02" + "05" + "63652d6964" + "04" + "69642d31" + // two: ce-id, id-1
		"0e" + "63652d7370656376657273696f6e" + "03" + "312e30" + // ce-specversion, 1.0
		"7b2272756e223a2272227d" // {"run":"r"}
	if got := hex.EncodeToString(event.AppendRecord(nil, r)); got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}

func TestRecordsOfEveryFactReadBack(t *testing.T) {
	var all []byte
	for i, e := range event.Examples() {
		all = event.AppendRecord(all, recordOf(t, uint64(i+1), e))
	}
	for i, e := range event.Examples() {
		r, rest, err := event.ParseRecord(all)
		if err != nil {
			t.Fatal(err)
		}
		all = rest
		want := recordOf(t, uint64(i+1), e)
		is, err := r.Decode()
		if !reflect.DeepEqual(r, want) || err != nil || is.Seq != uint64(i+1) || is.ID != "id-1" || is.Event.Type() != e.Type() || r.ID() != "id-1" {
			t.Fatalf("%+v %v, want %+v", is, err, want)
		}
	}
	if len(all) != 0 {
		t.Fatalf("%d bytes are left", len(all))
	}
}

func FuzzParseRecord(f *testing.F) {
	for i, e := range event.Examples() {
		f.Add(event.AppendRecord(nil, recordOf(f, uint64(i), e)))
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{4, 1, 0, 64, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, rest, err := event.ParseRecord(b)
		if err != nil {
			if !errors.Is(err, event.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		again, left, err := event.ParseRecord(event.AppendRecord(nil, r))
		if err != nil || len(left) != 0 || again.Seq != r.Seq || again.Subject != r.Subject || !slices.Equal(again.Attributes, r.Attributes) || !bytes.Equal(again.Body, r.Body) {
			t.Fatalf("%+v became %+v: %v", r, again, err)
		}
		if len(rest) >= len(b) {
			t.Fatal("nothing was read")
		}
	})
}
