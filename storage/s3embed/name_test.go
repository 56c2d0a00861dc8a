package s3embed

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rclone/gofakes3"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestKeyPathGolden(t *testing.T) {
	for key, want := range map[string]string{
		"a":             "a.object",
		"a/b":           "a/b.object",
		"sha256/ab/ab1": "sha256/ab/ab1.object",
		"README.md":     "%52%45%41%44%4D%45.md.object",
		"/":             "%/%.object",
		"a//b":          "a/%/b.object",
		"../../etc":     "%2E./%2E./etc.object",
		".":             "%2E.object",
		"x.object":      "x%2Eobject.object",
		"x.object/y":    "x%2Eobject/y.object",
		"é %":           "%C3%A9%20%25.object",
		"a\x00b":        "a%00b.object",
	} {
		got, err := keyPath(key)
		require.NoError(t, err, "%q", key)
		require.Equal(t, filepath.FromSlash(want), got, "%q", key)
	}
	_, err := keyPath("")
	require.ErrorIs(t, err, errEmptyKey)
	_, err = keyPath(strings.Repeat("a", 241))
	require.ErrorIs(t, err, errLongSegment)
	_, err = keyPath(strings.Repeat("a", 240) + "/" + strings.Repeat("b", 240))
	require.NoError(t, err)
}

func FuzzSegment(f *testing.F) {
	for _, s := range []string{"", "a", ".", "..", "%", "x.object", ".object", "A", "é", "a b", "\x00", "%2E"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, seg string) {
		seg = strings.ReplaceAll(seg, "/", "")
		name := escapeSegment(seg)
		if name == "" || name == "." || name == ".." || strings.HasPrefix(name, ".") || strings.HasSuffix(name, objectSuffix) || strings.ContainsAny(name, "/\\\x00") || strings.ToLower(name) != name && !strings.Contains(name, "%") {
			t.Fatalf("%q becomes the unsafe name %q", seg, name)
		}
		back, ok := unescapeSegment(name)
		if !ok || back != seg {
			t.Fatalf("%q becomes %q and comes back as %q, %v", seg, name, back, ok)
		}
		// What is not a name that escapeSegment makes is refused, or is one.
		if s, ok := unescapeSegment(seg); ok && escapeSegment(s) != seg {
			t.Fatalf("%q is taken for the name of %q, whose name is %q", seg, s, escapeSegment(s))
		}
	})
}

func openDisk(t testing.TB) *disk {
	t.Helper()
	dir, err := openDirectory(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dir.close()) })
	d := &disk{directory: dir}
	require.NoError(t, d.CreateBucket(t.Context(), "bucket"))
	return d
}

// model is what S3's documentation says of a listing, in the plainest way.
func model(keys []string, prefix, delimiter, marker string, max int) (contents, groups []string, truncated bool) {
	slices.Sort(keys)
	for _, k := range slices.Compact(keys) {
		entry, group := k, false
		if !strings.HasPrefix(k, prefix) {
			continue
		}
		if delimiter != "" {
			if i := strings.Index(k[len(prefix):], delimiter); i >= 0 {
				entry, group = k[:len(prefix)+i+len(delimiter)], true
			}
		}
		if k <= marker || entry <= marker {
			continue
		}
		if group && slices.Contains(groups, entry) {
			continue
		}
		if len(contents)+len(groups) == max {
			return contents, groups, true
		}
		if group {
			groups = append(groups, entry)
		} else {
			contents = append(contents, k)
		}
	}
	return contents, groups, false
}

func TestListIsTheModel(t *testing.T) {
	d := openDisk(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		bucket := fmt.Sprint("bucket", n)
		require.NoError(rt, d.CreateBucket(t.Context(), bucket))
		key := rapid.StringMatching(`[ab./!~0AB]{1,6}`)
		keys := rapid.SliceOfN(key, 0, 8).Draw(rt, "keys")
		for _, k := range keys {
			_, err := d.PutObject(t.Context(), bucket, k, nil, strings.NewReader(k), int64(len(k)))
			require.NoError(rt, err, "%q", k)
		}
		prefix := rapid.StringMatching(`[ab./]{0,3}`).Draw(rt, "prefix")
		delimiter := rapid.SampledFrom([]string{"", "/", ".", "ab"}).Draw(rt, "delimiter")
		max := rapid.IntRange(1, 5).Draw(rt, "max")
		marker := rapid.OneOf(rapid.Just(""), key).Draw(rt, "marker")
		for page := 0; ; page++ {
			contents, groups, truncated := model(keys, prefix, delimiter, marker, max)
			got, err := d.ListBucket(t.Context(), bucket,
				&gofakes3.Prefix{HasPrefix: true, Prefix: prefix, HasDelimiter: delimiter != "", Delimiter: delimiter},
				gofakes3.ListBucketPage{Marker: marker, HasMarker: marker != "", MaxKeys: int64(max)})
			require.NoError(rt, err)
			var gotContents, gotGroups []string
			for _, c := range got.Contents {
				gotContents = append(gotContents, c.Key)
				require.Equal(rt, int64(len(c.Key)), c.Size)
			}
			for _, p := range got.CommonPrefixes {
				gotGroups = append(gotGroups, p.Prefix)
			}
			require.Equal(rt, contents, gotContents, "page %d", page)
			require.Equal(rt, groups, gotGroups, "page %d", page)
			require.Equal(rt, truncated, got.IsTruncated, "page %d", page)
			if !truncated {
				return
			}
			require.Greater(rt, got.NextMarker, marker)
			marker = got.NextMarker
		}
	})
}

// TestDeleteRemovesDirectories: after the last key nothing is left of the path.
func TestDeleteRemovesDirectories(t *testing.T) {
	d := openDisk(t)
	for _, k := range []string{"a", "a/b", "a/b/c", "x/y/z"} {
		_, err := d.PutObject(t.Context(), "bucket", k, nil, strings.NewReader("1"), 1)
		require.NoError(t, err)
	}
	require.True(t, gofakes3.HasErrorCode(d.DeleteBucket(t.Context(), "bucket"), gofakes3.ErrBucketNotEmpty))
	for _, k := range []string{"a/b/c", "a", "x/y/z", "a/b", "never/was"} {
		_, err := d.DeleteObject(t.Context(), "bucket", k)
		require.NoError(t, err)
	}
	require.NoError(t, d.DeleteBucket(t.Context(), "bucket"))
	require.NoDirExists(t, d.bucket("bucket"))
	// The memory of durable directories does not outlive them.
	require.NoError(t, d.CreateBucket(t.Context(), "bucket"))
	_, err := d.PutObject(t.Context(), "bucket", "x/y/z", nil, strings.NewReader("1"), 1)
	require.NoError(t, err)
}
