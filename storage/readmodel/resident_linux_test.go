package readmodel

import (
	"bytes"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
)

// TestPagesThatAreLetGoOfAreReadAgain: fewer bytes count as this process's, while a reader goes on in the middle of them.
func TestPagesThatAreLetGoOfAreReadAgain(t *testing.T) {
	db, err := openBolt(filepath.Join(t.TempDir(), "model.db"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const size, count = 64 << 10, 512
	value := func(i int) []byte { return bytes.Repeat([]byte{byte(i), byte(i >> 8)}, size/2) }
	if err := db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("b"))
		for i := 0; i < count && err == nil; i++ {
			err = b.Put([]byte{byte(i >> 8), byte(i)}, value(i))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	n := 0
	see := func(each func()) {
		n = 0
		if err := db.View(func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("b")).ForEach(func(_, v []byte) error {
				if each(); !bytes.Equal(v, value(n)) {
					t.Errorf("value %d is another one", n)
				}
				n++
				return nil
			})
		}); err != nil || n != count {
			t.Fatal(n, err)
		}
	}
	see(func() {})
	before := residentPages()
	see(func() {
		if n == count/2 {
			if err := letGo(db); err != nil {
				t.Error(err)
			}
		}
	})
	if err := letGo(db); err != nil {
		t.Fatal(err)
	}
	if after := residentPages(); before-after < size*count/2 {
		t.Errorf("%d bytes of maps before, %d after letting go of %d", before, after, size*count)
	}
	see(func() {})
}
