package graph

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"millrace/graph/internal/gen"
	"millrace/graph/internal/scalar"
	"millrace/storage/readmodel"
)

// The codes of a question's errors (extensions.code), besides GraphQL's own: GRAPHQL_PARSE_FAILED, GRAPHQL_VALIDATION_FAILED,
// COMPLEXITY_LIMIT_EXCEEDED, DEPTH_LIMIT_EXCEEDED; and of persisted operations PERSISTED_QUERY_NOT_FOUND, PERSISTED_QUERY_ONLY.
const (
	codeBadInput    = "BAD_USER_INPUT"
	codeNotFound    = "NOT_FOUND"
	codeUnavailable = "UNAVAILABLE"
	codeCanceled    = "CANCELED"
	codeTimeout     = "TIMEOUT"
	codeInternal    = "INTERNAL"
)

// question is an error that whoever asked can mend.
type question struct {
	code, message string
	more          map[string]any // for programs: where in a text the fault is
}

func (q question) Error() string { return q.message }

func badInput(format string, args ...any) error {
	return question{code: codeBadInput, message: fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return question{code: codeNotFound, message: fmt.Sprintf(format, args...)}
}

// present turns an error into what is shown: a code, and for an internal error no more than that there was one.
func (r *resolver) present(ctx context.Context, err error) *gqlerror.Error {
	shown := graphql.DefaultErrorPresenter(ctx, err)
	if shown == nil || shown.Extensions["code"] != nil {
		return shown
	}
	shown = &gqlerror.Error{Err: shown.Err, Message: shown.Message, Path: shown.Path, Locations: shown.Locations}
	var q question
	code := codeInternal
	switch {
	case errors.As(err, &q):
		code, shown.Message = q.code, q.message
	case errors.Is(err, scalar.ErrValue), errors.Is(err, readmodel.ErrBadQuery), errors.Is(err, readmodel.ErrSeveral):
		code = codeBadInput
	case errors.Is(err, readmodel.ErrNotFound):
		code = codeNotFound
	case errors.Is(err, readmodel.ErrClosed):
		code, shown.Message = codeUnavailable, "the server is shutting down"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		code, shown.Message = codeCanceled, "the request was given up before it was answered"
	case shown.Rule != "" || shown.Err == nil:
		// GraphQL's own: about the operation, not about us.
		code = codeBadInput
	default:
		r.Log.ErrorContext(ctx, "graph: a question failed", "path", shown.Path.String(), "error", err)
		shown.Message = "internal error; the server's log says more"
	}
	shown.Extensions = map[string]any{"code": code}
	maps.Copy(shown.Extensions, q.more)
	return shown
}

// recovered keeps a panic from ending the process.
func (r *resolver) recovered(ctx context.Context, v any) error {
	r.Log.ErrorContext(ctx, "graph: panic", "panic", v, "stack", string(debug.Stack()))
	return question{code: codeInternal, message: "internal error; the server's log says more"}
}

// userErrors turns a refused wish into what its maker is told; any other error is internal and goes on as err.
func (r *resolver) userErrors(ctx context.Context, err error) ([]gen.UserError, error) {
	if err == nil {
		return []gen.UserError{}, nil
	}
	var refusal Refusal
	var q question
	switch {
	case errors.As(err, &refusal):
		e := gen.UserError{Message: refusal.Error(), Code: gen.ErrorCode(refusal.Code()), Field: inputPath(refusal.Field())}
		if !e.Code.IsValid() {
			e.Code = gen.ErrorCodeInternal
		}
		if h := refusal.Hint(); h != "" {
			e.Hint = &h
		}
		return []gen.UserError{e}, nil
	case errors.As(err, &q):
		code := gen.ErrorCodeInvalid
		if q.code == codeNotFound {
			code = gen.ErrorCodeNotFound
		}
		return []gen.UserError{{Message: q.message, Code: code}}, nil
	}
	return nil, err
}

// inputPath is the path of a mutation's argument.
func inputPath(field []string) []string {
	if len(field) == 0 {
		return nil
	}
	return append([]string{"input"}, field...)
}
