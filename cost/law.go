package cost

import (
	"errors"
	"fmt"
	"math"
)

// A Law predicts the loss of a model of n parameters after training on d tokens once, in nats a token of the text and tokenizer it was
// fitted on: losses of different laws compare only roughly, sizes do.
type Law interface {
	// Name says who fitted it.
	Name() string
	// Loss is the prediction.
	Loss(n, d float64) float64
	// Best is the size and the tokens that give the least loss for so many FLOPs, at 6·n·d.
	Best(flops float64) (n, d float64)
}

// ErrNoPlan is returned for a budget or a wish that no plan meets.
var ErrNoPlan = errors.New("no plan")

// Parametric is L(N, D) = E + A/N^α + B/D^β of Hoffmann et al. 2022 (Chinchilla), approach 3.
type Parametric struct {
	By    string  `json:"by"`
	E     float64 `json:"e"`
	A     float64 `json:"a"`
	B     float64 `json:"b"`
	Alpha float64 `json:"alpha"`
	Beta  float64 `json:"beta"`
}

// Hoffmann are the constants as published. They want fewer parameters and more tokens than 20 a parameter, and than the same
// paper's other two approaches: the optimizer that fitted them had stopped early (Besiroglu et al. 2024).
func Hoffmann() Parametric {
	return Parametric{By: "Hoffmann et al. 2022", E: 1.69, A: 406.4, B: 410.7, Alpha: 0.34, Beta: 0.28}
}

// Epoch are the constants that Besiroglu et al. 2024 (Epoch AI) fitted anew to the points of Chinchilla's figure.
func Epoch() Parametric {
	return Parametric{By: "Besiroglu et al. 2024", E: 1.8172, A: 482.01, B: 2085.43, Alpha: 0.3478, Beta: 0.3658}
}

// Name implements Law.
func (p Parametric) Name() string { return p.By }

// Loss implements Law.
func (p Parametric) Loss(n, d float64) float64 {
	return p.E + p.A*math.Pow(n, -p.Alpha) + p.B*math.Pow(d, -p.Beta)
}

// Best implements Law by Hoffmann et al. 2022, equation 4: n = G·(C/6)^(β/(α+β)), G = (α·A / β·B)^(1/(α+β)).
func (p Parametric) Best(flops float64) (n, d float64) {
	sum := p.Alpha + p.Beta
	g := math.Pow(p.Alpha*p.A/(p.Beta*p.B), 1/sum)
	n = g * math.Pow(flops/6, p.Beta/sum)
	return n, flops / 6 / n
}

// TokensPerParameter is the rule of thumb of Hoffmann et al. 2022, whose tables 3 and A3 are near it at every size.
const TokensPerParameter = 20

// Rule20 sizes by TokensPerParameter, and predicts by Epoch's constants, which agree with the rule best.
type Rule20 struct{}

// Name implements Law.
func (Rule20) Name() string { return "20 tokens per parameter" }

// Loss implements Law.
func (Rule20) Loss(n, d float64) float64 { return Epoch().Loss(n, d) }

// Best implements Law: C = 6·n·20·n.
func (Rule20) Best(flops float64) (n, d float64) {
	n = math.Sqrt(flops / (6 * TokensPerParameter))
	return n, TokensPerParameter * n
}

// Kaplan is Kaplan et al. 2020, for parameters without embeddings: L(N, D) of equation 1.5 with table 2's constants, and sizes by
// appendix A: N = 1.3e9 · C^0.73 with C in PF-days of the compute-efficient frontier, which stops short of convergence. Its runs
// all had one schedule's length, which is why it wants large models on little text; kept for comparison.
type Kaplan struct{}

// PetaFLOPDay is 10¹⁵ operations a second for a day.
const PetaFLOPDay = 1e15 * 86400

// Name implements Law.
func (Kaplan) Name() string { return "Kaplan et al. 2020" }

// Loss implements Law.
func (Kaplan) Loss(n, d float64) float64 {
	const alphaN, alphaD, nc, dc = 0.076, 0.103, 6.4e13, 1.8e13
	return math.Pow(math.Pow(nc/n, alphaN/alphaD)+dc/d, alphaD)
}

