package bus_test

import (
	"testing"

	"millrace/services/bus"
)

func TestURLsLoseTheirSecrets(t *testing.T) {
	for in, want := range map[string]string{
		"nats://a:4222":                          "nats://a:4222",
		"nats://user:secret@a:4222":              "nats://xxxxx@a:4222",
		"nats://token@a:4222, tls://u:p@b:4222":  "nats://xxxxx@a:4222,tls://xxxxx@b:4222",
		"user:secret@a:4222":                     "a:4222",
		"nats://user:se%zzcret@a:4222":           "a:4222",
		"a:4222,b:4222":                          "a:4222,b:4222",
		"http://admin:secret@a:8222/jsz?config=": "http://xxxxx@a:8222/jsz?config=",
	} {
		if got := bus.Redacted(in); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}
