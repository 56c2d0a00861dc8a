package client

import (
	"context"
	"errors"
	"fmt"

	"millrace/event"
)

// Range is a figure with its low and high end.
type Range struct {
	Low     float64 `json:"low"`
	Typical float64 `json:"typical"`
	High    float64 `json:"high"`
}

// Price is one dated line of the price book, in US dollars. A zero is not said.
type Price struct {
	Device      string  `json:"device"` // a pattern over kind:name
	PerHour     float64 `json:"perHour"`
	PerHourLow  float64 `json:"perHourLow,omitempty"`
	PerHourHigh float64 `json:"perHourHigh,omitempty"`
	PerKWh      float64 `json:"perKwh,omitempty"`
	PUE         float64 `json:"pue,omitempty"`
	PerGBMonth  float64 `json:"perGbMonth,omitempty"`
	PeakFLOPs   float64 `json:"peakFlops,omitempty"`
	Memory      float64 `json:"memory,omitempty"` // bytes
	Watts       float64 `json:"watts,omitempty"`
	ServerWatts float64 `json:"serverWatts,omitempty"`
	Purchase    *Range  `json:"purchase,omitempty"`
	From        string  `json:"from,omitempty"` // YYYY-MM-DD
	Source      string  `json:"source,omitempty"`
}

const priceFields = ` device perHour perHourLow perHourHigh perKwh pue perGbMonth peakFlops memory watts serverWatts purchase { low typical high } from source `

// Prices fetches the price book, in the order in which it was written.
func (c *Client) Prices(ctx context.Context) ([]Price, error) {
	var data struct{ Prices []Price }
	err := c.Do(ctx, `{ prices {`+priceFields+`} }`, nil, &data)
	return data.Prices, err
}

// SetPrice adds a line to the price book.
func (c *Client) SetPrice(ctx context.Context, p Price) (set Price, err error) {
	err = c.mutate(ctx, `mutation($input: SetPriceInput!) { setPrice(input: $input) { price {`+priceFields+`} userErrors { field message hint code } } }`, "setPrice", "price", p, &set)
	return set, err
}

// Ledger is what a run, or all runs of an experiment, have cost so far.
type Ledger struct {
	Kind string `json:"kind"` // "run", "experiment"
	ID   string `json:"id"`
	Name string `json:"name"`
	Runs int    `json:"runs,omitempty"` // of an experiment, archived ones too
	Cost Cost   `json:"cost"`
}

const ledgerFields = ` id name cost { dollars deviceDollars energyDollars storageDollars storedBytes storageDollarsPerMonth deviceSeconds joules flops tokens unpriced devices { kind name count seconds joules } } `

// Ledger fetches the cost of a run (as Find finds it) or of an experiment, by its id or name. Errors: ErrNotFound, ErrAmbiguous.
func (c *Client) Ledger(ctx context.Context, what string) (Ledger, error) {
	var of struct {
		Experiment *struct {
			Ledger
			Runs struct{ TotalCount int } `json:"runs"`
		}
	}
	err := c.Do(ctx, `query($id: String!) { experiment(id: $id) {`+ledgerFields+` runs(first: 0) { totalCount } } }`, map[string]any{"id": what}, &of)
	if err != nil {
		return Ledger{}, err
	}
	if x := of.Experiment; x != nil {
		l := x.Ledger
		l.Kind, l.Runs = "experiment", x.Runs.TotalCount
		return l, nil
	}
	run, err := c.Find(ctx, what)
	if errors.Is(err, ErrNotFound) {
		return Ledger{}, fmt.Errorf("client: no run and no experiment %q: %w", what, ErrNotFound)
	}
	if err != nil {
		return Ledger{}, err
	}
	var data struct{ Run *Ledger }
	if err := c.Do(ctx, `query($id: ID!) { run(id: $id) {`+ledgerFields+`} }`, map[string]any{"id": run.ID}, &data); err != nil {
		return Ledger{}, err
	}
	if data.Run == nil {
		return Ledger{}, fmt.Errorf("client: run %q: %w", what, ErrNotFound)
	}
	data.Run.Kind = "run"
	return *data.Run, nil
}

// Law is the constants of L(N, D) = E + A/N^α + B/D^β.
type Law struct {
	By    string       `json:"by"`
	E     event.Number `json:"e"`
	A     event.Number `json:"a"`
	B     event.Number `json:"b"`
	Alpha event.Number `json:"alpha"`
	Beta  event.Number `json:"beta"`
}

// Fit is a scaling law of the node's own training runs, or why there is none.
type Fit struct {
	Points []struct {
		Run    string       `json:"run"`
		Params event.Number `json:"params"`
		Tokens event.Number `json:"tokens"`
		Loss   event.Number `json:"loss"`
	} `json:"points"`
	Refused string        `json:"refused"`
	Law     *Law          `json:"law"`
	Low     *Law          `json:"low"`
	High    *Law          `json:"high"`
	Error   *event.Number `json:"error"`
}

// LossFit fits a law to the node's training runs; experiment "" is all of them, and where a sentence of the filter language or "".
func (c *Client) LossFit(ctx context.Context, experiment, where string) (Fit, error) {
	input := map[string]any{}
	if where != "" {
		input["where"] = where
	}
	if experiment != "" {
		input["experiment"] = experiment
	}
	const law = `{ by e a b alpha beta }`
	var data struct{ LossFit Fit }
	err := c.Do(ctx, `query($input: LossFitInput!) { lossFit(input: $input) { points { run params tokens loss } refused error law `+law+` low `+law+` high `+law+` } }`, map[string]any{"input": input}, &data)
	return data.LossFit, err
}
