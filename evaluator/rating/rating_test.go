package rating_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"millrace/evaluator/rating"
)

// golden is what testdata/peers/golden.py prints.
type golden struct {
	Battles          [][3]string
	Ratings          map[string]float64
	FastChat         map[string]float64
	Elo              map[string]float64
	Pairs            [][2]string
	Cohen            float64
	Items            [][]string
	Fleiss           float64
	Ragged           [][]string
	Nominal          float64
	IntervalDistance float64 `json:"interval"`
}

func readGolden(t *testing.T) (g golden, battles []rating.Battle) {
	t.Helper()
	raw, err := os.ReadFile("testdata/peers/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &g); err != nil {
		t.Fatal(err)
	}
	for _, b := range g.Battles {
		battles = append(battles, rating.Battle{A: b[0], B: b[1], Outcome: rating.Outcome(b[2])})
	}
	return g, battles
}

func TestRatingsAreThePeers(t *testing.T) {
	g, battles := readGolden(t)
	got, err := rating.BradleyTerry(battles, rating.Options{})
	if err != nil || got.Separable || got.Prior != 0 || len(got.Ratings) != len(g.Ratings) {
		t.Fatalf("%+v: %v", got, err)
	}
	for _, r := range got.Ratings {
		if d := math.Abs(r.Rating - g.Ratings[r.Model]); !(d <= 1e-6) {
			t.Errorf("%s: %v, the peer's is %v", r.Model, r.Rating, g.Ratings[r.Model])
		}
		if d := math.Abs(r.Rating - g.FastChat[r.Model]); !(d <= 0.5) { // its solver stops early
			t.Errorf("%s: %v, FastChat's is %v", r.Model, r.Rating, g.FastChat[r.Model])
		}
	}
	elo, err := rating.Elo(battles, rating.EloK)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range elo {
		if d := math.Abs(r.Rating - g.Elo[r.Model]); !(d <= 1e-9) {
			t.Errorf("Elo of %s: %v, the peer's is %v", r.Model, r.Rating, g.Elo[r.Model])
		}
	}
}

func TestAgreementIsThePeers(t *testing.T) {
	g, _ := readGolden(t)
	for _, c := range []struct {
		name string
		got  func() (rating.Agreement, error)
		want float64
	}{
		{"Cohen", func() (rating.Agreement, error) { return rating.Cohen(g.Pairs) }, g.Cohen},
		{"Fleiss", func() (rating.Agreement, error) { return rating.Fleiss(g.Items) }, g.Fleiss},
		{"nominal α", func() (rating.Agreement, error) { return rating.Krippendorff(g.Ragged, rating.Nominal) }, g.Nominal},
		{"interval α", func() (rating.Agreement, error) { return rating.Krippendorff(g.Ragged, rating.Interval) }, g.IntervalDistance},
	} {
		if got, err := c.got(); err != nil || !(math.Abs(got.Value-c.want) <= 1e-12) {
			t.Errorf("%s: %+v %v, the peer's is %v", c.name, got, err, c.want)
		}
	}
}

