package event

import "strconv"

// ContestID names a contest, VoteID one rater's word on one question of it.
type (
	ContestID string
	VoteID    string
)

// The modes of a contest.
const (
	Pairs = "pair"  // two answers to one prompt, side by side
	Scale = "scale" // one answer, from 1 to 5 by the guidelines
)

// The choices of a vote.
const (
	ChooseA   = "a" // the one shown left, or first
	ChooseB   = "b"
	Tie       = "tie"      // both equally good
	BothBad   = "both_bad" // both equally bad
	Scored    = "score"    // of a scale: Score says how good
	Undecided = "undecided"
)

// Who votes.
const (
	Human      = "human"
	ModelJudge = "model"
)

// ContestOpened asks raters to compare what models answered in evaluations of one suite. It is everything a judge needs to know: the answers
// are in the results that the entries name.
type ContestOpened struct {
	Contest     ContestID      `json:"contest"`
	Name        string         `json:"name"`
	Mode        string         `json:"mode"`
	Guidelines  string         `json:"guidelines,omitempty"`
	Suite       string         `json:"suite"`
	SuiteDigest Digest         `json:"suite_digest"`
	Task        string         `json:"task,omitempty"` // none: every task with answers
	Entries     []ContestEntry `json:"entries"`
	// Items is how many prompts every entry has an answer to; Missing how many only some have, which are left out.
	Items   int64 `json:"items"`
	Missing int64 `json:"missing,omitempty"`
	// Seed orders items, sides and pairs.
	Seed int64 `json:"seed"`
	// Overlap is by how many raters a question is answered before the next one is begun; DailyVotes bounds one rater's votes in a day (UTC).
	Overlap    int64  `json:"overlap"`
	DailyVotes int64  `json:"daily_votes"`
	By         string `json:"by,omitempty"`
}

// ContestEntry is one that is judged: a checkpoint, or a model elsewhere, as an evaluation heard it.
type ContestEntry struct {
	Label      string `json:"label"`
	Evaluation RunID  `json:"evaluation"`
	Of         RunID  `json:"of,omitempty"`
	Step       int64  `json:"step,omitempty"`
	Results    Digest `json:"results"`
}

// ContestClosed ends the voting. What was said stays.
type ContestClosed struct {
	Contest ContestID `json:"contest"`
	By      string    `json:"by,omitempty"`
}

// VoteCast is one rater's word on one question. A later one with the same Vote replaces it.
type VoteCast struct {
	Vote    VoteID    `json:"vote"`
	Contest ContestID `json:"contest"`
	Rater   string    `json:"rater"`         // a person's name, or a model's
	Judge   string    `json:"judge"`         // Human or ModelJudge
	Run     RunID     `json:"run,omitempty"` // of kind judge, that asked the model
	Item    string    `json:"item"`          // task, a slash, and the answer's id
	// A and B are entries, as they were shown: A left or first. Of a scale B is A.
	A      int    `json:"a"`
	B      int    `json:"b"`
	Choice string `json:"choice"`
	Score  int    `json:"score,omitempty"` // 1-5
	// Seconds is how long the rater looked.
	Seconds Number `json:"seconds,omitempty"`
	// Comment is the rater's; of an undecided one it is how the judge's answer begins.
	Comment string `json:"comment,omitempty"`
	// Withdrawn takes the vote back.
	Withdrawn bool `json:"withdrawn,omitempty"`
}

// HumanVote names what a person says about two entries' answers to an item, whichever is shown left: a person has one word on it.
func HumanVote(c ContestID, rater, item string, a, b int) VoteID {
	a, b = min(a, b), max(a, b)
	return VoteID(DerivedID("vote", string(c), Human, rater, item, strconv.Itoa(a), strconv.Itoa(b)))
}

// ModelVote names what a judge's run says about two entries' answers to an item, in that order.
func ModelVote(c ContestID, run RunID, item string, a, b int) VoteID {
	return VoteID(DerivedID("vote", string(c), ModelJudge, string(run), item, strconv.Itoa(a), strconv.Itoa(b)))
}

func (ContestOpened) Type() Type { return "contest.opened" }
func (ContestClosed) Type() Type { return "contest.closed" }
func (VoteCast) Type() Type      { return "vote.cast" }

func (e ContestOpened) Subject() string { return Prefix + "contest." + string(e.Contest) + ".opened" }
func (e ContestClosed) Subject() string { return Prefix + "contest." + string(e.Contest) + ".closed" }

// Subject is the vote's own, so that a judge that was started again finds what it has said.
func (e VoteCast) Subject() string { return Prefix + "vote." + string(e.Vote) + ".cast" }

func (ContestOpened) sealed() {}
func (ContestClosed) sealed() {}
func (VoteCast) sealed()      {}
