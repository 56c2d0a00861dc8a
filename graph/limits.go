package graph

import (
	"context"
	"encoding/json"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"millrace/event"
	"millrace/graph/internal/gen"
	"millrace/storage/readmodel"
)

// Bounds on what one operation may ask for.
const (
	maxTokens     = 20_000
	defaultPage   = 50
	maxPage       = 500
	defaultPoints = 1000
	maxPoints     = 200_000 // of a series
	maxKeys       = 200
	maxSeriesRuns = 200
	maxCompared   = 1000
	maxDiffered   = 100 // of whose configurations, inputs and so on is told what differs
	maxDetailed   = 50  // of whose samples and usage is told
	maxPlaces     = 2_000
	maxLineage    = 2_000
	maxHops       = 20
	maxGroups     = 1000
	maxLines      = 10_000
	defaultLines  = 200
	maxUsage      = 5_000
	maxLogged     = 1000 // inputs and definitions of a run
)

// setComplexity says what lists cost: so many times their element. Everything else costs one and what it holds. Points cost a
// hundredth: a column is written in one go.
func setComplexity(c *gen.ComplexityRoot) {
	page := func(first *int, child int) int { return 1 + pageSize(first)*child }
	series := func(runs, keys int, points *int) int {
		n := defaultPoints
		if points != nil {
			n = max(0, min(*points, maxPoints))
		}
		return 1 + runs*keys*(1+n/100)
	}
	c.Query.Runs = func(child int, _ *gen.RunFilter, _ *string, _ []gen.RunOrder, _ *string, first *int, _ *string) int {
		return page(first, child)
	}
	c.Query.Experiments = func(child int, first *int, _ *string, _ *bool) int { return page(first, child) }
	c.Query.Datasets = func(child int, first *int, _ *string, _ *string) int { return page(first, child) }
	c.Experiment.Runs = func(child int, _ *gen.RunFilter, _ []gen.RunOrder, _, _ *string, first *int, _ *string) int {
		return page(first, child)
	}
	c.Dataset.UsedBy = func(child int, _, _ *string, first *int, _ *string) int { return page(first, child) }
	c.Query.RunGroups = func(child int, _ *gen.RunFilter, _ *string, _, _ []string, first *int, _ *string) int {
		return 100 + groupPage(first)*child/10
	}
	c.Dataset.Report = func(child int) int { return 100 + child }
	c.Dataset.Why = func(child int, _, _ *string) int { return 2_000 + child }
	c.Dataset.Redecide = func(child int, _ json.RawMessage) int { return 100_000 + child }
	c.Query.MetricSeries = func(_ int, runs, keys []string, _, _ *int64, points *int, _, _ *time.Time, _ *readmodel.Axis, _ *gen.SmoothInput) int {
		return series(len(runs), len(keys), points)
	}
	c.Query.AlignMetric = func(_ int, runs []string, _ string, _ *readmodel.Axis, _ []event.Number, _ *int) int {
		return series(len(runs), 1, ptr(maxPlaces))
	}
	c.Run.Series = func(_ int, keys []string, _, _ *int64, points *int, inherit *bool) int {
		if deref(inherit) {
			return series(2, len(keys), points)
		}
		return series(1, len(keys), points)
	}
	c.Run.Tables = func(child int, _ *string, first *int) int {
		return 1 + min(count(first, defaultTables), maxTables)*(1_000+child) // each is read from storage
	}
	c.Run.SameSpec = func(child int, first *int) int { return page(first, child) }
	c.Run.UsageHistory = func(child int, points *int) int {
		if points == nil {
			return 1 + 100*child
		}
		return 1 + max(0, min(*points, maxUsage))*child
	}
	c.Query.Collections = func(child int, _ *string, _ *string, first *int, _ *string) int { return page(first, child) }
	c.Collection.Versions = func(child int, first *int, _ *string) int { return page(first, child) }
	c.Query.LossFit = func(child int, _ gen.LossFitInput) int { return 50_000 + 100*child } // hundreds of fits
	c.Query.CostPlan = func(child int, _ gen.CostPlanInput) int { return 100 + 50*child }
	c.Run.Forecast = func(child int) int { return 50 + child } // reads a series
	few := func(child int) int { return 1 + 10*child }
	c.Run.Metrics = func(child int, match *string) int {
		if match != nil {
			return 1 + child
		}
		return few(child)
	}
	c.Run.Checkpoints, c.Run.Evaluations, c.Checkpoint.Evaluations = few, few, few
	c.Lineage.Children, c.Lineage.Parents, c.Lineage.EvaluatedBy, c.Lineage.Datasets = few, few, few, few
	c.Experiment.Aliases = few
	c.Run.LoggedInputs, c.Run.MetricDefinitions, c.Collection.Aliases = few, few, few
	c.Query.Contests = func(child int, first *int, _ *string) int { return page(first, child) }
	c.Contest.Tally = func(child int, _ *gen.VotesOf, _ *string) int { return 500 + child }
	c.Query.NextComparison = func(child int, _, _ string) int { return 500 + child }
	places := func(child int) int { return 100 + maxPlacesOf*child }
	c.Run.Contests, c.Comparison.Contests = places, places
	c.Rule.Deeds = func(child int, first *int) int { return page(first, child) }
	c.Mutation.DryRunRule = func(child int, in gen.DryRunRuleInput) int { return 100_000 + page(in.First, child) }
	c.Subscription.RuleTrial = func(child int, in gen.DryRunRuleInput) int { return 100_000 + page(in.First, child) }
	c.Query.RuleFirings = func(child int, _, _ *string, first *int) int { return page(first, child) }
	setPagesComplexity(c, page)
	setCompareComplexity(c)
}

