package where

import (
	"slices"
	"strings"

	"millrace/event"
)

// unit is what a field's values are.
type unit uint8

const (
	text     unit = iota
	loose         // a word, a number or a bool: what the configuration has
	number        // a plain number
	duration      // seconds, or 2h30m
	money         // dollars, or $5
	energy        // joules, or 2kWh
	instant
	flag
)

// units of all fields, in the order in which they are told.
var fields = []struct {
	name Name
	unit unit
}{
	{ID, text}, {RunName, text}, {Kind, text}, {Status, text}, {Experiment, text}, {Note, text}, {By, text}, {Worker, text}, {Label, text},
	{Tag, text}, {Config, loose}, {Metric, number}, {Input, text}, {SpecDigest, text}, {Parent, text}, {Archived, flag}, {Starred, flag},
	{Created, instant}, {Started, instant}, {Ended, instant}, {Updated, instant}, {Duration, duration}, {Dollars, money},
	{DeviceSeconds, duration}, {Joules, energy}, {Tokens, number}, {FLOPs, number}, {Steps, number},
}

// also are other words for a field, as people type them.
var also = map[string]Name{
	"tag": Tag, "label": Label, "metrics": Metric, "summary": Metric, "inputs": Input, "params": Config, "param": Config, "dollars": Dollars,
	"energy": Joules, "state": Status, "notes": Note, "deviceseconds": DeviceSeconds, "specdigest": SpecDigest,
}

// Names lists the fields' names, for completion.
func Names() []Name {
	out := make([]Name, len(fields))
	for i, f := range fields {
		out[i] = f.name
	}
	return out
}

func fieldNames() []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = string(f.name)
	}
	return out
}

// lookup finds a field by its name or another word for it; case does not matter.
func lookup(word string) (Name, bool) {
	word = strings.ToLower(word)
	if n, ok := also[word]; ok {
		return n, true
	}
	for _, f := range fields {
		if string(f.name) == word {
			return f.name, true
		}
	}
	return "", false
}

func unitOf(n Name) unit {
	for _, f := range fields {
		if f.name == n {
			return f.unit
		}
	}
	return text
}

// keyed tells whether a field needs a key, or may have one.
func keyed(n Name) (needs, may bool) {
	switch n {
	case Tag, Config, Metric:
		return true, true
	case Input:
		return false, true
	}
	return false, false
}

// example of a field with a key.
func example(n Name) string {
	switch n {
	case Tag:
		return "tags.team"
	case Metric:
		return `metric["val/loss"].min`
	case Input:
		return "input.dataset"
	}
	return "config.optimizer.lr"
}

// known are the words that a field can have, nil where any word will do.
func known(n Name) []string {
	switch n {
	case Status:
		return words(event.Pending, event.Running, event.Finished, event.Failed, event.Stopped, event.Crashed, event.Paused)
	case Kind:
		return words(event.Curate, event.Train, event.Finetune, event.Evaluate, event.External, event.Judge)
	}
	return nil
}

func words[T ~string](list ...T) []string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = string(w)
	}
	return out
}

var statNames = []string{string(StatLast), string(StatFirst), string(StatMin), string(StatMax)}

// keywords mean something between conditions.
var keywords = []string{"and", "or", "not", "in", "exists", "contains", "at"}

// reserved tells whether a word must be quoted to be looked for.
func reserved(word string) bool {
	_, field := lookup(word)
	return field || slices.Contains(keywords, strings.ToLower(word))
}
