package client

import (
	"context"
	"fmt"
	"time"
)

// Contest is what raters are asked to judge.
type Contest struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Mode        string         `json:"mode"` // "PAIR" or "SCALE"
	Guidelines  string         `json:"guidelines"`
	Suite       string         `json:"suite"`
	SuiteDigest string         `json:"suiteDigest"`
	Task        *string        `json:"task"`
	Entries     []ContestEntry `json:"entries"`
	Items       int64          `json:"items"`
	Missing     int64          `json:"missing"`
	Overlap     int64          `json:"overlap"`
	DailyVotes  int64          `json:"dailyVotes"`
	OpenedAt    time.Time      `json:"openedAt"`
	By          string         `json:"by"`
	ClosedAt    *time.Time     `json:"closedAt"`
	HumanVotes  int64          `json:"humanVotes"`
	ModelVotes  int64          `json:"modelVotes"`
	Tally       *ContestTally  `json:"tally,omitempty"`
}

// ContestEntry is one that is judged.
type ContestEntry struct {
	Label      string `json:"label"`
	Step       *int64 `json:"step"`
	Evaluation string `json:"evaluation"`
	Results    string `json:"results"`
}

// ContestTally is what votes amount to.
type ContestTally struct {
	Standings []ContestStanding `json:"standings"`
	Matches   []ContestMatch    `json:"matches"`
	Raters    []ContestRater    `json:"raters"`
	People    *RaterAgreement   `json:"people"`
	Questions int64             `json:"questions"`
	Begun     int64             `json:"begun"`
	Done      int64             `json:"done"`
}

// ContestStanding is where an entry stands; nil is what cannot be told.
type ContestStanding struct {
	Entry  int      `json:"entry"`
	Label  string   `json:"label"`
	Won    int64    `json:"won"`
	Lost   int64    `json:"lost"`
	Tied   int64    `json:"tied"`
	Rating *float64 `json:"rating"`
	Low    *float64 `json:"low"`
	High   *float64 `json:"high"`
	Mean   *float64 `json:"mean"`
	Stderr *float64 `json:"stderr"`
	Votes  int64    `json:"votes"`
}

// ContestMatch is how one entry did against another.
type ContestMatch struct {
	Entry   int   `json:"entry"`
	Against int   `json:"against"`
	Won     int64 `json:"won"`
	Lost    int64 `json:"lost"`
	Tied    int64 `json:"tied"`
}

// ContestRater is one person, or one run of a judging model.
type ContestRater struct {
	Name        string          `json:"name"`
	Model       bool            `json:"model"`
	Run         *string         `json:"run"`
	Votes       int64           `json:"votes"`
	Undecided   int64           `json:"undecided"`
	Sided       int64           `json:"sided"`
	FirstShare  *float64        `json:"firstShare"`
	BothOrders  int64           `json:"bothOrders"`
	TurnedShare *float64        `json:"turnedShare"`
	Humans      *RaterAgreement `json:"humans"`
}

// RaterAgreement is how far raters agree; κ is nil where chance explains everything.
type RaterAgreement struct {
	Kind   string   `json:"kind"`
	Kappa  *float64 `json:"kappa"`
	Raters int      `json:"raters"`
	Items  int64    `json:"items"`
	Same   float64  `json:"same"`
}

const (
	contestFields   = ` id name mode guidelines suite suiteDigest task entries { label step evaluation results } items missing overlap dailyVotes openedAt by closedAt humanVotes modelVotes `
	agreementFields = ` { kind kappa raters items same } `
	tallyFields     = ` { standings { entry label won lost tied rating low high mean stderr votes } matches { entry against won lost tied }
		raters { name model run votes undecided sided firstShare bothOrders turnedShare humans` + agreementFields + `} people` + agreementFields + `questions begun done } `
)

// OpenContest is what a contest is opened with. Evaluations are of one suite, or runs: then the newest of each counts whose answers are kept.
type OpenContest struct {
	Name        string   `json:"name"`
	Mode        string   `json:"mode,omitempty"`
	Guidelines  string   `json:"guidelines,omitempty"`
	Evaluations []string `json:"evaluations"`
	Labels      []string `json:"labels,omitempty"`
	Task        string   `json:"task,omitempty"`
	Suite       string   `json:"suite,omitempty"`
	Overlap     int64    `json:"overlap,omitempty"`
	DailyVotes  int64    `json:"dailyVotes,omitempty"`
	By          string   `json:"by,omitempty"`
}

// OpenContest opens a contest.
func (c *Client) OpenContest(ctx context.Context, in OpenContest) (out Contest, err error) {
	err = c.mutate(ctx, `mutation($input: OpenContestInput!) { openContest(input: $input) { contest {`+contestFields+`}`+whyNot+`} }`, "openContest", "contest", in, &out)
	return out, err
}

// CloseContest ends the voting in a contest, by its id or name.
func (c *Client) CloseContest(ctx context.Context, contest, by string) (out Contest, err error) {
	err = c.mutate(ctx, `mutation($input: CloseContestInput!) { closeContest(input: $input) { contest {`+contestFields+`}`+whyNot+`} }`, "closeContest", "contest",
		map[string]any{"contest": contest, "by": by}, &out)
	return out, err
}

// Contests lists the newest contests.
func (c *Client) Contests(ctx context.Context, first int) ([]Contest, error) {
	var data struct {
		Contests struct{ Nodes []Contest }
	}
	err := c.Do(ctx, `query($first: Int) { contests(first: $first) { nodes {`+contestFields+`} } }`, map[string]any{"first": first}, &data)
	return data.Contests.Nodes, err
}

// Contest is a contest by its id or name, with what votes of people, of models ("HUMANS", "MODELS") or of all ("ALL") amount to; of models those of
// one judge's run, if it is named. ErrNotFound.
func (c *Client) Contest(ctx context.Context, idOrName, of, judge string) (Contest, error) {
	var data struct{ Contest *Contest }
	vars := map[string]any{"id": idOrName, "of": of}
	if judge != "" {
		vars["judge"] = judge
	}
	err := c.Do(ctx, `query($id: ID!, $of: VotesOf, $judge: ID) { contest(id: $id) {`+contestFields+`tally(of: $of, judge: $judge)`+tallyFields+`} }`, vars, &data)
	if err == nil && data.Contest == nil {
		err = fmt.Errorf("client: contest %q: %w", idOrName, ErrNotFound)
	}
	if err != nil {
		return Contest{}, err
	}
	return *data.Contest, nil
}
