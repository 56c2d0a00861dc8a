package graph

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// errTimeout is why the context of an operation that takes too long ends.
var errTimeout = errors.New("graph: the operation takes too long")

// withinTime gives every question and every wish its time. One that takes longer is answered by one error and no data: of half an answer
// nobody knows which half.
func (r *resolver) withinTime(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx).Operation
	if op == nil || op.Operation == ast.Subscription {
		return next(ctx)
	}
	limit := r.Timeout
	if selects(op.SelectionSet, "redecide") { // has a time of its own, which ends first
		limit = max(limit, r.RedecideTimeout+5*time.Second)
	}
	if selects(op.SelectionSet, "dryRunRule") { // as has this
		limit = max(limit, r.TrialTimeout+15*time.Second)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTimeout)
	respond := next(ctx)
	return func(ctx context.Context) *graphql.Response {
		defer cancel()
		answer := respond(ctx)
		if answer == nil || !errors.Is(context.Cause(ctx), errTimeout) {
			return answer
		}
		message := fmt.Sprintf("this takes more than %s; ask for less at once", limit)
		if op.Operation == ast.Mutation {
			message = fmt.Sprintf("this takes more than %s; it may have been done all the same: look before you wish again", limit)
		}
		return &graphql.Response{Errors: gqlerror.List{{Message: message, Extensions: map[string]any{"code": codeTimeout}}}}
	}
}

// unlessOver answers no field more once the operation's time is over or its asker has gone.
func unlessOver(ctx context.Context, next graphql.Resolver) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return next(ctx)
}

// selects tells whether a field is asked for somewhere.
func selects(set ast.SelectionSet, name string) bool {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if s.Name == name || selects(s.SelectionSet, name) {
				return true
			}
		case *ast.InlineFragment:
			if selects(s.SelectionSet, name) {
				return true
			}
		case *ast.FragmentSpread:
			if s.Definition != nil && selects(s.Definition.SelectionSet, name) {
				return true
			}
		}
	}
	return false
}
