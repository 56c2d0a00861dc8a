package blob

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// The SHA-256 of "abc" is in FIPS 180-4's examples.
const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

func TestDigestGolden(t *testing.T) {
	d := DigestOf([]byte("abc"))
	require.Equal(t, Digest("sha256:"+abc), d)
	require.Equal(t, abc, d.Hex())
	require.Equal(t, "sha256/ba/"+abc, d.Key())
	j, err := json.Marshal(Ref{d, 3})
	require.NoError(t, err)
	require.Equal(t, `{"digest":"sha256:`+abc+`","size":3}`, string(j))
}

func FuzzDigest(f *testing.F) {
	for _, s := range []string{"", "sha256:", "sha256:" + abc, "SHA256:" + abc, "sha256:" + abc + "0", "sha256/ba/" + abc, "sha256/bb/" + abc, "sha256/ba/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDigest(s)
		if err == nil {
			back, ok := digestOfKey(d.Key(), digestDir)
			if string(d) != s || !ok || back != d || len(d.Hex()) != 64 {
				t.Fatalf("%q is read as %q, its key %q as %q", s, d, d.Key(), back)
			}
		} else if Digest(s).Key() != "" {
			t.Fatalf("%q is no digest and has the key %q", s, Digest(s).Key())
		}
		if d, ok := digestOfKey(s, digestDir); ok && d.Key() != s {
			t.Fatalf("key %q is taken for %q, whose key is %q", s, d, d.Key())
		}
	})
}

func TestPartSize(t *testing.T) {
	require.Zero(t, partSizeFor(multipartFrom-1))
	for _, size := range []int64{multipartFrom, 1 << 30, 320 << 30, 1 << 40, maxSize} {
		p := partSizeFor(size)
		require.GreaterOrEqual(t, p, int64(minPartSize))
		require.LessOrEqual(t, (size+p-1)/p, int64(maxParts), "%d bytes in parts of %d", size, p)
		require.LessOrEqual(t, p, int64(5<<30), "S3's largest part")
	}
}
