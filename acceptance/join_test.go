package acceptance_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/acceptance/freeport"
	"millrace/client"
	"millrace/services/node"
)

// As docs/SCALING.md says it: a node opens its log and its store, and another process joins with the secrets that the first one made.
func TestAnotherNodeJoinsWithTheSecretsOfTheFirst(t *testing.T) {
	data, nats, s3 := t.TempDir(), freeport.Addr(t), freeport.Addr(t)
	first, _ := up(t, node.Config{
		Data: data, Worker: "desk", Roles: []node.Role{node.Tracker, node.Curation, node.Evaluation},
		NATS: node.NATS{Listen: nats}, S3: node.S3{Listen: s3},
	})
	path := filepath.Join(data, "secrets.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v %v", path, info.Mode(), err)
	}
	var secrets map[string]string
	if err := json.Unmarshal(raw, &secrets); err != nil {
		t.Fatal(err)
	}
	joined := func(token, key, secret string) node.Config {
		return node.Config{
			Data: t.TempDir(), Worker: "garage", Roles: []node.Role{node.Tracker, node.Training}, Threads: 1, Addr: "127.0.0.1:0",
			NATS: node.NATS{URL: "nats://" + nats, Token: token},
			S3:   node.S3{Endpoint: "http://" + s3, AccessKey: key, SecretKey: secret},
		}
	}
	for says, c := range map[string]node.Config{
		"NATS refuses the credentials": joined("guessed", secrets["s3_access_key"], secrets["s3_secret_key"]),
		"access denied":                joined(secrets["nats_token"], "guessed", secrets["s3_secret_key"]),
		"MILLRACE_S3_ACCESS_KEY":       joined(secrets["nats_token"], "", ""),
	} {
		n, err := node.Open(t.Context(), c)
		if err == nil {
			err = errors.Join(errors.New("it was let in"), n.Close())
		}
		if !strings.Contains(err.Error(), says) {
			t.Errorf("want %q, got: %v", says, err)
		}
	}

	other := joined(secrets["nats_token"], secrets["s3_access_key"], secrets["s3_secret_key"])
	second, _ := up(t, other)
	set := finished(t, first, client.StartRun{Kind: "CURATE", Config: recipe(t, corpus(t, 60))})
	// Asked of the second, curated by the first, trained by the second, judged by the first, told by both.
	run := finished(t, second, train(set.Output("dataset"), "1e-2"))
	if !strings.HasPrefix(set.Worker, "desk") || !strings.HasPrefix(run.Worker, "garage") {
		t.Errorf("curated by %q, trained by %q", set.Worker, run.Worker)
	}
	judged(t, first, run.ID, 2)
	judged(t, second, run.ID, 2)
	for _, kept := range []string{"objects", "log", "secrets.json"} {
		if _, err := os.Stat(filepath.Join(other.Data, kept)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("who joined has %s of its own: %v", kept, err)
		}
	}
}
