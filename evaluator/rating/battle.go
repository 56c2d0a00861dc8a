package rating

import (
	"errors"
	"fmt"
	"slices"
)

// Outcome is how a battle ended.
type Outcome string

// The outcomes. A tie is half a win for each, whether both were good or both were bad.
const (
	A       Outcome = "a" // the first won
	B       Outcome = "b"
	Tie     Outcome = "tie"
	BothBad Outcome = "both_bad"
)

// Battle is one comparison of two models.
type Battle struct {
	A, B    string
	Outcome Outcome
}

// score is what the first won: 1, ½ or 0.
func (b Battle) score() float64 {
	switch b.Outcome {
	case A:
		return 1
	case B:
		return 0
	}
	return 0.5
}

// The scale: a difference of 400 points is odds of ten to one, and the mean of all is 1,000.
const (
	Scale   = 400
	Initial = 1000
)

// Bounds.
const (
	MaxModels    = 1000
	MaxBattles   = 10_000_000
	MaxBootstrap = 10_000
)

// ErrNoBattles is returned when nothing was compared.
var ErrNoBattles = errors.New("rating: there are no battles")

// Rating is a model's place.
type Rating struct {
	Model   string  `json:"model"`
	Rating  float64 `json:"rating"`
	Low     float64 `json:"low"` // of the bootstrap; Rating when there was none
	High    float64 `json:"high"`
	Battles int     `json:"battles"`
	Wins    int     `json:"wins"`
	Losses  int     `json:"losses"`
	Ties    int     `json:"ties"`
}

// field is battles by number: models in the order of their names.
type field struct {
	models  []string
	a, b    []int32
	score   []float64
	ratings []Rating // counted, by number
}

// prepare numbers the models. Battles of a model with itself say nothing and are left out.
func prepare(battles []Battle) (*field, error) {
	if len(battles) > MaxBattles {
		return nil, fmt.Errorf("rating: %d battles: at most %d", len(battles), MaxBattles)
	}
	f := &field{}
	number := map[string]int32{}
	for _, b := range battles {
		for _, m := range []string{b.A, b.B} {
			if _, ok := number[m]; !ok {
				number[m] = 0
				f.models = append(f.models, m)
			}
		}
	}
	if len(f.models) > MaxModels {
		return nil, fmt.Errorf("rating: %d models: at most %d", len(f.models), MaxModels)
	}
	slices.Sort(f.models)
	for i, m := range f.models {
		number[m] = int32(i)
		f.ratings = append(f.ratings, Rating{Model: m})
	}
	for i, b := range battles {
		switch b.Outcome {
		case A, B, Tie, BothBad:
		default:
			return nil, fmt.Errorf("rating: battle %d ended %q: want a, b, tie or both_bad", i+1, b.Outcome)
		}
		if b.A == b.B {
			continue
		}
		one, two := number[b.A], number[b.B]
		f.a, f.b, f.score = append(f.a, one), append(f.b, two), append(f.score, b.score())
		f.ratings[one].count(b.score())
		f.ratings[two].count(1 - b.score())
	}
	if len(f.a) == 0 {
		return nil, ErrNoBattles
	}
	return f, nil
}

func (r *Rating) count(score float64) {
	r.Battles++
	switch score {
	case 1:
		r.Wins++
	case 0:
		r.Losses++
	default:
		r.Ties++
	}
}

// best sorts ratings, the best first, equal ones by name.
func best(ratings []Rating) []Rating {
	slices.SortStableFunc(ratings, func(x, y Rating) int {
		switch {
		case x.Rating > y.Rating:
			return -1
		case x.Rating < y.Rating:
			return 1
		}
		return 0
	})
	return ratings
}
