package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"millrace/services/node"
)

// upCmd starts a node.
type upCmd struct {
	Config     string   `help:"YAML file with the same settings; flags win." type:"existingfile" placeholder:"FILE"`
	Roles      []string `help:"Roles of this process: tracker, curation, training, evaluation, serving, external (default: all but external)." placeholder:"ROLE,…"`
	Addr       string   `help:"Where to serve GraphQL and the page (default 127.0.0.1:7070)." env:"MILLRACE_ADDR" placeholder:"HOST:PORT"`
	Hosts      []string `help:"Further names under which the door may be called." placeholder:"NAME,…"`
	NATSURL    string   `name:"nats-url" help:"External NATS; without it the log is embedded." env:"MILLRACE_NATS_URL" placeholder:"URL"`
	NATSToken  string   `name:"nats-token" help:"Secret of the NATS server." env:"MILLRACE_NATS_TOKEN" placeholder:"SECRET"`
	NATSCreds  string   `name:"nats-creds" help:"Credentials file of the NATS account." env:"MILLRACE_NATS_CREDS" type:"path" placeholder:"FILE"`
	NATSListen string   `name:"nats-listen" help:"Let other processes join the embedded log here." placeholder:"HOST:PORT"`
	S3Endpoint string   `name:"s3-endpoint" help:"External S3; without it the object store is embedded." env:"MILLRACE_S3_ENDPOINT" placeholder:"URL"`
	S3Bucket   string   `name:"s3-bucket" help:"Bucket (default millrace)." env:"MILLRACE_S3_BUCKET" placeholder:"NAME"`
	S3Region   string   `name:"s3-region" help:"Region of the bucket." env:"MILLRACE_S3_REGION" placeholder:"REGION"`
	S3Access   string   `name:"s3-access-key" help:"Access key." env:"MILLRACE_S3_ACCESS_KEY" placeholder:"KEY"`
	S3Secret   string   `name:"s3-secret-key" help:"Secret key; better given by the environment." env:"MILLRACE_S3_SECRET_KEY" placeholder:"SECRET"`
	S3Listen   string   `name:"s3-listen" help:"Serve the embedded object store here." placeholder:"HOST:PORT"`
	Engine     string   `help:"Device for training: auto, cpu or cpu-reference." placeholder:"NAME"`
	Threads    int      `help:"Threads for training (default: all cores)." placeholder:"N"`
	Worker     string   `help:"Name of this worker in the record (default: the host's)." placeholder:"NAME"`
	External   bool     `name:"allow-external" help:"Start the programs of external runs here. Whoever may start runs can then run any program as this user (docs/external.md)."`
	Persisted  string   `name:"persisted-only" help:"Answer only the GraphQL operations of this file (hash: text)." type:"existingfile" placeholder:"FILE"`
	Verbose    bool     `short:"v" help:"Log more."`
}

// Run serves until it is told to stop. A second signal ends the process at once.
func (u *upCmd) Run(ctx context.Context, g *Global) error {
	c, err := u.config(g)
	if err != nil {
		return err
	}
	c.Ready = func(url string) {
		if url == "" {
			fmt.Fprintf(os.Stderr, "millrace: working as %v\n", c.Roles)
			return
		}
		fmt.Fprintf(os.Stderr, "millrace: ready at %s\n", url)
	}
	n, err := node.Open(ctx, c)
	if err != nil {
		return err
	}
	defer n.Close()
	if nats, s3 := n.Joining(); nats != "" {
		fmt.Fprintf(os.Stderr, "millrace: others join with --nats-url %s --s3-endpoint %s; the secrets are in %s/secrets.json\n", nats, s3, c.Data)
	}
	if err := n.Run(ctx); err != nil {
		return err
	}
	if err := n.Close(); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "millrace: stopped")
	return nil
}

// config lays flags over the file over the defaults.
func (u *upCmd) config(g *Global) (node.Config, error) {
	var c node.Config
	if u.Config != "" {
		if err := c.ReadFile(u.Config); err != nil {
			return c, err
		}
	}
	if c.Data == "" || g.Data != defaultData() {
		c.Data = g.Data
	}
	if len(u.Roles) > 0 {
		c.Roles = nil
	}
	for _, r := range u.Roles {
		c.Roles = append(c.Roles, node.Role(r))
	}
	for _, f := range []struct {
		flag string
		to   *string
	}{
		{u.Addr, &c.Addr}, {g.Token, &c.Token}, {u.NATSURL, &c.NATS.URL}, {u.NATSToken, &c.NATS.Token}, {u.NATSCreds, &c.NATS.CredsFile},
		{u.NATSListen, &c.NATS.Listen}, {u.S3Endpoint, &c.S3.Endpoint}, {u.S3Bucket, &c.S3.Bucket}, {u.S3Region, &c.S3.Region},
		{u.S3Access, &c.S3.AccessKey}, {u.S3Secret, &c.S3.SecretKey}, {u.S3Listen, &c.S3.Listen}, {u.Engine, &c.Engine}, {u.Worker, &c.Worker},
		{u.Persisted, &c.GraphQL.PersistedOnly},
	} {
		if f.flag != "" {
			*f.to = f.flag
		}
	}
	if u.Threads != 0 {
		c.Threads = u.Threads
	}
	if u.External {
		c.External.Allow = true
	}
	if c.External.URL == "" && !slices.Contains(c.Roles, node.Tracker) && len(c.Roles) > 0 {
		c.External.URL = g.URL
	}
	if len(c.External.Guard) == 0 {
		self, err := os.Executable()
		if err != nil {
			return c, err
		}
		c.External.Guard = []string{self, "guard"}
	}
	c.Hosts = append(c.Hosts, u.Hosts...)
	c.Version, c.Log = version, logger(u.Verbose)
	return c, nil
}

// logger writes to standard error, warnings and worse unless told to say more.
func logger(verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
