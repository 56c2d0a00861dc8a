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
