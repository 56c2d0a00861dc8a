package graph

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"millrace/graph/internal/gen"
	"millrace/graph/internal/scalar"
	"millrace/storage/readmodel"
)

// asOf is a schema whose queries may be answered by a read model of the past: those with the directive @asOf.
type asOf struct {
	graphql.ExecutableSchema
	root *resolver
}

// executable is the schema over a root.
func executable(root *resolver) graphql.ExecutableSchema {
	schema := gen.Config{Resolvers: root}
	setComplexity(&schema.Complexity)
	return gen.NewExecutableSchema(schema)
}

// Exec answers an operation, or prepares to. A question about the past is answered by a second schema, whose root has the past's model and the
// past's clock; everything else is the same.
func (s asOf) Exec(ctx context.Context) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	directive := op.Operation.Directives.ForName("asOf")
	if directive == nil {
		return s.ExecutableSchema.Exec(ctx)
	}
	model, at, release, err := s.root.past(ctx, directive, op.Variables)
	if err != nil {
		shown := s.root.present(ctx, err)
		return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{shown}})
	}
	release = sync.OnceFunc(release)
	context.AfterFunc(ctx, release)
	past := *s.root
	past.Model, past.Now = model, func() time.Time { return at }
	answer := executable(&past).Exec(ctx)
	return func(ctx context.Context) *graphql.Response {
		resp := answer(ctx)
		if resp == nil || resp.HasNext == nil || !*resp.HasNext {
			release()
		}
		return resp
	}
}

// past opens the read model that a directive asks for.
func (r *resolver) past(ctx context.Context, d *ast.Directive, vars map[string]any) (*readmodel.Model, time.Time, func(), error) {
	fail := func(err error) (*readmodel.Model, time.Time, func(), error) {
		var refused Refusal
		if errors.As(err, &refused) {
			code := codeBadInput
			if refused.Code() == "UNAVAILABLE" {
				code = codeUnavailable
			}
			err = question{code: code, message: refused.Error()}
		}
		return nil, time.Time{}, nil, err
	}
	if r.Config.Past == nil {
		return fail(question{code: codeUnavailable, message: "this node does not look back"})
	}
	args := d.ArgumentMap(vars)
	seq, when := args["seq"], args["time"]
	if (seq == nil) == (when == nil) {
		return fail(badInput("@asOf wants a seq or a time, one of them"))
	}
	var place uint64
	if seq != nil {
		n, err := scalar.UnmarshalInt64(seq)
		if err != nil {
			return fail(err)
		}
		if n < 0 {
			return fail(badInput("@asOf: seq is %d, and places begin at 0", n))
		}
		place = uint64(n)
	} else {
		t, err := scalar.UnmarshalTime(when)
		if err != nil {
			return fail(err)
		}
		if place, err = r.Config.Past.Place(ctx, t); err != nil {
			return fail(err)
		}
	}
	model, at, release, err := r.Config.Past.At(ctx, place)
	if err != nil {
		return fail(err)
	}
	return model, at, release, nil
}
