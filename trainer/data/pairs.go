package data

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"millrace/trainer/random"
	"millrace/trainer/token"
)

// Pair is a prompt with an answer that was preferred to another.
type Pair struct {
	Chosen, Rejected Answered
}

// Answered is a prompt and an answer as ids.
type Answered struct {
	IDs []int32
	// Answer is where the answer begins: the ids from there on are what is judged.
	Answer int
}

// Targets fills ids and targets (t each, len(a.IDs)-1 at most) for a model that predicts the next token: targets before the answer,
// and behind its end, are -1. What is left of ids is 0.
func (a Answered) Targets(ids, targets []int32) {
	n := len(a.IDs) - 1
	clear(ids[copy(ids, a.IDs[:n]):])
	for i := range targets {
		targets[i] = -1
		if i < n && i+1 >= a.Answer {
			targets[i] = a.IDs[i+1]
		}
	}
}

// ReadPairs reads JSON Lines of {"prompt", "chosen", "rejected"}: texts, or with a template conversations as lists of
// {"role","content"}, of which chosen and rejected have the one message that follows the prompt; with a template a text is a message of
// the user or the assistant. Without one an answer ends with the end of text. A pair that is longer than most ids loses the beginning of its prompt; one
// whose answers alone are longer is left out, and counted in dropped.
func ReadPairs(file []byte, t token.Tokenizer, template token.ChatTemplate, most int) (pairs []Pair, dropped int, err error) {
	err = eachLine(file, func(_ int, line []byte) error {
		var in struct {
			Prompt   json.RawMessage `json:"prompt"`
			Chosen   json.RawMessage `json:"chosen"`
			Rejected json.RawMessage `json:"rejected"`
		}
		if err := object(line, &in); err != nil {
			return err
		}
		var p Pair
		for _, side := range []struct {
			key    string
			answer json.RawMessage
			into   *Answered
		}{{"chosen", in.Chosen, &p.Chosen}, {"rejected", in.Rejected, &p.Rejected}} {
			prompt, err := turns(in.Prompt, "prompt", "user")
			if err != nil {
				return err
			}
			answer, err := turns(side.answer, side.key, "assistant")
			if err != nil {
				return err
			}
			if *side.into, err = answered(t, template, prompt, answer); err != nil {
				return fmt.Errorf("%s: %w", side.key, err)
			}
		}
		if slices.Equal(p.Chosen.IDs, p.Rejected.IDs) {
			dropped++
			return nil
		}
		if !p.Chosen.fit(most) || !p.Rejected.fit(most) {
			dropped++
			return nil
		}
		pairs = append(pairs, p)
		return nil
	})
	return pairs, dropped, err
}

// turns reads a text, or a list of messages.
func turns(raw json.RawMessage, key, role string) ([]token.Message, error) {
	var text string
	if err := json.Unmarshal(raw, &text); err == nil && len(raw) > 0 && raw[0] == '"' {
		return []token.Message{{Role: role, Content: text}}, nil
	}
	var list []token.Message
	if err := json.Unmarshal(raw, &list); err != nil || len(list) == 0 {
		return nil, fmt.Errorf(`%q: want a text, or a list of messages with "role" and "content"`, key)
	}
	for i, m := range list {
		if m.Role == "" {
			return nil, fmt.Errorf("%q: message %d has no role", key, i+1)
		}
	}
	return list, nil
}

// answered writes a prompt and an answer in a template, or one behind the other.
func answered(t token.Tokenizer, template token.ChatTemplate, prompt, answer []token.Message) (Answered, error) {
	if template == "" {
		text := func(list []token.Message) string {
			var b strings.Builder
			for _, m := range list {
				b.WriteString(m.Content)
			}
			return b.String()
		}
		ids, err := token.Encode(t, text(prompt))
		if err != nil {
			return Answered{}, err
		}
		if len(ids) == 0 { // something must come before the answer's first token
			ids = append(ids, t.EndOfText())
		}
		a := Answered{Answer: len(ids)}
		if a.IDs, err = t.Append(ids, text(answer)); err != nil {
			return Answered{}, err
		}
		a.IDs = append(a.IDs, t.EndOfText())
		return a, nil
	}
	if len(answer) != 1 || answer[0].Role != "assistant" {
		return Answered{}, fmt.Errorf("want one message of the assistant")
	}
	before, err := template.Encode(t, prompt, true)
	if err != nil {
		return Answered{}, err
	}
	whole, err := template.Encode(t, slices.Concat(prompt, answer), false)
	if err != nil {
		return Answered{}, err
	}
	// An answer may merge with what the template puts before it: the answer begins where the two differ, and its own first token is judged.
	from := 0
	for from < len(before.IDs) && from < len(whole.IDs) && before.IDs[from] == whole.IDs[from] {
		from++
	}
	end := len(whole.Loss) // what follows the last token that counts is the template's
	for end > 0 && !whole.Loss[end-1] {
		end--
	}
	if from == 0 || end <= from {
		return Answered{}, fmt.Errorf("there is no answer of the assistant")
	}
	return Answered{IDs: whole.IDs[:end], Answer: from}, nil
}

// fit cuts the beginning of a prompt so that there are at most so many ids; not if less than one of the prompt would be left.
func (a *Answered) fit(most int) bool {
	cut := len(a.IDs) - most
	if cut <= 0 {
		return true
	}
	if a.Answer-cut < 1 {
		return false
	}
	a.IDs, a.Answer = a.IDs[cut:], a.Answer-cut
	return true
}

// Split parts pairs, of either kind, in two, as Labelled.Split does.
func Split[T Pair | Translation](pairs []T, fraction float64, seed uint64) (train, heldOut []T) {
	in, out := split(len(pairs), fraction, seed)
	for _, i := range in {
		train = append(train, pairs[i])
	}
	for _, i := range out {
		heldOut = append(heldOut, pairs[i])
	}
	return train, heldOut
}

// split parts n places in two, both ascending.
func split(n int, fraction float64, seed uint64) (in, out []int) {
	key := random.Key(seed, "held out")
	want := int(float64(n)*fraction + 0.5)
	if fraction > 0 && n > 1 {
		want = max(1, min(want, n-1))
	}
	for i := range n {
		// The places that a random order has first.
		if int(random.Permute(key, uint64(i), uint64(n))) < want {
			out = append(out, i)
		} else {
			in = append(in, i)
		}
	}
	return in, out
}
