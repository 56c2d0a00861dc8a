package token_test

import (
	"slices"
	"testing"

	"millrace/trainer/token"
)

func TestSentinelsLieBehindTheVocabulary(t *testing.T) {
	plain := token.NewByte()
	s := token.WithSentinels(plain, plain.VocabSize()+3)
	first := int32(s.VocabSize() - 1) // <extra_id_0>
	ids, err := token.AppendWithSpecial(s, nil, "a<extra_id_0>b<extra_id_1>")
	if want := []int32{'a', first, 'b', first - 1}; err != nil || !slices.Equal(ids, want) {
		t.Fatalf("%v, %v; want %v", ids, err, want)
	}
	if text, err := token.Decode(s, ids); err != nil || string(text) != "a<extra_id_0>b<extra_id_1>" {
		t.Errorf("%q, %v", text, err)
	}
	if end, ok := s.End(ids); !ok || end != first-2 {
		t.Errorf("it ends at %d, %t; want %d", end, ok, first-2)
	}
	for name, source := range map[string][]int32{"no gaps": {'a'}, "all sentinels taken": {first - 2}} {
		if end, ok := s.End(source); ok {
			t.Errorf("%s: it ends at %d", name, end)
		}
	}
	if n, without := len(s.Special()), len(plain.Special()); n != without+3 {
		t.Errorf("%d special tokens, %d without sentinels", n, without)
	}
	// Names beyond those that there are, are text.
	if ids, err := token.AppendWithSpecial(s, nil, "<extra_id_3>"); err != nil || len(ids) != len("<extra_id_3>") {
		t.Errorf("%v, %v", ids, err)
	}
}
