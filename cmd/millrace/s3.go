package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"millrace/services/node"
)

// s3Cmd serves the embedded object store alone.
type s3Cmd struct {
	Addr      string `help:"Where to serve." default:"127.0.0.1:9000" placeholder:"HOST:PORT"`
	AccessKey string `help:"Access key." env:"MILLRACE_S3_ACCESS_KEY" placeholder:"KEY"`
	SecretKey string `help:"Secret key; better given by the environment." env:"MILLRACE_S3_SECRET_KEY" placeholder:"SECRET"`
}

func (s *s3Cmd) Run(ctx context.Context, g *Global) error {
	if s.AccessKey == "" || s.SecretKey == "" {
		return &exitError{exitUsage, errors.New("the store needs a key of your choice: set MILLRACE_S3_ACCESS_KEY and MILLRACE_S3_SECRET_KEY")}
	}
	return node.ServeS3(ctx, g.Data, s.Addr, s.AccessKey, s.SecretKey, logger(false), func(endpoint string) {
		fmt.Fprintf(os.Stderr, "millrace: S3 at %s\n", endpoint)
	})
}
