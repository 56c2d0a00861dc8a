package auto_test

import (
	"strings"
	"testing"

	"millrace/trainer/engine/auto"
)

func TestOpenNamesWhatItOpened(t *testing.T) {
	for _, name := range []string{"", "auto", "cpu", "cpu-reference"} {
		kernels, err := auto.Open(name, 1)
		if err != nil {
			t.Fatalf("Open(%q): %v", name, err)
		}
		if info := kernels.Info(); info.Kind != "cpu" || info.Name == "" || info.Kernels == "" || info.Threads != 1 {
			t.Errorf("Open(%q).Info() = %+v", name, info)
		}
	}
}

func TestOpenRefusesWhatThisBinaryLacks(t *testing.T) {
	for name, want := range map[string]string{"cuda": "without CUDA", "tpu": "unknown"} {
		if _, err := auto.Open(name, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q) error is %v, want it to say %q", name, err, want)
		}
	}
}
