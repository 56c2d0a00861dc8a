package node

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// secrets are made once per data directory, so that nothing embedded has a secret that others know. The file is readable by its
// owner alone.
type secrets struct {
	S3AccessKey string `json:"s3_access_key"`
	S3SecretKey string `json:"s3_secret_key"`
	NATSToken   string `json:"nats_token"`
}

// openSecrets reads the data directory's secrets, or makes them.
func openSecrets(data string) (secrets, error) {
	path := filepath.Join(data, "secrets.json")
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeSecrets(path)
	}
	if err != nil {
		return secrets{}, fmt.Errorf("node: secrets: %w", err)
	}
	var s secrets
	if err := json.Unmarshal(raw, &s); err != nil || s.S3AccessKey == "" || s.S3SecretKey == "" || s.NATSToken == "" {
		return secrets{}, fmt.Errorf("node: %s cannot be read as secrets; remove it, and new ones are made at the next start", path)
	}
	return s, nil
}

func makeSecrets(path string) (secrets, error) {
	var made [3]string
	for i := range made {
		var b [24]byte
		if _, err := rand.Read(b[:]); err != nil {
			return secrets{}, fmt.Errorf("node: secrets: %w", err)
		}
		made[i] = base64.RawURLEncoding.EncodeToString(b[:])
	}
	s := secrets{S3AccessKey: "millrace-" + made[0][:8], S3SecretKey: made[1], NATSToken: made[2]}
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return s, err
	}
	// A new name, then a rename: a crash leaves no half-written secret.
	tmp := path + ".new"
	if err := os.WriteFile(tmp, append(raw, '\n'), 0o600); err != nil {
		return s, fmt.Errorf("node: secrets: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return s, fmt.Errorf("node: secrets: %w", err)
	}
	return s, nil
}
