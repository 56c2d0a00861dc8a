// Package where is the language in which runs are picked: what people type, what programs build, and one form for both.
//
//	status = running and config.optimizer.lr <= 3e-4 and (tags.team = "nlp" or "baseline" in labels) and metric["val/loss"].min < 2.1
//
// The types you need: Expr (a condition), Field (what of a run is meant), Parse (text to Expr), Print (back);
// ParseField and ParseSort for what is ordered and grouped by. docs/filters.md is the page for people. The read model
// evaluates; this package knows no run.
package where
