package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"millrace/client"
)

// judge begins a model elsewhere that likes the longer of two answers, and of two as long the first; $JUDGE is its endpoint.
func judge(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: judge")
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Messages []struct{ Content string }
		}
		if r.URL.Path != "/v1/chat/completions" || json.NewDecoder(r.Body).Decode(&asked) != nil || len(asked.Messages) != 1 {
			http.NotFound(w, r)
			return
		}
		_, answers, _ := strings.Cut(asked.Messages[0].Content, "[Answer A]")
		a, b, ok := strings.Cut(answers, "[Answer B]")
		b, _, _ = strings.Cut(b, "\n\n[")
		if !ok {
			http.Error(w, "two answers are wanted", http.StatusBadRequest)
			return
		}
		verdict := "VERDICT: A"
		if len(strings.TrimSpace(b)) > len(strings.TrimSpace(a)) {
			verdict = "VERDICT: B"
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{ // the client may be gone
			"choices": []any{map[string]any{"message": map[string]any{"role": "assistant", "content": verdict}, "finish_reason": "stop"}},
			"usage":   map[string]any{"prompt_tokens": 50, "completion_tokens": 3, "total_tokens": 53},
		})
	}))
	ts.Defer(s.Close)
	ts.Setenv("JUDGE", s.URL+"/v1")
}

// graphql asks the script's node, which must answer without errors: for what a page does and no command.
func graphql(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: graphql QUERY")
	}
	var answer map[string]json.RawMessage
	err := client.New(announced(ts.MkAbs("data")), "").Do(context.Background(), args[0], nil, &answer)
	if err != nil {
		ts.Fatalf("%v", err)
	}
	for _, raw := range answer {
		fmt.Fprintf(ts.Stdout(), "%s\n", raw)
		var a struct{ UserErrors []client.UserError }
		if err := json.Unmarshal(raw, &a); err == nil && len(a.UserErrors) > 0 {
			ts.Fatalf("%+v", a.UserErrors)
		}
	}
}
