package metric

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"
)

func TestStemsAreThePeers(t *testing.T) {
	f, err := os.Open("testdata/peers/golden.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var last struct{ Stems map[string]string }
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
			t.Fatal(err)
		}
	}
	if lines.Err() != nil || len(last.Stems) < 1000 {
		t.Fatalf("%d stems: %v", len(last.Stems), lines.Err())
	}
	for word, want := range last.Stems {
		if got := stem(word); got != want {
			t.Errorf("stem(%s) = %s, NLTK's is %s", word, got, want)
		}
	}
}
