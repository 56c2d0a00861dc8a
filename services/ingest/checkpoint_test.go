package ingest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"millrace/event"
	"millrace/storage/blob"
)

// saved is the answer to a checkpoint.
type saved struct {
	Saved      bool         `json:"saved"`
	Checkpoint event.Digest `json:"checkpoint"`
	Missing    []struct {
		Name    string `json:"name"`
		Through string `json:"through"`
		Upload  *struct {
			URL string `json:"url"`
		} `json:"upload"`
	} `json:"missing"`
	Error struct{ Code, Message, Hint, Field string } `json:"error"`
}

func (l *lab) checkpoint(run, body string) (status int, out saved) {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, l.url+"/api/v1/runs/"+run+"/checkpoints", strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	resp, err := l.http.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		l.t.Fatal(err)
	}
	return resp.StatusCode, out
}

// A checkpoint is a fact once all of its files are in the store, and once only.
func TestACheckpointFromOutside(t *testing.T) {
	l := start(t)
	l.ok("/runs", `{"id":"R1","experiment":"elsewhere"}`)
	config, weights := `{"model_type":"gpt2"}`, "weights"
	file := func(name, content string) string {
		return fmt.Sprintf(`{"name":%q,"digest":%q,"size":%d}`, name, event.DigestOf([]byte(content)), len(content))
	}
	body := fmt.Sprintf(`{"step":7,"tokens":70,"last":true,"files":[%s,%s]}`, file("config.json", config), file("model.safetensors", weights))
	status, out := l.checkpoint("R1", body)
	if status != http.StatusAccepted || len(out.Missing) != 2 || out.Missing[1].Upload == nil || out.Missing[0].Name != "config.json" {
		t.Fatalf("%d %+v", status, out)
	}
	if _, err := l.model.Checkpoint("R1", 7); err == nil {
		t.Fatal("it is there without its files")
	}
	for i, content := range []string{config, weights} {
		if r := l.do("PUT", strings.TrimPrefix(out.Missing[i].Through, "/api/v1"), strings.NewReader(content)); r.Status != http.StatusOK {
			t.Fatalf("%+v", r)
		}
	}
	status, first := l.checkpoint("R1", body)
	if status != http.StatusOK || !first.Saved || !first.Checkpoint.Valid() {
		t.Fatalf("%d %+v", status, first)
	}
	was := l.last()
	if status, again := l.checkpoint("R1", body); status != http.StatusOK || again.Checkpoint != first.Checkpoint || l.last() != was {
		t.Errorf("told again: %d %+v, %d facts, %d before", status, again, l.last(), was)
	}
	c, err := l.model.Checkpoint("R1", 7)
	if err != nil || c.Checkpoint != first.Checkpoint || c.Tokens != 70 || !c.Last || len(c.Files) != 2 || c.Experiment == "" {
		t.Errorf("%+v %v", c, err)
	}
	if tree, err := l.blobs.Get(t.Context(), blob.Digest(c.Checkpoint)); err != nil || !strings.Contains(string(tree), "model.safetensors") {
		t.Errorf("%s %v", tree, err)
	}
	// Bad input is refused by name, and changes nothing.
	for want, bad := range map[string]string{
		"files":           `{"step":1}`,
		"files[0]":        `{"step":1,"files":[{"name":"a","digest":"md5:1","size":1}]}`,
		"path":            `{"step":1,"files":[` + strings.Replace(file("a", weights), `"a"`, `"../a"`, 1) + `]}`,
		"has 7 bytes":     `{"step":1,"files":[` + strings.Replace(file("a", weights), `"size":7`, `"size":8`, 1) + `]}`,
		"there twice":     `{"step":1,"files":[` + file("a", weights) + `,` + file("a", weights) + `]}`,
		"count from 0":    `{"step":-1,"files":[` + file("a", weights) + `]}`,
		"no dataset":      `{"step":1,"dataset":"none","files":[` + file("a", weights) + `]}`,
		"no such field":   `{"step":1,"fiels":[]}`,
		`there is no run`: ``,
	} {
		run := "R1"
		if bad == "" {
			run, bad = "R2", body
		}
		status, out := l.checkpoint(run, bad)
		if status < 400 || status >= 500 || !strings.Contains(out.Error.Field+" "+out.Error.Message, want) {
			t.Errorf("want %q, got %d %+v", want, status, out.Error)
		}
	}
	if l.last() != was {
		t.Errorf("%d facts, %d before", l.last(), was)
	}
}
