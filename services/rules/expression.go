package rules

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"

	"millrace/event"
)

// Bounds of an expression: its length in bytes, what one evaluation may cost (in CEL's units: about one for each operation and each element
// looked at) and how long it may take.
const (
	maxExpression = 4096
	maxCost       = 1_000_000
	maxTime       = time.Second
	// maxHistory bounds how many points one question for a series' past brings, maxQuestions how many an evaluation asks.
	maxHistory   = 10_000
	maxQuestions = 64
)

// The names that expressions know, and of those with fields which.
var (
	runFields        = []string{"id", "name", "kind", "status", "note", "tags", "labels", "config", "steps", "metrics", "cost", "budget", "by", "depth", "experiment", "branch", "resumed", "checkpoint", "checkpoints", "failure", "alias", "starred", "archived", "age_seconds", "stopping"}
	experimentFields = []string{"id", "name", "objective", "budget", "cost", "archived", "note"}
	variables        = []string{"event", "time", "seq", "run", "experiment", "aliases", "metrics", "scores", "key", "value", "values", "step"}
)

// environment is the language, made once.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	var options []cel.EnvOption
	for _, name := range variables {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	floats := cel.ListType(cel.DoubleType)
	list := func(name string, of func([]float64) float64) cel.EnvOption {
		return cel.Function(name, cel.Overload(name+"_list", []*cel.Type{cel.DynType}, cel.DoubleType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			xs, err := numbers(v)
			if err != nil {
				return types.WrapErr(err)
			}
			return types.Double(of(xs))
		})))
	}
	ask := func(name string, args []*cel.Type, result *cel.Type, do func(s *state, args []ref.Val) (any, error)) cel.EnvOption {
		return cel.Function(name, cel.MemberOverload(fmt.Sprintf("run_%s_%d", name, len(args)), append([]*cel.Type{cel.DynType}, args...), result, cel.FunctionBinding(func(vals ...ref.Val) ref.Val {
			m, ok := vals[0].(*lazy)
			if !ok || m.state == nil {
				return types.NewErr("%s is asked of a run", name)
			}
			if m.state.questions++; m.state.questions > maxQuestions {
				return types.NewErr("an expression asks for at most %d series", maxQuestions)
			}
			v, err := do(m.state, vals[1:])
			if err != nil {
				return types.WrapErr(err)
			}
			return types.DefaultTypeAdapter.NativeToValue(v)
		})))
	}
	test := func(name string, of func(float64) bool) cel.EnvOption {
		return cel.Function(name, cel.Overload(name+"_dyn", []*cel.Type{cel.DynType}, cel.BoolType, cel.UnaryBinding(func(v ref.Val) ref.Val {
			f, ok := number(v)
			return types.Bool(ok && of(f))
		})))
	}
	options = append(options,
		cel.CrossTypeNumericComparisons(true), ext.Strings(), ext.Math(), ext.Lists(),
		cel.Macros(onRun("history", 2), onRun("stale", 2), onRun("stale", 3)),
		list("mean", mean), list("median", median), list("stddev", stddev),
		list("lowest", func(xs []float64) float64 { return extreme(xs, func(a, b float64) bool { return a < b }) }),
		list("highest", func(xs []float64) float64 { return extreme(xs, func(a, b float64) bool { return a > b }) }),
		test("isnan", math.IsNaN), test("isinf", func(f float64) bool { return math.IsInf(f, 0) }),
		ask("history", []*cel.Type{cel.StringType, cel.IntType}, floats, func(s *state, a []ref.Val) (any, error) {
			return s.history(string(a[0].(types.String)), int64(a[1].(types.Int)))
		}),
		ask("stale", []*cel.Type{cel.StringType, cel.StringType}, cel.IntType, func(s *state, a []ref.Val) (any, error) {
			return s.stale(string(a[0].(types.String)), string(a[1].(types.String)), 0)
		}),
		ask("stale", []*cel.Type{cel.StringType, cel.StringType, cel.DoubleType}, cel.IntType, func(s *state, a []ref.Val) (any, error) {
			return s.stale(string(a[0].(types.String)), string(a[1].(types.String)), float64(a[2].(types.Double)))
		}),
	)
	return cel.NewEnv(options...)
})

// onRun lets a function be called without saying that it is the run's: history("loss", 5) is run.history("loss", 5).
func onRun(name string, args int) cel.Macro {
	return cel.GlobalMacro(name, args, func(f cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
		return f.NewMemberCall(name, f.NewIdent("run"), args...), nil
	})
}

// expression is one that was read and can be asked.
type expression struct {
	text    string
	checked *cel.Ast
	program cel.Program
}

// compile reads an expression over a fact of a type.
func compile(text string, on event.Type) (*expression, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("an expression is missing; true always holds")
	}
	if len(text) > maxExpression {
		return nil, fmt.Errorf("an expression has at most %d bytes, this one has %d", maxExpression, len(text))
	}
	env, err := environment()
	if err != nil {
		return nil, err
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, fmt.Errorf("the expression cannot be read: %w", issues.Err())
	}
	if err := checkFields(checked, on); err != nil {
		return nil, err
	}
	program, err := env.Program(checked, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(100), cel.EvalOptions(cel.OptPartialEval))
	if err != nil {
		return nil, err
	}
	return &expression{text: text, checked: checked, program: program}, nil
}

// checkFields refuses fields that the run, the experiment or the fact never has: a slip of the pen that would fail each time.
func checkFields(checked *cel.Ast, on event.Type) error {
	known := map[string][]string{"run": runFields, "experiment": experimentFields}
	if zero := zeroOf(on); zero != nil {
		known["event"] = fieldsOf(zero)
	}
	var err error
	ast.PreOrderVisit(checked.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.SelectKind || e.AsSelect().Operand().Kind() != ast.IdentKind {
			return
		}
		of := e.AsSelect().Operand().AsIdent()
		if fields, ok := known[of]; ok && err == nil && !slices.Contains(fields, e.AsSelect().FieldName()) {
			what := of
			if of == "event" {
				what = "a fact of type " + string(on)
			}
			err = fmt.Errorf("%s has no %q; it has %s", what, e.AsSelect().FieldName(), strings.Join(fields, ", "))
		}
	}))
	return err
}

// eval works an expression out. Its errors are the rule's, not the platform's, but for the context's.
func (x *expression) eval(ctx context.Context, s *state) (ref.Val, error) {
	bounded, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	s.questions = 0
	v, _, err := x.program.ContextEval(bounded, s.vars())
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err == nil && types.IsUnknown(v) {
		err = errors.New("it asks for what is not known")
	}
	if err != nil {
		return nil, fmt.Errorf("%.200s: %w", x.text, err)
	}
	return v, nil
}

// holds works a condition out.
func (x *expression) holds(ctx context.Context, s *state) (bool, error) {
	v, err := x.eval(ctx, s)
	if err != nil {
		return false, err
	}
	yes, ok := v.(types.Bool)
	if !ok {
		return false, fmt.Errorf("%.200s: it is a %s, a condition is true or false", x.text, v.Type().TypeName())
	}
	return bool(yes), nil
}

// zeroOf finds a fact's zero by its type, nil for none.
func zeroOf(t event.Type) event.Event {
	for _, e := range event.Set() {
		if e.Type() == t {
			return e
		}
	}
	return nil
}
