package readmodel_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("READMODEL_TEST_FOLD"); path != "" {
		foldUntilKilled(path)
		return
	}
	goleak.VerifyTestMain(m)
}

// tempDir is a folder for an example.
func tempDir() (string, func()) {
	dir, err := os.MkdirTemp("", "readmodel")
	if err != nil {
		panic(err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }
}
