package classify

import (
	"math"
	"slices"
)

// Bins is how many a histogram of scores has, each of the same width.
const Bins = 20

// Report says how a model does.
type Report struct {
	Good, Bad         int64 // documents it learned from
	HeldGood, HeldBad int64 // documents it is measured by
	Accuracy          float64
	AUC               float64 // probability that a good document scores above a bad one, ties counted half
	LogLoss           float64 // nats a document
	Weights           int
	// GoodScores and BadScores count held-out documents by score.
	GoodScores, BadScores [Bins]int64
	// Cuts say what thresholds would keep.
	Cuts []Cut
}

// Cut is what a threshold keeps of the held-out documents: the shares of good and of bad ones.
type Cut struct {
	Score, Good, Bad float64
}

type scored struct {
	score float64
	good  bool
}

func (m *Model) report(learn, held []example) Report {
	r := Report{Weights: m.Weights()}
	for _, x := range learn {
		if x.good {
			r.Good++
		} else {
			r.Bad++
		}
	}
	list := make([]scored, len(held))
	right := 0
	for i, x := range held {
		s := m.score(x.features)
		list[i] = scored{s, x.good}
		bin := min(int(s*Bins), Bins-1)
		p := s
		if x.good {
			r.HeldGood++
			r.GoodScores[bin]++
		} else {
			r.HeldBad++
			r.BadScores[bin]++
			p = 1 - s
		}
		r.LogLoss -= math.Log(max(p, 1e-12))
		if (s >= 0.5) == x.good {
			right++
		}
	}
	r.Accuracy = float64(right) / float64(len(held))
	r.LogLoss /= float64(len(held))
	r.AUC = auc(list)
	for _, cut := range []float64{0.1, 0.3, 0.5, 0.7, 0.9} {
		c := Cut{Score: cut}
		for _, s := range list {
			switch {
			case s.score < cut:
			case s.good:
				c.Good++
			default:
				c.Bad++
			}
		}
		c.Good /= float64(r.HeldGood)
		c.Bad /= float64(r.HeldBad)
		r.Cuts = append(r.Cuts, c)
	}
	return r
}

// auc is the area under the curve, by the ranks of good documents (Mann and Whitney).
func auc(list []scored) float64 {
	slices.SortFunc(list, func(a, b scored) int {
		switch {
		case a.score < b.score:
			return -1
		case a.score > b.score:
			return 1
		}
		return 0
	})
	var good, ranks float64
	for i := 0; i < len(list); {
		end := i
		for end < len(list) && list[end].score == list[i].score {
			end++
		}
		rank := float64(i+1+end) / 2 // the mean of those that are equal
		for ; i < end; i++ {
			if list[i].good {
				good++
				ranks += rank
			}
		}
	}
	bad := float64(len(list)) - good
	return (ranks - good*(good+1)/2) / (good * bad)
}