// setPagesComplexity is about lists of what belongs to one thing.
func setPagesComplexity(c *gen.ComplexityRoot, page func(first *int, child int) int) {
	of := func(child int, first *int, _ *string) int { return page(first, child) }
	c.Run.CheckpointsPage, c.Run.EvaluationsPage, c.Run.AlertsPage, c.Query.Rules = of, of, of, of
	c.Run.Artifacts = func(child int, _, _ *string, first *int, _ *string) int { return page(first, child) }
	keyed := func(child int, _ *string, first *int, _ *string) int { return page(first, child) }
	c.Run.TextsPage = keyed
	c.Evaluation.Answers = func(child int, _ *string, _ *bool, first *int, _ *string) int { return 1000 + page(first, child) } // reads a file
	c.Query.EvaluationDifference = func(child int, _, _ string, _ *string, _ *gen.AnswerChange, first *int, _ *string) int {
		return 2000 + page(first, child) // reads two
	}
	c.Run.ConsolePage = func(child int, _ string, first *int, _ *string) int { return page(first, child) }
	c.Query.Nodes = func(child int, ids []string) int { return 1 + len(ids)*child }
	traced := func(child int, first *int) int {
		n := 200
		if first != nil {
			n = max(0, min(*first, maxLineage))
		}
		return 1 + n*child
	}
	c.Query.Lineage = func(child int, _ string, _ *int, _ *gen.LineageDirection, first *int) int {
		return traced(child, first)
	}
	c.Lineage.Graph = func(child int, _ *int, _ *gen.LineageDirection, first *int) int { return traced(child, first) }
	c.Subscription.RunList = func(child int, _ *gen.RunFilter, _ []gen.RunOrder, _, _ *string, first *int) int {
		return page(first, child)
	}
	c.Subscription.Jobs = func(child int, _ []event.RunKind, first *int) int { return page(first, child) }
}

// setCompareComplexity is about runs side by side: for each run.
func setCompareComplexity(c *gen.ComplexityRoot) {
	c.Query.CompareRuns = func(child int, ids []string) int { return 1 + len(ids)*child }
	c.Comparison.Metrics = func(child int, keys []string) int { return 1 + max(1, len(keys)) + child }
	c.Comparison.Aligned = func(child int, keys []string, _ *readmodel.Axis, places *int) int {
		n := 100
		if places != nil {
			n = max(0, min(*places, maxPlaces))
		}
		return 1 + child + len(keys)*(1+n/100)
	}
	dear := func(child int) int { return 100 + child }
	c.Comparison.Usage, c.Comparison.Samples, c.Comparison.Seeds, c.DatasetComparison.Recipe, c.DatasetComparison.Sources = dear, dear, dear, dear, dear
}

