package token_test

import (
	"encoding/json"
	"os"
	"testing"

	"millrace/trainer/token"

	"github.com/stretchr/testify/require"
)

// TestIDsAreTiktokens compares with what tiktoken said (testdata/peers/golden.py asked it, and Hugging Face's tokenizers).
func TestIDsAreTiktokens(t *testing.T) {
	ranks, err := os.ReadFile("testdata/peers/small.tiktoken")
	require.NoError(t, err)
	data, err := os.ReadFile("testdata/peers/golden.json")
	require.NoError(t, err)
	var golden struct {
		Texts []string
		IDs   map[token.Pattern][][]int32
	}
	require.NoError(t, json.Unmarshal(data, &golden))
	for _, p := range token.Patterns() {
		b, err := token.ParseTiktoken(ranks, p, nil)
		require.NoError(t, err)
		require.Len(t, golden.IDs[p], len(golden.Texts))
		for i, text := range golden.Texts {
			ids, err := token.Encode(b, text)
			require.NoError(t, err)
			require.Equal(t, golden.IDs[p][i], ids, "%s %q", p, text)
		}
	}
}
