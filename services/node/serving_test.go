package node_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"millrace/client"
	"millrace/services/node"
)

// What was just trained can be talked to, by every name of its checkpoint, and by clients that know OpenAI's protocol.
func TestTalkingToACheckpoint(t *testing.T) {
	c, _ := lab(t, node.Config{Data: t.TempDir(), Addr: "127.0.0.1:0", Token: "a-test-token", Serve: node.Serve{Weights: "q8_0"}})
	c = client.New(c.URL(), "a-test-token")
	finish(t, c, begin(t, c, curation(t, corpus(t, 30), 300)).ID)
	run := finish(t, c, begin(t, c, training(20, 10)).ID)
	ask := func(method, path, token string, body any) (int, []byte) {
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), method, c.URL()+path, bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		defer http.DefaultClient.CloseIdleConnections()
		if raw, err = io.ReadAll(resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, raw
	}
	var list struct{ Data []struct{ ID, Label string } }
	status, raw := ask(http.MethodGet, "/v1/models", "a-test-token", nil)
	if err := json.Unmarshal(raw, &list); err != nil || status != http.StatusOK || len(list.Data) != 2 || list.Data[0].ID != run.ID+"@20" || list.Data[1].ID != run.ID+"@10" {
		t.Fatalf("%d %s %v", status, raw, err)
	}
	texts := map[string]string{}
	for _, name := range []string{run.ID, run.ID + "@20", run.ID + "@last", run.ID + "@10"} {
		status, raw := ask(http.MethodPost, "/v1/completions", "a-test-token", map[string]any{"model": name, "prompt": "the miller", "temperature": 0, "max_tokens": 12})
		var said struct{ Choices []struct{ Text string } }
		if err := json.Unmarshal(raw, &said); err != nil || status != http.StatusOK || len(said.Choices) != 1 || said.Choices[0].Text == "" {
			t.Fatalf("%s: %d %s %v", name, status, raw, err)
		}
		texts[name] = said.Choices[0].Text
	}
	if texts[run.ID] != texts[run.ID+"@20"] || texts[run.ID] != texts[run.ID+"@last"] {
		t.Errorf("one checkpoint says different things by its names: %q", texts)
	}
	status, raw = ask(http.MethodPost, "/v1/chat/completions", "a-test-token", map[string]any{"model": run.ID, "messages": []map[string]string{{"role": "user", "content": "rain"}}, "max_tokens": 4})
	if status != http.StatusOK || !bytes.Contains(raw, []byte(`"assistant"`)) {
		t.Errorf("%d %s", status, raw)
	}
	for name, want := range map[string]int{"none": http.StatusNotFound, run.ID + "@11": http.StatusNotFound} {
		if status, raw := ask(http.MethodPost, "/v1/completions", "a-test-token", map[string]any{"model": name, "prompt": "x"}); status != want || !bytes.Contains(raw, []byte("model_not_found")) {
			t.Errorf("%s: %d %s", name, status, raw)
		}
	}
	if status, raw := ask(http.MethodGet, "/v1/models", "another", nil); status != http.StatusUnauthorized || !bytes.Contains(raw, []byte(`"invalid_api_key"`)) {
		t.Errorf("with a wrong token: %d %s", status, raw)
	}
}

func TestServingIsConfigured(t *testing.T) {
	for _, c := range []node.Config{
		{Data: t.TempDir(), Addr: "127.0.0.1:0", Roles: []node.Role{node.Serving}},
		{Data: t.TempDir(), Addr: "127.0.0.1:0", Serve: node.Serve{Weights: "q4"}},
	} {
		if n, err := node.Open(t.Context(), c); err == nil {
			t.Errorf("%+v was opened", c)
			n.Close()
		}
	}
}
