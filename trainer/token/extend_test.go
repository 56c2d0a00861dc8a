package token_test

import (
	"testing"

	"millrace/trainer/token"

	"github.com/stretchr/testify/require"
)

// New special tokens come behind the last id; text and the ids that were there stay what they were.
func TestExtendAddsBehindTheLastID(t *testing.T) {
	old := chatTokenizer(t, "", token.GPT2)
	names := append(token.ChatML.Special(), token.EndOfText, token.ChatML.Special()[0])
	grown, err := token.Extend(old, names)
	require.NoError(t, err)
	require.Equal(t, old.VocabSize()+2, grown.VocabSize())
	require.Equal(t, old.EndOfText(), grown.EndOfText())
	special := grown.Special()
	require.Equal(t, token.Special{Name: "<|im_end|>", ID: int32(old.VocabSize() + 1)}, special[len(special)-1])
	was, err := token.Encode(old, sample)
	require.NoError(t, err)
	is, err := token.Encode(grown, sample)
	require.NoError(t, err)
	require.Equal(t, was, is)
	for id := range old.VocabSize() {
		require.Equal(t, old.Bytes(int32(id)), grown.Bytes(int32(id)))
	}
	_, err = token.ChatML.Encode(grown, []token.Message{{Role: "user", Content: "x"}}, true)
	require.NoError(t, err)

	again, err := token.Parse(grown.JSON())
	require.NoError(t, err)
	require.Equal(t, grown.JSON(), again.JSON())
	require.True(t, token.Extends(again, old))
	require.True(t, token.Extends(old, old))
	require.False(t, token.Extends(old, grown), "a smaller one does not hold what the larger knows")
	require.False(t, token.Extends(chatTokenizer(t, token.ChatML, token.Llama3), old), "another pattern")
	require.False(t, token.Extends(token.NewByte(), old))
	require.False(t, token.Extends(grown, token.NewByte()))

	same, err := token.Extend(grown, names)
	require.NoError(t, err)
	require.Equal(t, grown.JSON(), same.JSON(), "what is there is not added again")
	_, err = token.Extend(token.NewByte(), names)
	require.ErrorIs(t, err, token.ErrInvalid)
	_, err = token.Extend(old, []string{""})
	require.ErrorIs(t, err, token.ErrInvalid)
}
