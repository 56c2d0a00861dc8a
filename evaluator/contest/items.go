package contest

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"millrace/evaluator"
	"millrace/event"
)

// Item is a prompt with what every entry made of it.
type Item struct {
	ID      string // task, a slash, and the answer's id
	Prompt  string
	Want    string   // what the task calls right, if anything
	Answers []string // by entry; an empty one is an answer
}

// Items are a contest's, in the order of the first entry's answers.
type Items struct {
	List []Item
	// Missing counts prompts that some entries have an answer to and others have not.
	Missing int64
	byID    map[string]int
}

// ErrItems is wrapped by every error that says that there is nothing to judge.
var ErrItems = errors.New("contest")

// Bounds of a contest.
const (
	MaxEntries = 20
	MaxItems   = 100_000
	maxBytes   = 256 << 20 // of all texts together
)

// Gather reads what the entries of a contest have answered: open gives the file of answers of one. An answer counts when it is a text that a
// model made (of the task, if one is given); choices among given texts are nothing to compare. Prompts of one id that are not the same
// are different ones: both are missing.
func Gather(c event.ContestOpened, open func(entry int) (io.ReadCloser, error)) (Items, error) {
	g := gathering{contest: c, at: map[string]int{}}
	for i := range c.Entries {
		if err := g.read(i, open); err != nil {
			return Items{}, fmt.Errorf("contest: entry %s: %w", c.Entries[i].Label, err)
		}
	}
	items := Items{byID: map[string]int{}}
	for _, x := range g.items {
		if slices.Contains(x.has, false) {
			items.Missing++
			continue
		}
		items.byID[x.ID] = len(items.List)
		items.List = append(items.List, x.Item)
	}
	return items, nil
}

// Item finds one by its id.
func (t Items) Item(id string) (Item, bool) {
	i, ok := t.byID[id]
	if !ok {
		return Item{}, false
	}
	return t.List[i], true
}

type gathering struct {
	contest event.ContestOpened
	items   []gathered
	at      map[string]int // by id and prompt
	bytes   int
}

type gathered struct {
	Item
	has []bool
}

func (g *gathering) read(entry int, open func(int) (io.ReadCloser, error)) error {
	f, err := open(entry)
	if err != nil {
		return err
	}
	defer f.Close()
	head, answers, err := evaluator.ReadAnswers(f)
	if err != nil {
		return err
	}
	if d := g.contest.SuiteDigest; head.SuiteDigest != d {
		return fmt.Errorf("%w: its answers are to suite %s, the contest is about %s", ErrItems, head.SuiteDigest.Short(), d.Short())
	}
	for a, err := range answers {
		if err != nil {
			return err
		}
		if len(a.Choices) > 0 || len(a.Got) == 0 || g.contest.Task != "" && a.Task != g.contest.Task {
			continue
		}
		if err := g.add(entry, a); err != nil {
			return err
		}
	}
	return nil
}

// add keeps an answer; of several to one prompt the first.
func (g *gathering) add(entry int, a evaluator.Answer) error {
	id := a.Task + "/" + a.ID
	key := id + "\x00" + a.Prompt
	i, ok := g.at[key]
	if !ok {
		i = len(g.items)
		g.at[key] = i
		n := len(g.contest.Entries)
		g.items = append(g.items, gathered{Item{id, a.Prompt, a.Want, make([]string, n)}, make([]bool, n)})
		g.bytes += len(a.Prompt) + len(a.Want)
	}
	if !g.items[i].has[entry] {
		g.items[i].has[entry], g.items[i].Answers[entry] = true, a.Got[0]
		g.bytes += len(a.Got[0])
	}
	if len(g.items) > MaxItems || g.bytes > maxBytes {
		return fmt.Errorf("%w: more than %d prompts, or %d bytes of texts: name one task", ErrItems, MaxItems, maxBytes)
	}
	return nil
}
