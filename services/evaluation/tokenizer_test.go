package evaluation

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"millrace/trainer/token"
)

// A text goes from one tokenizer to another and back, with what counts of it.
func TestRetokenize(t *testing.T) {
	chars, err := token.NewChar([]rune("abcdé "))
	if err != nil {
		t.Fatal(err)
	}
	whole := token.NewByte()
	rapid.Check(t, func(t *rapid.T) {
		var ids []int32
		var counts []bool
		for _, doc := range rapid.SliceOfN(rapid.StringOf(rapid.RuneFrom([]rune("abcdé "))), 1, 4).Draw(t, "documents") {
			counted := rapid.Bool().Draw(t, "counts")
			var err error
			before := len(ids)
			if ids, err = chars.Append(ids, doc); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, chars.EndOfText())
			for range ids[before:] {
				counts = append(counts, counted)
			}
		}
		there, thereCounts, err := retokenize(ids, counts, chars, whole)
		if err != nil || len(there) != len(thereCounts) || len(there) < len(ids) {
			t.Fatalf("%d ids, %d counts: %v", len(there), len(thereCounts), err)
		}
		back, backCounts, err := retokenize(there, thereCounts, whole, chars)
		if err != nil || !slices.Equal(back, ids) || !slices.Equal(backCounts, counts) {
			t.Fatalf("%v %v, want %v %v: %v", back, backCounts, ids, counts, err)
		}
		if _, none, err := retokenize(ids, nil, chars, whole); err != nil || none != nil {
			t.Fatalf("%v: %v", none, err)
		}
	})
	if _, _, err := retokenize([]int32{'x'}, nil, whole, chars); err == nil {
		t.Error("a character that is not in the vocabulary was written")
	}
}
