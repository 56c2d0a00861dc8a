package optim

import (
	"fmt"
	"slices"
	"strings"
)

// Config is an optimizer as data. What a method does not have must be zero; Default(name) has what each begins with.
type Config struct {
	Name        string  `json:"name"`  // "adamw", "adam", "sgd", "lion", "muon"
	LR          float64 `json:"lr"`    // peak learning rate
	Beta1       float64 `json:"beta1"` // adamw, adam, lion, and what muon leaves to adamw
	Beta2       float64 `json:"beta2"`
	Eps         float64 `json:"eps"`          // adamw, adam, muon
	WeightDecay float64 `json:"weight_decay"` // 0 is none; adam and sgd add it to the gradient, the others decay beside it
	// Momentum is sgd's and muon's; Nesterov looks ahead with it.
	Momentum float64 `json:"momentum,omitempty"`
	Nesterov bool    `json:"nesterov,omitempty"`
	// Decay says what weight decay applies to: "" every matrix, embeddings among them, as nanoGPT does; "linear" matrices but
	// embeddings and the head; "all" gains and biases too.
	Decay string `json:"decay,omitempty"`
}

// The methods.
const (
	nameAdamW = "adamw"
	nameAdam  = "adam"
	nameSGD   = "sgd"
	nameLion  = "lion"
	nameMuon  = "muon"
)

var methods = []string{nameAdamW, nameAdam, nameSGD, nameLion, nameMuon}

// What weight decay applies to.
const (
	decayMatrices = ""
	decayLinear   = "linear"
	decayAll      = "all"
)

// Default is a method as models of GPT-2's size are commonly trained with it; AdamW for a name that is not known. Lion's and Muon's
// figures are those of their papers (Chen et al. 2023: a third to a tenth of AdamW's rate, and more decay; Liu et al. 2025:
// AdamW's own rate and decay).
func Default(name string) Config {
	switch name {
	case nameAdam:
		return Config{Name: nameAdam, LR: 1e-3, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8}
	case nameSGD:
		return Config{Name: nameSGD, LR: 0.1, Momentum: 0.9, Nesterov: true}
	case nameLion:
		return Config{Name: nameLion, LR: 1e-4, Beta1: 0.9, Beta2: 0.99, WeightDecay: 1}
	case nameMuon:
		return Config{Name: nameMuon, LR: 1e-3, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, Momentum: 0.95, Nesterov: true}
	}
	return Config{Name: nameAdamW, LR: 1e-3, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1}
}

// Validate names the first key that is wrong.
func (c Config) Validate() error {
	if !slices.Contains(methods, c.Name) {
		return fmt.Errorf(`optimizer.name: %q is not known; use %s`, c.Name, quoted(methods))
	}
	adam := c.Name == nameAdamW || c.Name == nameAdam || c.Name == nameMuon
	for _, f := range []struct {
		key        string
		v          float64
		least, top float64
		has        bool
	}{
		{"lr", c.LR, 0, 100, true}, {"eps", c.Eps, 1e-45, 1, adam}, {"weight_decay", c.WeightDecay, 0, 100, true},
	} {
		switch {
		case f.has && !(f.v >= f.least && f.v <= f.top):
			return fmt.Errorf("optimizer.%s: %g is not between %g and %g", f.key, f.v, f.least, f.top)
		case !f.has && f.v != 0:
			return fmt.Errorf("optimizer.%s: %s has none; leave it out", f.key, c.Name)
		}
	}
	for _, f := range []struct {
		key string
		v   float64
		has bool
	}{
		{"beta1", c.Beta1, c.Name != nameSGD}, {"beta2", c.Beta2, c.Name != nameSGD},
		{"momentum", c.Momentum, c.Name == nameSGD || c.Name == nameMuon},
	} {
		switch {
		case f.has && !(f.v >= 0 && f.v < 1):
			return fmt.Errorf("optimizer.%s: %g is not at least 0 and below 1", f.key, f.v)
		case !f.has && f.v != 0:
			return fmt.Errorf("optimizer.%s: %s has none; leave it out", f.key, c.Name)
		}
	}
	if c.Nesterov && c.Momentum == 0 {
		return fmt.Errorf("optimizer.nesterov: it looks ahead with momentum; set optimizer.momentum")
	}
	if c.Decay != decayMatrices && c.Decay != decayLinear && c.Decay != decayAll {
		return fmt.Errorf(`optimizer.decay: %q is not known; use "linear" or "all", or leave it out for every matrix`, c.Decay)
	}
	return nil
}

// quoted lists names for a message: "a", "b" or "c".
func quoted(names []string) string {
	return `"` + strings.Join(names[:len(names)-1], `", "`) + `" or "` + names[len(names)-1] + `"`
}