// pageSize is how many items a page has: what was asked for, within bounds.
func pageSize(first *int) int {
	if first == nil {
		return defaultPage
	}
	return max(0, min(*first, maxPage))
}

// groupPage is how many groups a page has.
func groupPage(first *int) int {
	if first == nil {
		return 100
	}
	return max(0, min(*first, maxGroups))
}

// depthLimit refuses operations whose fields are nested deeper.
type depthLimit int

// ExtensionName names the extension to gqlgen.
func (depthLimit) ExtensionName() string { return "DepthLimit" }

// Validate has nothing to say.
func (depthLimit) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext measures an operation before it runs.
func (d depthLimit) MutateOperationContext(_ context.Context, op *graphql.OperationContext) *gqlerror.Error {
	def := op.Doc.Operations.ForName(op.OperationName)
	if def == nil {
		return nil
	}
	if selections(def.SelectionSet, map[string]int{}) > maxSelections {
		return &gqlerror.Error{
			Message:    "the operation has too many fields once its fragments are put in",
			Extensions: map[string]any{"code": "COMPLEXITY_LIMIT_EXCEEDED", "limit": maxSelections},
		}
	}
	if !deeper(def.SelectionSet, int(d), map[fragmentAt]bool{}) {
		return nil
	}
	return &gqlerror.Error{
		Message:    "the operation is nested too deep",
		Extensions: map[string]any{"code": "DEPTH_LIMIT_EXCEEDED", "limit": int(d)},
	}
}

// deeper tells whether a selection goes deeper than left levels. Introspection is let through: its queries are deep by habit, and
// validation bounds their lists. Fragments cannot contain themselves: validation comes first, too. They may be spread twice in each other,
// level by level, which would double the way each time: each is walked once for each depth that it is met at.
func deeper(set ast.SelectionSet, left int, walked map[fragmentAt]bool) bool {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if s.Name == "__schema" || s.Name == "__type" {
				continue
			}
			if left == 0 || deeper(s.SelectionSet, left-1, walked) {
				return true
			}
		case *ast.InlineFragment:
			if deeper(s.SelectionSet, left, walked) {
				return true
			}
		case *ast.FragmentSpread:
			at := fragmentAt{s.Name, left}
			if s.Definition == nil || walked[at] {
				continue
			}
			walked[at] = true
			if deeper(s.Definition.SelectionSet, left, walked) {
				return true
			}
		}
	}
	return false
}

type fragmentAt struct {
	name string
	left int
}

// maxSelections bounds the fields of an operation once its fragments are put in.
const maxSelections = 50_000

// selections counts the fields and spreads of a selection once its fragments are put in, up to maxSelections. Each fragment is counted once.
func selections(set ast.SelectionSet, counted map[string]int) int {
	n := 0
	for _, s := range set {
		n++
		switch s := s.(type) {
		case *ast.Field:
			n += selections(s.SelectionSet, counted)
		case *ast.InlineFragment:
			n += selections(s.SelectionSet, counted)
		case *ast.FragmentSpread:
			if s.Definition == nil {
				continue
			}
			of, known := counted[s.Name]
			if !known {
				of = selections(s.Definition.SelectionSet, counted)
				counted[s.Name] = of
			}
			n += of
		}
		n = min(n, maxSelections+1)
	}
	return n
}

// queryCache keeps parsed operations, but not huge ones, so that it is bounded in bytes too.
type queryCache struct {
	*lru.LRU[*ast.QueryDocument]
}

func newQueryCache() queryCache { return queryCache{lru.New[*ast.QueryDocument](500)} }

// Add keeps an operation.
func (c queryCache) Add(ctx context.Context, query string, doc *ast.QueryDocument) {
	if len(query) <= 16<<10 {
		c.LRU.Add(ctx, query, doc)
	}
}