// Best implements Law.
func (Kaplan) Best(flops float64) (n, d float64) {
	n = 1.3e9 * math.Pow(flops/PetaFLOPDay, 0.73)
	return n, flops / 6 / n
}

// LawNamed is a law by a short name: "rule20", "epoch", "hoffmann", "kaplan". Errors: ErrNoPlan.
func LawNamed(name string) (Law, error) {
	switch name {
	case "", "rule20":
		return Rule20{}, nil
	case "epoch":
		return Epoch(), nil
	case "hoffmann":
		return Hoffmann(), nil
	case "kaplan":
		return Kaplan{}, nil
	}
	return nil, fmt.Errorf("cost: law %q is none of rule20, epoch, hoffmann, kaplan: %w", name, ErrNoPlan)
}

// Laws are all that LawNamed knows, the rule of thumb first.
func Laws() []Law { return []Law{Rule20{}, Epoch(), Hoffmann(), Kaplan{}} }

// Plan is a size for a budget.
type Plan struct {
	Law    string  `json:"law"`
	Params float64 `json:"params"`
	Tokens float64 `json:"tokens"`
	FLOPs  float64 `json:"flops"`
	Loss   float64 `json:"loss"`
}

// bounds of what is planned, in FLOPs: a second of a calculator to all computers for a century.
const leastFLOPs, mostFLOPs = 1e9, 1e32

// For is what a law advises for so many FLOPs. Errors: ErrNoPlan.
func For(law Law, flops float64) (Plan, error) {
	if !(flops >= leastFLOPs && flops <= mostFLOPs) {
		return Plan{}, fmt.Errorf("cost: a budget of %.3g FLOPs is not between %.0e and %.0e: %w", flops, leastFLOPs, mostFLOPs, ErrNoPlan)
	}
	n, d := law.Best(flops)
	return Plan{Law: law.Name(), Params: n, Tokens: d, FLOPs: flops, Loss: law.Loss(n, d)}, nil
}

// ForParams is the budget at which a law advises that size: the inverse of For. Errors: ErrNoPlan.
func ForParams(law Law, params float64) (Plan, error) {
	return search(law, func(p Plan) bool { return p.Params >= params }, fmt.Sprintf("%.3g parameters", params))
}

// ForLoss is the least budget whose best plan has a loss that low. Errors: ErrNoPlan where no budget is enough.
func ForLoss(law Law, loss float64) (Plan, error) {
	return search(law, func(p Plan) bool { return p.Loss <= loss }, fmt.Sprintf("a loss of %.4g", loss))
}

// search halves the range of budgets: sizes and losses are monotone in it.
func search(law Law, enough func(Plan) bool, what string) (Plan, error) {
	low, high := math.Log(leastFLOPs), math.Log(mostFLOPs)
	at := func(x float64) Plan {
		p, _ := For(law, math.Min(math.Max(math.Exp(x), leastFLOPs), mostFLOPs))
		return p
	}
	if !enough(at(high)) || enough(at(low)) {
		return Plan{}, fmt.Errorf("cost: by %s no budget between %.0e and %.0e FLOPs is right for %s: %w", law.Name(), leastFLOPs, mostFLOPs, what, ErrNoPlan)
	}
	for range 100 {
		if mid := (low + high) / 2; enough(at(mid)) {
			high = mid
		} else {
			low = mid
		}
	}
	return at(high), nil
}

// Curve is the best plans for budgets from flops/around to flops·around, evenly spread in logarithm, within what is planned at all.
func Curve(law Law, flops, around float64, points int) []Plan {
	low, high := math.Log(math.Max(flops/around, leastFLOPs)), math.Log(math.Min(flops*around, mostFLOPs))
	var plans []Plan
	for i := range points {
		at := math.Exp(low + (high-low)*float64(i)/float64(max(points-1, 1)))
		if p, err := For(law, math.Min(math.Max(at, leastFLOPs), mostFLOPs)); err == nil {
			plans = append(plans, p)
		}
	}
	return plans
}
