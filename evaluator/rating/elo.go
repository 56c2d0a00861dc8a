package rating

import "fmt"

// EloK is how many points a battle is about, as Chatbot Arena had it: small, so that ratings are steady.
const EloK = 4

// Elo rates models battle by battle, in the order given, the best first: a battle moves the winner up and the loser down by k × (what
// was won less what was expected). It depends on the order; BradleyTerry does not.
func Elo(battles []Battle, k float64) ([]Rating, error) {
	if !(k > 0 && k <= 1000) {
		return nil, fmt.Errorf("rating: Elo with a K of %v: want more than 0, such as %d", k, EloK)
	}
	f, err := prepare(battles)
	if err != nil {
		return nil, err
	}
	for i := range f.ratings {
		f.ratings[i].Rating = Initial
	}
	for i := range f.a {
		a, b := &f.ratings[f.a[i]], &f.ratings[f.b[i]]
		expected, reverse := Probability(a.Rating, b.Rating), Probability(b.Rating, a.Rating)
		a.Rating += k * (f.score[i] - expected)
		b.Rating += k * (1 - f.score[i] - reverse)
	}
	for i := range f.ratings {
		f.ratings[i].Low, f.ratings[i].High = f.ratings[i].Rating, f.ratings[i].Rating
	}
	return best(f.ratings), nil
}
