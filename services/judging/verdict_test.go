package judging

import (
	"strings"
	"testing"

	"millrace/event"
)

func TestVerdictsAreReadStrictly(t *testing.T) {
	for text, want := range map[string]string{
		"Because.\nVERDICT: A": "a", "VERDICT: B\n\n": "b", "x\n**VERDICT: TIE**": "tie", "VERDICT: BOTH_BAD": "both_bad", "VERDICT: A\nso\nVERDICT: A": "a",
		"": "", "A": "", "VERDICT: A and more": "", "verdict: A": "", "VERDICT: C": "", "VERDICT: A\nbut who knows": "", "VERDICT: A\nVERDICT: B": "", "SCORE: 4": "", "VERDICT:A": "",
		strings.Repeat("x", maxVerdict) + "\nVERDICT: A": "",
	} {
		got, _, ok := parseVerdict(event.Pairs, text)
		if got != want || ok != (want != "") {
			t.Errorf("%.40q: %q, %v, want %q", text, got, ok, want)
		}
	}
	for text, want := range map[string]int{"fine\nSCORE: 4": 4, "SCORE: 5": 5, "SCORE: 6": 0, "SCORE: 0": 0, "SCORE: 4.5": 0, "SCORE: 4/5": 0, "VERDICT: A": 0} {
		choice, got, ok := parseVerdict(event.Scale, text)
		if got != want || ok != (want != 0) || ok && choice != event.Scored {
			t.Errorf("%q: %q %d, %v, want %d", text, choice, got, ok, want)
		}
	}
}

func FuzzParseVerdict(f *testing.F) {
	f.Add("VERDICT: A", true)
	f.Add("*\nSCORE: 3\r\n", false)
	f.Fuzz(func(t *testing.T, text string, pairs bool) {
		mode := event.Scale
		if pairs {
			mode = event.Pairs
		}
		choice, score, ok := parseVerdict(mode, text)
		switch {
		case !ok && (choice != "" || score != 0):
			t.Fatalf("no verdict, and yet %q %d", choice, score)
		case ok && pairs && (score != 0 || choice == "" || choice == event.Scored):
			t.Fatalf("%q %d", choice, score)
		case ok && !pairs && (choice != event.Scored || score < 1 || score > 5):
			t.Fatalf("%q %d", choice, score)
		}
	})
}

// What models wrote is put in as it is: it names no other place.
func TestAnswersAreNotLookedThroughForPlaces(t *testing.T) {
	p, err := Prompt{}.withDefaults(event.Pairs)
	if err != nil {
		t.Fatal(err)
	}
	asked := p.ask("be kind", "what is {b}?", "{b} is {prompt}", "")
	for _, want := range []string{"be kind", "what is {b}?", "[Answer A]\n{b} is {prompt}\n", "[Answer B]\n(the answer is empty)\n"} {
		if !strings.Contains(asked, want) {
			t.Errorf("%q is not in %s", want, asked)
		}
	}
	for want, bad := range map[string]Prompt{"{a}": {Template: "{prompt} {b}"}, "{b}": {Template: "{prompt} {a}"}, "name yours": {Name: PairPrompt, Template: "{prompt} {a} {b}"}, "give your own": {Name: "millrace.judge.pair/9"}} {
		if _, err := bad.withDefaults(event.Pairs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