func TestAgreementThatIsNone(t *testing.T) {
	for name, f := range map[string]func() (rating.Agreement, error){
		"no pairs":     func() (rating.Agreement, error) { return rating.Cohen(nil) },
		"all the same": func() (rating.Agreement, error) { return rating.Cohen([][2]string{{"a", "a"}, {"a", "a"}}) },
		"no items":     func() (rating.Agreement, error) { return rating.Fleiss(nil) },
		"one rater":    func() (rating.Agreement, error) { return rating.Fleiss([][]string{{"a"}, {"b"}}) },
		"nothing twice": func() (rating.Agreement, error) {
			return rating.Krippendorff([][]string{{"a"}, {"b"}, nil}, rating.Nominal)
		},
	} {
		if got, err := f(); !errors.Is(err, rating.ErrUndefined) || got.Value != 0 {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	if _, err := rating.Fleiss([][]string{{"a", "b"}, {"a"}}); err == nil || errors.Is(err, rating.ErrUndefined) {
		t.Errorf("more and fewer labels: %v", err)
	}
	if _, err := rating.Krippendorff([][]string{{"a", "1"}}, rating.Interval); err == nil {
		t.Error("a label that is no number was taken")
	}
}

// simulate makes battles of models whose strengths are known.
func simulate(models, battles int, seed uint64) (out []rating.Battle, strength map[string]float64) {
	random := rand.New(rand.NewPCG(seed, 0))
	strength = map[string]float64{}
	names := make([]string, models)
	for i := range names {
		names[i] = fmt.Sprintf("model-%03d", i)
		strength[names[i]] = 1000 + 150*random.NormFloat64()
	}
	for range battles {
		a, b := names[random.IntN(models)], names[random.IntN(models)]
		outcome := rating.B
		switch p := rating.Probability(strength[a], strength[b]); {
		case random.Float64() < 0.1:
			outcome = rating.Tie
		case random.Float64() < p:
			outcome = rating.A
		}
		out = append(out, rating.Battle{A: a, B: b, Outcome: outcome})
	}
	return out, strength
}

func TestIntervalsHoldTheTruth(t *testing.T) {
	battles, strength := simulate(10, 3000, 3)
	o := rating.Options{Bootstrap: 100, Seed: 5, Anchor: "model-004", AnchorRating: strength["model-004"]}
	got, err := rating.BradleyTerry(battles, o)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := rating.BradleyTerry(battles, o)
	if !reflect.DeepEqual(got, again) {
		t.Error("the same seed gives other intervals")
	}
	inside := 0
	for i, r := range got.Ratings {
		if i > 0 && r.Rating > got.Ratings[i-1].Rating {
			t.Error("the best is not first")
		}
		if r.Model == o.Anchor {
			if math.Abs(r.Rating-o.AnchorRating) > 1e-9 || math.Abs(r.High-r.Low) > 1e-9 {
				t.Errorf("the anchor is at %+v", r)
			}
			continue
		}
		if !(r.Low < r.Rating && r.Rating < r.High) || r.Wins+r.Losses+r.Ties != r.Battles {
			t.Errorf("%+v", r)
		}
		if s := strength[r.Model]*0.9 + 100; r.Low-60 <= s && s <= r.High+60 { // ties, a tenth of all, draw ratings together
			inside++
		}
	}
	if inside < 8 {
		t.Errorf("%d of 9 intervals hold the truth", inside)
	}
}

// What no maximum likelihood can say is said to be so, and is finite.
func TestSeparable(t *testing.T) {
	win := func(a, b string) rating.Battle { return rating.Battle{A: a, B: b, Outcome: rating.A} }
	for name, battles := range map[string][]rating.Battle{
		"always wins": {win("x", "y"), win("x", "y"), win("x", "z"), win("y", "z"), win("z", "y")},
		"never met":   {{A: "x", B: "y", Outcome: rating.Tie}, {A: "z", B: "v", Outcome: rating.BothBad}},
		"one battle":  {win("x", "y")},
	} {
		got, err := rating.BradleyTerry(battles, rating.Options{Bootstrap: 20})
		if err != nil || !got.Separable || got.Prior != rating.SeparablePrior || got.Ratings[0].Model != "x" && name != "never met" {
			t.Errorf("%s: %+v %v", name, got, err)
		}
		for _, r := range got.Ratings {
			if math.Abs(r.Rating) > 5000 || math.IsNaN(r.Low+r.High) {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
	// A win, and a prior of one tie with the average, has a closed form: both are ±d/2 around the middle with 1-σ(d) = σ(d/2)-½ for each.
	got, err := rating.BradleyTerry([]rating.Battle{win("x", "y")}, rating.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := (got.Ratings[0].Rating - got.Ratings[1].Rating) * math.Ln10 / rating.Scale
	sigma := func(v float64) float64 { return 1 / (1 + math.Exp(-v)) }
	if math.Abs(1-sigma(d)-(sigma(d/2)-0.5)) > 1e-9 {
		t.Errorf("a difference of %v", d)
	}
}

func TestWrongOptions(t *testing.T) {
	ok := []rating.Battle{{A: "x", B: "y", Outcome: rating.A}}
	for i, o := range []rating.Options{{Bootstrap: -1}, {Bootstrap: rating.MaxBootstrap + 1}, {Confidence: 1}, {Prior: math.NaN()}, {Anchor: "z"}, {Anchor: "x", AnchorRating: math.Inf(1)}} {
		if _, err := rating.BradleyTerry(ok, o); err == nil {
			t.Errorf("%d was taken", i)
		}
	}
	if _, err := rating.BradleyTerry([]rating.Battle{{A: "x", B: "y", Outcome: "c"}}, rating.Options{}); err == nil {
		t.Error("an outcome c was taken")
	}
	for _, none := range [][]rating.Battle{nil, {{A: "x", B: "x", Outcome: rating.A}}} {
		if _, err := rating.BradleyTerry(none, rating.Options{}); !errors.Is(err, rating.ErrNoBattles) {
			t.Errorf("no battles: %v", err)
		}
	}
	if _, err := rating.Elo(ok, 0); err == nil {
		t.Error("a K of 0 was taken")
	}
}

// At the maximum what was won is what was expected, for every model.
func TestMaximum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.IntRange(2, 6).Draw(t, "models")
		model := rapid.Custom(func(t *rapid.T) string { return fmt.Sprint(rapid.IntRange(0, names-1).Draw(t, "model")) })
		battles := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) rating.Battle {
			return rating.Battle{A: model.Draw(t, "a"), B: model.Draw(t, "b"), Outcome: rapid.SampledFrom([]rating.Outcome{rating.A, rating.B, rating.Tie, rating.BothBad}).Draw(t, "outcome")}
		}), 1, 60).Draw(t, "battles")
		got, err := rating.BradleyTerry(battles, rating.Options{})
		if errors.Is(err, rating.ErrNoBattles) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		points := map[string]float64{}
		for _, r := range got.Ratings {
			points[r.Model] = r.Rating
		}
		if got.Separable {
			return
		}
		rest := map[string]float64{}
		for _, b := range battles {
			if b.A == b.B {
				continue
			}
			won := map[rating.Outcome]float64{rating.A: 1, rating.Tie: 0.5, rating.BothBad: 0.5}[b.Outcome]
			p := rating.Probability(points[b.A], points[b.B])
			rest[b.A] += won - p
			rest[b.B] -= won - p
		}
		for m, r := range rest {
			if math.Abs(r) > 1e-8 {
				t.Fatalf("%s won %v more than expected: %+v", m, r, got)
			}
		}
	})
}

func BenchmarkBradleyTerry(b *testing.B) {
	battles, _ := simulate(100, 100_000, 1)
	for _, draws := range []int{0, 100} {
		b.Run(fmt.Sprintf("100000_battles_100_models_%d_draws", draws), func(b *testing.B) {
			for b.Loop() {
				if _, err := rating.BradleyTerry(battles, rating.Options{Bootstrap: draws}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func Example() {
	got, err := rating.BradleyTerry([]rating.Battle{{"large", "small", rating.A}, {"small", "large", rating.Tie}, {"small", "large", rating.A}, {"large", "small", rating.A}}, rating.Options{})
	if err != nil {
		fmt.Println(err)
	}
	for _, r := range got.Ratings {
		fmt.Printf("%s %.1f\n", r.Model, r.Rating)
	}
	// Output:
	// large 1044.4
	// small 955.6
}
