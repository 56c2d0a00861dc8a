package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/rogpeppe/go-internal/testscript"
)

// sums begins a model elsewhere, which adds two numbers for who has the key, and sets $SUMS to its endpoint. An answer is 3 tokens for 5.
func sums(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: sums")
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer sk-of-the-sums" {
			http.Error(w, "no key", http.StatusUnauthorized)
			return
		}
		var asked struct {
			Messages []struct{ Content string }
		}
		var a, b int
		if r.URL.Path != "/v1/chat/completions" || json.NewDecoder(r.Body).Decode(&asked) != nil || len(asked.Messages) != 1 {
			http.NotFound(w, r)
			return
		}
		if _, err := fmt.Sscanf(asked.Messages[0].Content, "%d + %d", &a, &b); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{ // the client may be gone
			"choices": []any{map[string]any{"message": map[string]any{"role": "assistant", "content": fmt.Sprint(a + b)}, "finish_reason": "stop"}},
			"usage":   map[string]any{"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
		})
	}))
	ts.Defer(s.Close)
	ts.Setenv("SUMS", s.URL+"/v1")
}
