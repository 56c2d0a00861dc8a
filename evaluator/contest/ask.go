package contest

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"

	"millrace/event"
)

// Contest is a contest with its items.
type Contest struct {
	event.ContestOpened
	Items Items
}

// Question is what a rater is asked: which of two entries' answers to an item is better, or, of a scale, how good A's is (then B is A). A is
// shown left or first.
type Question struct {
	Item Item
	A, B int
	// Key names the question for this rater, and tells nobody which entries it is about.
	Key string
}

// Pairs are the entries that questions are about, each once: all pairs with A < B, or of a scale every entry with itself.
func (c Contest) Pairs() [][2]int {
	var out [][2]int
	for a := range c.Entries {
		if c.Mode == event.Scale {
			out = append(out, [2]int{a, a})
			continue
		}
		for b := a + 1; b < len(c.Entries); b++ {
			out = append(out, [2]int{a, b})
		}
	}
	return out
}

// Next is the question that a rater is asked next, false when there is none left. Votes are those that count, of everybody; people's alone
// matter. The pair with the fewest votes comes first, so that votes spread evenly over pairs. Of its items one comes first that others have
// answered, until Overlap raters have: so there are votes to compare raters by, and yet many items. Among equals the rater's own order
// decides, which follows from the contest's seed.
func (c Contest) Next(votes []event.VoteCast, rater string) (Question, bool) {
	ofPair, of, done := map[[2]int]int{}, map[asked]int64{}, map[asked]bool{}
	for _, v := range votes {
		if v.Judge != event.Human {
			continue
		}
		q := about(v)
		ofPair[q.pair]++
		of[q]++
		if v.Rater == rater {
			done[q] = true
		}
	}
	pairs := c.Pairs()
	slices.SortFunc(pairs, func(p, q [2]int) int {
		return cmp.Or(cmp.Compare(ofPair[p], ofPair[q]), cmp.Compare(c.chance(rater, "", p), c.chance(rater, "", q)))
	})
	for _, p := range pairs {
		at, wanted, chance := -1, int64(0), uint64(0)
		for i, item := range c.Items.List {
			q := asked{item.ID, p}
			if done[q] {
				continue
			}
			w := c.wanted(of[q])
			if at >= 0 && w > wanted {
				continue
			}
			if x := c.chance(rater, item.ID, p); at < 0 || w < wanted || x < chance {
				at, wanted, chance = i, w, x
			}
		}
		if at >= 0 {
			return c.shown(rater, c.Items.List[at], p), true
		}
	}
	return Question{}, false
}

// asked is a question, whoever sees it.
type asked struct {
	item string
	pair [2]int // the lesser entry first
}

func about(v event.VoteCast) asked { return asked{v.Item, [2]int{min(v.A, v.B), max(v.A, v.B)}} }

// wanted orders questions by their votes: one short of Overlap first, none next, enough last.
func (c Contest) wanted(votes int64) int64 {
	if votes >= c.Overlap {
		return c.Overlap + votes
	}
	return c.Overlap - votes
}

// Find is the question that a rater was shown under a key.
func (c Contest) Find(rater, item, key string) (Question, bool) {
	it, ok := c.Items.Item(item)
	if !ok {
		return Question{}, false
	}
	for _, p := range c.Pairs() {
		if q := c.shown(rater, it, p); q.Key == key {
			return q, true
		}
	}
	return Question{}, false
}

// shown puts two entries in the order in which a rater sees them: by a coin of (contest, rater, item, pair).
func (c Contest) shown(rater string, item Item, pair [2]int) Question {
	sum := c.hash("side", rater, item.ID, pair)
	q := Question{Item: item, A: pair[0], B: pair[1], Key: hex.EncodeToString(sum[:16])}
	if sum[31]&1 == 1 {
		q.A, q.B = q.B, q.A
	}
	return q
}

func (c Contest) chance(rater, item string, pair [2]int) uint64 {
	sum := c.hash("order", rater, item, pair)
	return binary.LittleEndian.Uint64(sum[:8])
}

func (c Contest) hash(what, rater, item string, pair [2]int) [32]byte {
	var key []byte
	for _, s := range []string{what, strconv.FormatInt(c.Seed, 10), string(c.Contest), rater, item, strconv.Itoa(pair[0]), strconv.Itoa(pair[1])} {
		key = append(strconv.AppendInt(key, int64(len(s)), 10), ':')
		key = append(key, s...)
	}
	return sha256.Sum256(key)
}
