package s3embed

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTrailerGolden(t *testing.T) {
	m := meta{ETag: []byte{1, 2, 3}, Headers: map[string]string{"Content-Type": "text/plain"}, Parts: []int64{5, 6}}
	file, err := appendTrailer([]byte("hello world"), m)
	require.NoError(t, err)
	require.Equal(t, "68656c6c6f20776f726c64"+
		hex.EncodeToString([]byte(`{"etag":"AQID","headers":{"Content-Type":"text/plain"},"parts":[5,6]}`))+
		"45000000"+"3dc5228a"+hex.EncodeToString([]byte("mrs3obj1")), hex.EncodeToString(file))
	got, size, err := readTrailer(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	require.Equal(t, int64(11), size)
	require.Equal(t, m, got)

	// Much metadata does not fit into the first read.
	m.Headers["X-Amz-Meta-Long"] = string(bytes.Repeat([]byte("x"), 5000))
	file, err = appendTrailer([]byte("hello"), m)
	require.NoError(t, err)
	got, size, err = readTrailer(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	require.Equal(t, int64(5), size)
	require.Equal(t, m, got)

	// Every single damaged byte of the trailer is noticed.
	for i := 5; i < len(file); i++ {
		bad := bytes.Clone(file)
		bad[i] ^= 0x10
		_, _, err := readTrailer(bytes.NewReader(bad), int64(len(bad)))
		require.ErrorIs(t, err, errTrailer, "byte %d", i)
	}
	for n := range len(file) {
		_, _, err := readTrailer(bytes.NewReader(file[:n]), int64(n))
		require.Error(t, err, "cut to %d bytes", n)
	}
}

func FuzzTrailer(f *testing.F) {
	good, err := appendTrailer([]byte("data"), meta{ETag: []byte{9}})
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte{})
	f.Add([]byte("\xff\xff\xff\xff\x00\x00\x00\x00mrs3obj1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, size, err := readTrailer(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if size < 0 || size > int64(len(b))-footerSize {
			t.Fatalf("%d of %d bytes are said to be the object's", size, len(b))
		}
		again, err := appendTrailer(bytes.Clone(b[:size]), m)
		if err != nil {
			t.Fatal(err)
		}
		m2, size2, err := readTrailer(bytes.NewReader(again), int64(len(again)))
		require.NoError(t, err)
		require.Equal(t, size, size2)
		require.Equal(t, m.ETag, m2.ETag)
		require.Equal(t, m.Parts, m2.Parts)
	})
}
